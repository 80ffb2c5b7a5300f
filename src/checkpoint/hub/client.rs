//! Requests to the hub and what its answers mean.

use std::time::Duration;

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body, Proxy};

use super::cache::is_commit;
use super::id::ModelId;
use super::options::HubOptions;
use super::routes::Routes;
use crate::error::{Error, ErrorKind, Result};

const MOST_REDIRECTS: usize = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the other side may be silent before the connection counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A file on the hub.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) name: String,
    /// The commit that it was found at.
    pub(super) commit: String,
    /// The name of its content: two files of one etag are equal.
    pub(super) etag: String,
    /// In bytes.
    pub(super) size: u64,
    /// The etag is the SHA-256 of the content, as it is for every large file.
    pub(super) is_sha256: bool,
}

/// What the hub says of a file.
pub(super) enum Described {
    Here(Remote),
    /// It has none of this name at this commit.
    Absent {
        commit: String,
    },
    /// Something answered that it has none, which need not be the hub, nor true tomorrow.
    NotFound,
}

/// Talks to one hub about one model.
pub(super) struct Client {
    routes: Routes,
    model: ModelId,
    endpoint: String,
    token: Option<String>,
}

/// How far to follow redirects.
#[derive(Clone, Copy, PartialEq)]
enum Follow {
    /// Up to the answer that carries the hub's own headers.
    WithinHub,
    ToTheEnd,
}

