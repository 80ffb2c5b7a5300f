//! A hub for tests: plain HTTP/1.1 on two ports of 127.0.0.1, one request a connection.
// Each test uses its own part of it.
#![allow(dead_code)]

pub mod proxy;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const PULL_REQUEST_COMMIT: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

#[derive(Clone)]
struct StoredFile {
    content: Vec<u8>,
    etag: String,
    is_large: bool,
}

/// What the server has been told to be like.
#[derive(Clone)]
pub struct Hub {
    files: BTreeMap<String, StoredFile>,
    commit: String,
    token: Option<String>,
    breaks: Vec<usize>,
    has_ranges: bool,
    odd_headers: Option<(String, String)>,
    bare_404: bool,
    sizes: BTreeMap<String, u64>,
    running: Option<Running>,
}

#[derive(Clone)]
struct Running {
    hub: SocketAddr,
    storage: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Came to the hub itself, not to the storage behind it.
    pub at_hub: bool,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Hub {
    pub fn new() -> Hub {
        Hub {
            files: BTreeMap::new(),
            commit: COMMIT.into(),
            token: None,
            breaks: Vec::new(),
            has_ranges: true,
            odd_headers: None,
            bare_404: false,
            sizes: BTreeMap::new(),
            running: None,
        }
    }

    fn with(mut self, name: &str, content: Vec<u8>, is_large: bool) -> Hub {
        let hash = Sha256::digest(&content);
        let mut etag: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        if !is_large {
            etag.truncate(40);
        }
        self.files.insert(name.into(), StoredFile { content, etag, is_large });
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Hub {
        self.with(name, content.to_vec(), false)
    }

    /// Kept in the storage behind the hub.
    pub fn large_file(self, name: &str, content: Vec<u8>) -> Hub {
        self.with(name, content, true)
    }

    pub fn without(mut self, name: &str) -> Hub {
        self.files.remove(name).unwrap();
        self
    }

    /// Flips a bit after the checksum was taken.
    pub fn corrupt(mut self, name: &str) -> Hub {
        self.files.get_mut(name).unwrap().content[5] ^= 1;
        self
    }

    pub fn commit(mut self, commit: &str) -> Hub {
        self.commit = commit.into();
        self
    }

    pub fn private(mut self, token: &str) -> Hub {
        self.token = Some(token.into());
        self
    }

    /// Ends the first bodies that the storage sends after so many bytes each.
    pub fn break_after(mut self, bytes: &[usize]) -> Hub {
        self.breaks = bytes.to_vec();
        self
    }

    pub fn without_ranges(mut self) -> Hub {
        self.has_ranges = false;
        self
    }

    pub fn odd_headers(mut self, etag: &str, commit: &str) -> Hub {
        self.odd_headers = Some((etag.into(), commit.into()));
        self
    }

    /// What is missing is missing as on any web server, without the hub's headers.
    pub fn bare_404(mut self) -> Hub {
        self.bare_404 = true;
        self
    }

    /// Says that a file which is kept elsewhere is so large.
    pub fn of_size(mut self, name: &str, bytes: u64) -> Hub {
        self.sizes.insert(name.into(), bytes);
        self
    }

    /// The same hub with a change, on new ports.
    pub fn next(&self, change: impl FnOnce(Hub) -> Hub) -> Hub {
        change(self.clone()).start()
    }

    pub fn start(mut self) -> Hub {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, storage) = (listen(), listen());
        let running = Running {
            hub: hub.local_addr().unwrap(),
            storage: storage.local_addr().unwrap(),
            requests: Arc::default(),
        };
        self.running = Some(running);
        let breaks = Arc::new(Mutex::new(self.breaks.clone().into_iter()));
        for (listener, at_hub) in [(hub, true), (storage, false)] {
            let (state, breaks) = (self.clone(), breaks.clone());
            // Ends with the test's process.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    let Some(request) = read(&stream, at_hub) else { continue };
                    state.running().requests.lock().unwrap().push(request.clone());
                    if at_hub {
                        state.answer(&request, stream);
                    } else {
                        let cut = breaks.lock().unwrap().next();
                        state.send_stored(&request, stream, cut);
                    }
                }
            });
        }
        self
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.running().hub)
    }

    pub fn etag(&self, name: &str) -> &str {
        &self.files[name].etag
    }

    pub fn requests(&self) -> Vec<Request> {
        self.running().requests.lock().unwrap().clone()
    }

    pub fn forget_requests(&self) {
        self.running().requests.lock().unwrap().clear();
    }

    /// The ranges that the storage was asked for, empty where there was none.
    pub fn ranges(&self) -> Vec<String> {
        let stored = self.requests().into_iter().filter(|request| !request.at_hub);
        stored.map(|request| request.header("range").unwrap_or_default().to_string()).collect()
    }

    /// What the hub itself answers.
    fn answer(&self, request: &Request, stream: TcpStream) {
        let fail = |stream, status: &str, code: &str| {
            send(stream, status, &[("X-Error-Code", code)], b"no", request, 2);
        };
        if let Some(token) = &self.token {
            match request.header("authorization") {
                None => return fail(stream, "401 Unauthorized", "RepoNotFound"),
                Some(given) if given != format!("Bearer {token}") => {
                    return fail(stream, "403 Forbidden", "GatedRepo");
                }
                Some(_) => {}
            }
        }
        let (path, is_final) = match request.path.strip_prefix("/final") {
            Some(path) => (path, true),
            None => (request.path.as_str(), false),
        };
        // The first models were given owners later.
        if let Some(rest) = path.strip_prefix("/some-model/") {
            let location = format!("/owner/some-model/{rest}");
            let headers = [("Location", location.as_str())];
            return send(stream, "307 Temporary Redirect", &headers, b"moved", request, 5);
        }
        let Some(path) = path.strip_prefix("/owner/some-model/resolve/") else {
            return fail(stream, "404 Not Found", "RepoNotFound");
        };
        let (revision, name) = path.split_once('/').unwrap();
        let commit = match revision {
            "main" => &self.commit,
            "refs%2Fpr%2F1" | PULL_REQUEST_COMMIT => PULL_REQUEST_COMMIT,
            commit if commit == self.commit => commit,
            _ => return fail(stream, "404 Not Found", "RevisionNotFound"),
        };
        let Some(file) = self.files.get(name) else {
            let known = [("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", commit)];
            let headers = if self.bare_404 { &[][..] } else { &known };
            return send(stream, "404 Not Found", headers, b"no", request, 2);
        };
        let (etag, commit) = match &self.odd_headers {
            Some((etag, commit)) => (etag.as_str(), commit.as_str()),
            None => (file.etag.as_str(), commit),
        };
        let quoted = format!("\"{etag}\"");
        let size = file.content.len();
        let announced = self.sizes.get(name).copied().unwrap_or(size as u64);
        if file.is_large {
            let location = format!("http://{}/{name}?signature=1", self.running().storage);
            let headers = [
                ("Location", location.as_str()),
                ("X-Repo-Commit", commit),
                ("X-Linked-Etag", &quoted),
                ("X-Linked-Size", &announced.to_string()),
                ("ETag", "\"of the redirect\""),
            ];
            send(stream, "302 Found", &headers, b"moved", request, 5);
        } else if !is_final {
            let location = format!("/final{}", request.path);
            let headers = [("Location", location.as_str()), ("X-Repo-Commit", commit)];
            send(stream, "307 Temporary Redirect", &headers, b"moved", request, 5);
        } else {
            let weak = format!("W/{quoted}");
            let headers = [("X-Repo-Commit", commit), ("ETag", weak.as_str())];
            send(stream, "200 OK", &headers, &file.content, request, size);
        }
    }

    /// What the storage behind the hub answers, cut off after `cut` bytes.
    fn send_stored(&self, request: &Request, stream: TcpStream, cut: Option<usize>) {
        let name = request.path[1..].split('?').next().unwrap();
        let content = &self.files[name].content;
        let start = request
            .header("range")
            .filter(|_| self.has_ranges)
            .map(|range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap());
        let rest = &content[start.unwrap_or(0)..];
        let sent = &rest[..cut.unwrap_or(rest.len()).min(rest.len())];
        let end = content.len();
        match start {
            Some(start) => {
                let range = format!("bytes {start}-{}/{end}", end - 1);
                let headers = [("Content-Range", range.as_str())];
                send(stream, "206 Partial Content", &headers, sent, request, rest.len());
            }
            None => send(stream, "200 OK", &[], sent, request, rest.len()),
        }
    }
}

fn read(stream: &TcpStream, at_hub: bool) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ').map(String::from);
    let (method, path) = (words.next()?, words.next()?);
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_string()))
        })
        .collect();
    Some(Request { method, path, at_hub, headers })
}

/// Sends `body` under a header that promises `length` bytes. The client may hang up at any time.
fn send(
    mut stream: TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    request: &Request,
    length: usize,
) {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    let body = if request.method == "HEAD" { b"" } else { body };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
