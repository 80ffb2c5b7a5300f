//! A proxy for tests, on a port of 127.0.0.1, that writes down what it is asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone, Copy)]
pub enum Kind {
    /// Forwards requests with whole addresses of 127.0.0.1; opens no tunnel.
    Http,
    /// Wants a password and takes none.
    Closed,
    Socks5,
}

/// What one connection asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first line of a request, or of SOCKS the host and port.
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub struct Recorder {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorder {
    pub fn start(kind: Kind) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let record = asked.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = record.clone();
                thread::spawn(move || match kind {
                    Kind::Http | Kind::Closed => http(stream, &record, kind),
                    Kind::Socks5 => socks(stream, &record),
                });
            }
        });
        Recorder { address, asked }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Forgets what it was asked, and says how often that was.
    pub fn forget(&self) -> usize {
        self.asked.lock().unwrap().drain(..).count()
    }
}

/// One request of a connection, as the hub behind takes one.
fn http(mut stream: TcpStream, record: &Mutex<Vec<Asked>>, kind: Kind) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let line = lines.next()?;
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let headers = head.iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    record.lock().unwrap().push(Asked { line: line.clone(), headers: headers.collect() });

    let answer = |mut stream: TcpStream, status: &str| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()
    };
    if let Kind::Closed = kind {
        return answer(stream, "407 Proxy Authentication Required");
    }
    let (method, rest) = line.split_once(' ')?;
    let Some((host, path)) = rest.strip_prefix("http://127.0.0.1:").and_then(|r| r.split_once('/'))
    else {
        return answer(stream, "502 Bad Gateway");
    };
    let mut hub = TcpStream::connect(format!("127.0.0.1:{host}")).ok()?;
    let request = format!("{method} /{path}\r\n{}\r\n\r\n", head.join("\r\n"));
    hub.write_all(request.as_bytes()).ok()?;
    io::copy(&mut hub, &mut stream).ok().map(drop)
}

fn socks(mut stream: TcpStream, record: &Mutex<Vec<Asked>>) -> Option<()> {
    let some = |count: usize| {
        let mut bytes = vec![0; count];
        (&stream).read_exact(&mut bytes).ok().map(|()| bytes)
    };
    // Version, methods; version, connect, reserved, kind of address, address, port.
    let methods = some(2)?[1];
    some(methods.into())?;
    (&stream).write_all(&[5, 0]).ok()?;
    let kind = some(4)?[3];
    let host = match kind {
        1 => some(4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let length = some(1)?[0];
            String::from_utf8(some(length.into())?).ok()?
        }
        _ => return None,
    };
    let port = some(2)?;
    let line = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    record.lock().unwrap().push(Asked { line: line.clone(), headers: Vec::new() });
    let mut hub = TcpStream::connect(line).ok()?;
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
    let (mut up, mut to_hub) = (stream.try_clone().ok()?, hub.try_clone().ok()?);
    thread::spawn(move || io::copy(&mut up, &mut to_hub));
    io::copy(&mut hub, &mut stream).ok().map(drop)
}