impl Client {
    pub(super) fn new(model: &ModelId, options: &HubOptions) -> Result<Client> {
        if origin(&options.endpoint).is_none() {
            return Err(Error::new(
                ErrorKind::Input,
                "HF_ENDPOINT",
                format!("{:?} is not an address such as https://huggingface.co", options.endpoint),
            ));
        }
        if options.token.as_ref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(Error::new(
                ErrorKind::Input,
                "HF_TOKEN",
                "has spaces or signs that a token can't have",
            ));
        }
        // Redirects are followed here, so that the token goes nowhere but to the hub itself.
        let config = |proxy: Option<Proxy>| {
            Agent::config_builder()
                .proxy(proxy)
                .max_redirects(0)
                .http_status_as_error(false)
                .timeout_resolve(Some(CONNECT_TIMEOUT))
                .timeout_connect(Some(CONNECT_TIMEOUT))
                .timeout_recv_response(Some(SILENCE_TIMEOUT))
                .timeout_per_read(Some(SILENCE_TIMEOUT))
                .user_agent(concat!("cappy/", env!("CARGO_PKG_VERSION")))
                .accept_encoding("identity")
                .build()
        };
        Ok(Client {
            routes: Routes::new(&options.proxies, &config)?,
            model: model.clone(),
            endpoint: options.endpoint.clone(),
            token: options.token.clone(),
        })
    }

    /// What the hub says about the file `name` at `revision`.
    pub(super) fn describe(&self, revision: &str, name: &str) -> Result<Described> {
        let url = self.url(revision, name);
        let mut attempt = 0;
        let (response, host) = loop {
            let (response, host) = self.send(&url, None, Follow::WithinHub)?;
            if !is_busy(response.status()) || !pause(&mut attempt) {
                break (response, host);
            }
        };
        let status = response.status();
        let code = header(response.headers(), "x-error-code").unwrap_or_default();
        if status == StatusCode::NOT_FOUND && !["RepoNotFound", "RevisionNotFound"].contains(&code)
        {
            // Only the hub's own headers say that it was the hub, and at which commit it looked.
            let commit = header(response.headers(), "x-repo-commit");
            return Ok(match commit.filter(|at| code == "EntryNotFound" && is_commit(at)) {
                Some(commit) => Described::Absent { commit: commit.into() },
                None => Described::NotFound,
            });
        }
        if !status.is_success() && !status.is_redirection() {
            return Err(self.refused(&response, &host, name));
        }

        let headers = response.headers();
        let wrong = |what: &str| {
            let message = format!("answered without a usable {what} for {name}");
            Error::new(ErrorKind::Network, &host, message)
        };
        let commit = header(headers, "x-repo-commit").filter(|commit| is_commit(commit));
        let linked_etag = header(headers, "x-linked-etag");
        let etag = linked_etag
            .or_else(|| header(headers, "etag"))
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"'))
            // It becomes a file's name.
            .filter(|etag| super::is_plain_name(etag));
        let length = if status.is_success() { header(headers, "content-length") } else { None };
        let size = header(headers, "x-linked-size").or(length).and_then(|size| size.parse().ok());
        let etag = etag.ok_or_else(|| wrong("ETag"))?;
        Ok(Described::Here(Remote {
            name: name.into(),
            commit: commit.ok_or_else(|| wrong("X-Repo-Commit"))?.into(),
            etag: etag.into(),
            size: size.ok_or_else(|| wrong("size"))?,
            is_sha256: linked_etag.is_some()
                && etag.len() == 64
                && etag.bytes().all(|b| b.is_ascii_hexdigit()),
        }))
    }

    /// Asks for the content of `remote` from byte `start` on. Returns where the answer starts,
    /// which is 0 if the server takes no notice of ranges, its body, and the host it comes from.
    pub(super) fn open(&self, remote: &Remote, start: u64) -> Result<(u64, Body, String)> {
        let url = self.url(&remote.commit, &remote.name);
        let (response, host) = self.send(&url, Some(start), Follow::ToTheEnd)?;
        let wrong = |why: String| {
            Err(Error::new(ErrorKind::Network, &host, format!("{}: {why}", remote.name)))
        };
        match response.status() {
            StatusCode::OK => Ok((0, response.into_body(), host)),
            StatusCode::PARTIAL_CONTENT => {
                // "bytes 5-9/10": only the first number matters, the length is checked later.
                let range = header(response.headers(), "content-range").unwrap_or_default();
                let from = range
                    .strip_prefix("bytes ")
                    .and_then(|range| range.split_once('-'))
                    .and_then(|(from, _)| from.parse::<u64>().ok());
                match from {
                    Some(from) if from == start => Ok((start, response.into_body(), host)),
                    _ => wrong(format!("asked for bytes from {start} on, got {range:?}")),
                }
            }
            status if is_busy(status) => wrong(format!("the answer is {status}")),
            _ => Err(self.refused(&response, &host, &remote.name)),
        }
    }

    pub(super) fn no_such_file(&self, name: &str) -> Error {
        let message = format!("has no {name} at revision {}", self.model.revision);
        Error::new(ErrorKind::NotFound, &self.model.written, message)
    }

    fn url(&self, revision: &str, name: &str) -> String {
        // The slash of refs/pr/1 must be escaped too.
        let mut escaped = String::new();
        for byte in revision.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    escaped.push(byte.into());
                }
                _ => escaped.push_str(&format!("%{byte:02X}")),
            }
        }
        format!("{}/{}/resolve/{escaped}/{name}", self.endpoint, self.model.path())
    }

    /// Sends a GET from byte `start` on, or a HEAD without one. Returns the answer and its host.
    fn send(
        &self,
        url: &str,
        start: Option<u64>,
        follow: Follow,
    ) -> Result<(Response<Body>, String)> {
        let mut url = url.to_string();
        for _ in 0..=MOST_REDIRECTS {
            let host = host(&url).to_string();
            let at_hub = origin(&url) == origin(&self.endpoint);
            let (agent, route) = self.routes.of(&url);
            let mut request = match start {
                Some(_) => agent.get(&url),
                None => agent.head(&url),
            };
            if let Some(start) = start.filter(|&start| start > 0) {
                request = request.header("Range", format!("bytes={start}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| at_hub) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|source| {
                let way = route.map_or(String::new(), |route| {
                    format!(" through the proxy {} of {}", route.proxy, route.variable)
                });
                Error::new(ErrorKind::Network, &host, format!("cannot be reached{way}: {source}"))
                    .with_source(source)
            })?;
            if let (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(route)) =
                (response.status(), route)
            {
                let what = format!(
                    "the proxy {} wants a user and a password, as in http://user:password@host:port",
                    route.proxy
                );
                return Err(Error::new(ErrorKind::Network, &route.variable, what));
            }

            let location = match header(response.headers(), "location") {
                Some(location) if response.status().is_redirection() => location,
                _ => return Ok((response, host)),
            };
            let refuse = || {
                let message = format!("redirects to {location:?}, which is not followed");
                Error::new(ErrorKind::Network, &host, message)
            };
            let next = join(&url, location).ok_or_else(refuse)?;
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(refuse());
            }
            // The hub answers for a large file itself and sends on to where it lies.
            let leaves_hub = origin(&next) != origin(&self.endpoint);
            let is_answer = header(response.headers(), "x-repo-commit").is_some();
            if follow == Follow::WithinHub && leaves_hub && is_answer {
                return Ok((response, host));
            }
            url = next;
        }
        Err(Error::new(ErrorKind::Network, host(&url), "redirects without end"))
    }

    /// What an answer that is no success means.
    fn refused(&self, response: &Response<Body>, host: &str, name: &str) -> Error {
        let id = &self.model.written;
        let code = header(response.headers(), "x-error-code").unwrap_or_default();
        let said = header(response.headers(), "x-error-message")
            .filter(|said| said.len() < 400)
            .map(|said| format!(" ({said})"))
            .unwrap_or_default();
        let page = format!("{}/{}", self.endpoint, self.model.path());
        // Without an owner it may have been meant as a folder.
        let nor = match self.model.owner {
            Some(_) => "",
            None => ", and there is no folder of this name here",
        };
        match (response.status().as_u16(), code) {
            (401, _) => {
                let message = match self.token {
                    None => "does not exist, or is private or gated: set HF_TOKEN to read it",
                    Some(_) => "does not exist, or HF_TOKEN is not valid for it",
                };
                Error::new(ErrorKind::Unauthorized, id, format!("{message}{nor}{said}"))
            }
            (403, _) => {
                let message = format!(
                    "is closed to this token: accept the licence at {page}, or set HF_TOKEN to \
                     one that may read it{said}"
                );
                Error::new(ErrorKind::Unauthorized, id, message)
            }
            (404, "RevisionNotFound") => {
                let message = format!("has no revision {}", self.model.revision);
                Error::new(ErrorKind::NotFound, id, message)
            }
            (404, "RepoNotFound") => {
                Error::new(ErrorKind::NotFound, id, format!("does not exist{nor}"))
            }
            (404, _) => self.no_such_file(name),
            _ => {
                let message = format!("answered {} for {name}{said}", response.status());
                Error::new(ErrorKind::Network, host, message)
            }
        }
    }
}

