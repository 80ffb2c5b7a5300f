//! The agents that requests are sent by: straight, or through the proxy that is for them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::config::Config;
use ureq::{Agent, Proxy, ProxyProtocol};

use super::forward;
use super::proxy::{Proxies, Setting};
use crate::error::{Error, ErrorKind, Result};

/// A way for each address.
pub(super) struct Routes {
    straight: Agent,
    http: Option<Route>,
    https: Option<Route>,
    proxies: Proxies,
}

/// A way through a proxy.
pub(super) struct Route {
    agent: Agent,
    /// The variable that names the proxy.
    pub variable: String,
    /// Its host and port.
    pub proxy: String,
}

impl Routes {
    /// `config` makes an agent's configuration, which goes through this proxy.
    pub fn new(proxies: &Proxies, config: &dyn Fn(Option<Proxy>) -> Config) -> Result<Routes> {
        let open = |setting: &Option<Setting>, is_plain| {
            setting.as_ref().map(|setting| Route::new(setting, is_plain, config)).transpose()
        };
        Ok(Routes {
            straight: config(None).new_agent(),
            http: open(&proxies.http, true)?,
            https: open(&proxies.https, false)?,
            proxies: proxies.clone(),
        })
    }

    /// The agent for `url`, and the way that it takes if that is none of its own.
    pub fn of(&self, url: &str) -> (&Agent, Option<&Route>) {
        let Some((scheme, rest)) = url.split_once("://") else { return (&self.straight, None) };
        let is_plain = scheme.eq_ignore_ascii_case("http");
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let usual = if is_plain { 80 } else { 443 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (authority, usual),
        };
        let route = if is_plain { &self.http } else { &self.https };
        match route {
            Some(route) if !self.proxies.are_not_for(host, port) => (&route.agent, Some(route)),
            _ => (&self.straight, None),
        }
    }
}

impl Route {
    fn new(
        setting: &Setting,
        is_plain: bool,
        config: &dyn Fn(Option<Proxy>) -> Config,
    ) -> Result<Route> {
        let Setting { variable, value } = setting;
        // As curl and Python, a proxy without a scheme speaks http.
        let address = match value.contains("://") {
            true => value.clone(),
            false => format!("http://{value}"),
        };
        let proxy = Proxy::new(&address).map_err(|_| {
            // The address may have a password in it, which is no part of a message.
            let scheme = address.split("://").next().unwrap_or_default();
            let what = format!(
                "names no proxy that can be used: it begins with {scheme}://, and there are http, \
                 https, socks4, socks4a, socks5 and socks5h, each before a host and maybe a port"
            );
            Error::new(ErrorKind::Input, variable, what)
        })?;
        let name = format!("{}:{}", proxy.host(), proxy.port());
        let speaks_http = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
        let agent = if is_plain && speaks_http {
            let credentials = proxy.username().map(|user| {
                BASE64_STANDARD.encode(format!("{user}:{}", proxy.password().unwrap_or_default()))
            });
            forward::agent(config(None), proxy.uri().clone(), credentials)
        } else {
            config(Some(proxy)).new_agent()
        };
        Ok(Route { agent, variable: variable.clone(), proxy: name })
    }
}
