//! Plain http through a proxy, which is asked for the whole address. ureq would open a tunnel as for
//! https, and most proxies open none to port 80.

use std::io;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, Error};

/// An agent whose requests all go to `proxy`, with these credentials (`user:password` in base64).
pub(super) fn agent(config: Config, proxy: Uri, credentials: Option<String>) -> Agent {
    let resolver = ToProxy { proxy: proxy.clone(), inner: DefaultResolver::default() };
    let inner = DefaultConnector::new();
    Agent::with_parts(config, Forward { proxy, credentials, inner }, resolver)
}

/// Finds the proxy's address in place of any host's: maybe only the proxy knows that.
#[derive(Debug)]
struct ToProxy {
    proxy: Uri,
    inner: DefaultResolver,
}

impl Resolver for ToProxy {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        self.inner.resolve(&self.proxy, config, timeout)
    }
}

#[derive(Debug)]
struct Forward {
    proxy: Uri,
    credentials: Option<String>,
    inner: DefaultConnector,
}

impl Connector for Forward {
    type Out = Whole;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Whole>, Error> {
        let to_proxy = ConnectionDetails {
            uri: &self.proxy,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let Some(transport) = self.inner.connect(&to_proxy, None)? else { return Ok(None) };
        let host = details.uri.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit('@').next().unwrap_or_default();
        Ok(Some(Whole {
            transport,
            origin: format!("http://{host}"),
            credentials: self.credentials.clone(),
        }))
    }
}

/// A connection to the proxy, on which each request gets its whole address.
#[derive(Debug)]
struct Whole {
    transport: Box<dyn Transport>,
    origin: String,
    credentials: Option<String>,
}

impl Whole {
    /// `GET /path HTTP/1.1` and what follows it, as a proxy wants it.
    fn rewritten(&self, request: &[u8]) -> Option<Vec<u8>> {
        let path = request.iter().position(|byte| *byte == b' ')? + 1;
        let end = path + request[path..].windows(2).position(|two| two == b"\r\n")? + 2;
        let credentials = self.credentials.as_ref();
        let header = credentials.map(|c| format!("Proxy-Authorization: Basic {c}\r\n"));
        let parts = [
            &request[..path],
            self.origin.as_bytes(),
            &request[path..end],
            header.as_deref().unwrap_or_default().as_bytes(),
            &request[end..],
        ];
        Some(parts.concat())
    }
}

impl Transport for Whole {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    /// What is asked of a hub has no bodies, so all that is sent are requests' heads, whole ones.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let request = self.transport.buffers().output()[..amount].to_vec();
        let wrong = || io::Error::other("a request that no proxy takes");
        let request = self.rewritten(&request).ok_or_else(wrong)?;
        let output = self.transport.buffers().output();
        output.get_mut(..request.len()).ok_or_else(wrong)?.copy_from_slice(&request);
        self.transport.transmit_output(request.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }
}