/// Worth asking again after a while.
fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Waits longer each time, about four seconds in all; false when that was enough.
pub(super) fn pause(attempt: &mut u32) -> bool {
    if *attempt == 5 {
        return false;
    }
    std::thread::sleep(Duration::from_millis(125 << *attempt));
    *attempt += 1;
    true
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Scheme, host and port of an address, in small letters.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let scheme = scheme.to_ascii_lowercase();
    (scheme == "http" || scheme == "https")
        .then(|| format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// Host and port of an address, for messages.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Where `location` points to, seen from `url`.
fn join(url: &str, location: &str) -> Option<String> {
    if origin(location).is_some() {
        return Some(location.into());
    }
    let scheme = url.split_once("://")?.0;
    match location {
        _ if location.starts_with("//") => Some(format!("{scheme}:{location}")),
        _ if location.starts_with('/') => Some(format!("{}{location}", origin(url)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined() {
        let url = "https://hub.example:8080/a/b?c";
        for (location, expected) in [
            ("/x?y", Some("https://hub.example:8080/x?y")),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("http://cdn.example/x", Some("http://cdn.example/x")),
            ("x", None),
            ("ftp://cdn.example/x", None),
        ] {
            assert_eq!(join(url, location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let hub = origin("https://Hub.example/a");
        assert_eq!(hub, origin("HTTPS://hub.example?b"));
        for other in ["http://hub.example", "https://hub.example:444", "https://hub.example.org"] {
            assert_ne!(hub, origin(other));
        }
        assert_eq!(origin("hub.example"), None);
    }
}
