//! Which proxy a request goes through, as curl and Python decide it from the environment.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

/// The proxies of an environment. Without any, requests go straight to their hosts.
#[derive(Clone, Default)]
pub struct Proxies {
    pub(super) http: Option<Setting>,
    pub(super) https: Option<Setting>,
    except: Vec<Except>,
}

/// A variable that names a proxy.
#[derive(Clone)]
pub(super) struct Setting {
    pub variable: String,
    /// May have a password in it.
    pub value: String,
}

/// Hosts that no proxy is for.
#[derive(Clone, Debug, PartialEq)]
enum Except {
    Everything,
    /// The addresses that begin as this one, by so many bits, and a port if only that is meant.
    Network(IpAddr, u32, Option<u16>),
    Host {
        /// In small letters.
        name: String,
        /// Only what is below it, not itself.
        below: bool,
        port: Option<u16>,
    },
}

impl Proxies {
    /// The proxies that the environment names: `HTTP_PROXY` for plain http and `HTTPS_PROXY` for
    /// https, `ALL_PROXY` where they are missing, and `NO_PROXY` with what none of them is for. All
    /// of them in small letters count first, and switch off where they are empty.
    ///
    /// `NO_PROXY` lists, between commas, hosts (with what is below them), what is below a host
    /// (`*.example.com`), addresses, ranges of addresses (`10.0.0.0/8`), all of them also for one
    /// port (`:8080`), or is `*` for everything.
    pub fn from_env() -> Proxies {
        Proxies::from_vars(&|name| std::env::var_os(name))
    }

    pub(super) fn from_vars(var: &dyn Fn(&str) -> Option<OsString>) -> Proxies {
        let find = |scheme: &str| {
            let small = format!("{scheme}_proxy");
            let large = small.to_uppercase();
            // A web server gives its scripts what a request's header Proxy says as HTTP_PROXY.
            let forged = scheme == "http" && var("REQUEST_METHOD").is_some();
            let (variable, value) = match var(&small) {
                Some(value) => (small, value),
                None if forged => return None,
                None => (large.clone(), var(&large)?),
            };
            let value = value.into_string().ok()?.trim().to_owned();
            (!value.is_empty()).then_some(Setting { variable, value })
        };
        let all = find("all");
        let except = find("no").map(|setting| setting.value).unwrap_or_default();
        Proxies {
            http: find("http").or_else(|| all.clone()),
            https: find("https").or(all),
            except: except.split([',', ' ', '\t']).filter_map(Except::parse).collect(),
        }
    }

    /// Whether requests to this host and port go straight there.
    pub(super) fn are_not_for(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
        self.except.iter().any(|except| except.has(&host, port))
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable =
            |setting: &Option<Setting>| setting.as_ref().map(|setting| setting.variable.clone());
        f.debug_struct("Proxies")
            .field("http", &variable(&self.http))
            .field("https", &variable(&self.https))
            .field("except", &self.except)
            .finish()
    }
}

impl Except {
    /// `None` for what cannot be understood, which curl passes over, too.
    fn parse(text: &str) -> Option<Except> {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if text == "*" {
            return Some(Except::Everything);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = plain(address).parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(address))?;
            return Some(Except::Network(address, bits, None));
        }
        if let Ok(address) = plain(&text).parse::<IpAddr>() {
            return Some(Except::Network(address, width(address), None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (&*text, None),
        };
        if let Ok(address) = plain(host).parse::<IpAddr>() {
            return Some(Except::Network(address, width(address), port));
        }
        let (name, below) = match host.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (host.trim_start_matches('.'), false),
        };
        (!name.is_empty()).then(|| Except::Host { name: name.to_owned(), below, port })
    }

    fn has(&self, host: &str, at: u16) -> bool {
        match self {
            Except::Everything => true,
            Except::Network(network, bits, port) => {
                host.parse().is_ok_and(|address| begins_as(address, *network, *bits))
                    && port.is_none_or(|port| port == at)
            }
            // What is below a name ends in it, but an address that ends as another one is a stranger.
            Except::Host { .. } if host.parse::<IpAddr>().is_ok() => false,
            Except::Host { name, below, port } => {
                let rest = host.strip_suffix(&**name);
                rest.is_some_and(|rest| (rest.is_empty() && !below) || rest.ends_with('.'))
                    && port.is_none_or(|port| port == at)
            }
        }
    }
}

/// An address without the brackets that an IPv6 address has before a port.
fn plain(address: &str) -> &str {
    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address)
}

/// Bits of an address of this kind.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `bits` of two addresses of one kind are the same.
fn begins_as(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let rest = width(network) - bits;
    let differ = number(address) ^ number(network);
    width(address) == width(network) && differ.checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(vars: &[(&str, &str)]) -> Proxies {
        Proxies::from_vars(&|name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn each_scheme_has_its_own_variable() {
        for (vars, http, https) in [
            (&[][..], None, None),
            (&[("HTTP_PROXY", "a")], Some("a"), None),
            (&[("HTTPS_PROXY", "b")], None, Some("b")),
            (&[("ALL_PROXY", "c")], Some("c"), Some("c")),
            (&[("HTTPS_PROXY", "b"), ("ALL_PROXY", "c")], Some("c"), Some("b")),
            (&[("HTTP_PROXY", "A"), ("http_proxy", "a")], Some("a"), None),
            (&[("HTTPS_PROXY", "B"), ("https_proxy", "")], None, None),
            (&[("HTTPS_PROXY", ""), ("all_proxy", "c")], Some("c"), Some("c")),
            (&[("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")], Some("a"), None),
        ] {
            let proxies = proxies(vars);
            let value =
                |setting: &Option<Setting>| setting.as_ref().map(|setting| setting.value.clone());
            assert_eq!(value(&proxies.http).as_deref(), http, "{vars:?}");
            assert_eq!(value(&proxies.https).as_deref(), https, "{vars:?}");
        }
        let secret = format!("{:?}", proxies(&[("HTTPS_PROXY", "http://me:secret@p")]));
        assert!(!secret.contains("secret") && secret.contains("HTTPS_PROXY"), "{secret}");
    }

    #[test]
    fn exceptions_are_hosts_what_is_below_them_and_ranges() {
        for (except, host, port, expected) in [
            ("", "a.com", 443, false),
            ("*", "a.com", 443, true),
            ("a.com", "a.com", 443, true),
            ("A.com.", "a.COM", 443, true),
            ("a.com", "hub.a.com", 443, true),
            ("a.com", "aa.com", 443, false),
            ("a.com", "a.com.evil.org", 443, false),
            (".a.com", "hub.a.com", 443, true),
            (".a.com", "a.com", 443, true),
            ("*.a.com", "hub.a.com", 443, true),
            ("*.a.com", "a.com", 443, false),
            ("b.com, a.com", "a.com", 443, true),
            ("b.com a.com", "a.com", 443, true),
            ("a.com:8080", "a.com", 8080, true),
            ("a.com:8080", "a.com", 443, false),
            ("localhost", "localhost", 80, true),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1:81", "127.0.0.1", 80, false),
            ("127.0.0.1", "127.0.0.10", 80, false),
            ("0.0.1", "127.0.0.1", 80, false),
            ("10.0.0.0/8", "10.9.8.7", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("192.168.4.0/22", "192.168.7.255", 80, true),
            ("192.168.4.0/22", "192.168.8.0", 80, false),
            ("0.0.0.0/0", "8.8.8.8", 80, true),
            ("0.0.0.0/0", "::1", 80, false),
            ("10.0.0.0/33", "10.0.0.0", 80, false),
            ("10.0.0.0/8", "hub.10.com", 80, false),
            ("::1", "[::1]", 80, true),
            ("[::1]", "[::1]", 80, true),
            ("[::1]:8080", "[::1]", 80, false),
            ("fd00::/8", "[fd12::3]", 80, true),
            ("[fd00::]/8", "[fe12::3]", 80, false),
            ("::/0", "[fe12::3]", 80, true),
        ] {
            let found = proxies(&[("NO_PROXY", except)]).are_not_for(host, port);
            assert_eq!(found, expected, "{except:?} for {host}:{port}");
        }
    }
}
