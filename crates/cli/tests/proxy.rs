//! Downloads by the real binary through proxies on the loopback interface, which write down what
//! they were asked.
#![cfg(unix)]

#[path = "../../../tests/hub_server/mod.rs"]
mod hub_server;

use std::process::Command;

use hub_server::Hub;
use hub_server::proxy::{Kind, Recorder};
use tempfile::TempDir;

const CONFIG: &str = "config.json";

/// Runs `cappy info` on a model of `endpoint` with these variables. Gives what it says on standard
/// error, which is never nothing: the hub's files are no model.
fn info(endpoint: &str, vars: &[(&str, &str)]) -> String {
    let cache = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args(["info", "--device", "cpu", "--model", "owner/some-model"])
        .env_clear()
        .env("HF_HOME", cache.path())
        .env("HF_ENDPOINT", endpoint)
        .envs(vars.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn hub() -> Hub {
    Hub::new()
        .file(CONFIG, b"{\"a\": 1}")
        .file("tokenizer.json", b"{}")
        .large_file("model.safetensors", vec![1; 100])
        .start()
}

/// A hub that nobody can find but a proxy.
const NOWHERE: &str = "http://hub.invalid";
const SECURE_NOWHERE: &str = "https://hub.invalid";

#[test]
fn plain_http_is_forwarded_with_its_whole_address() {
    let (hub, proxy) = (hub(), Recorder::start(Kind::Http));
    let said = info(&hub.endpoint(), &[("HTTP_PROXY", &proxy.address())]);
    assert!(said.contains("config.json: "), "the model was downloaded and is none: {said}");
    let asked = proxy.asked();
    let first =
        format!("HEAD {}/owner/some-model/resolve/main/config.json HTTP/1.1", hub.endpoint());
    assert_eq!(asked[0].line, first);
    assert!(asked.iter().any(|asked| asked.line.starts_with("GET http://")), "{asked:?}");
    assert!(asked.iter().all(|asked| !asked.line.starts_with("CONNECT")), "{asked:?}");
    // All that the hub and its storage were asked came from there.
    assert_eq!(hub.requests().len(), asked.len());
    let host = hub.endpoint()["http://".len()..].to_owned();
    assert_eq!(asked[0].header("host"), Some(&*host));
}

#[test]
fn a_proxy_finds_hosts_and_gets_its_own_password_alone() {
    let proxy = Recorder::start(Kind::Http);
    let address = proxy.address().replace("http://", "http://me:p%40ss@");
    let token = ("HF_TOKEN", "hf_secret");
    let said = info(NOWHERE, &[("http_proxy", &address), token]);
    assert!(said.contains("hub.invalid"), "{said}");
    assert!(!said.contains("p@ss") && !said.contains("p%40ss"), "{said}");
    let asked = &proxy.asked()[0];
    assert_eq!(
        asked.line,
        format!("HEAD {NOWHERE}/owner/some-model/resolve/main/config.json HTTP/1.1")
    );
    // me:p@ss
    assert_eq!(asked.header("proxy-authorization"), Some("Basic bWU6cEBzcw=="));
    assert_eq!(asked.header("authorization"), Some("Bearer hf_secret"));

    let said = info(NOWHERE, &[("http_proxy", &Recorder::start(Kind::Closed).address())]);
    assert!(said.contains("HTTP_PROXY") || said.contains("http_proxy"), "{said}");
    assert!(said.contains("wants a user and a password"), "{said}");
}

#[test]
fn https_goes_through_a_tunnel_and_its_own_variable_wins() {
    let (plain, secure, all) =
        (Recorder::start(Kind::Http), Recorder::start(Kind::Http), Recorder::start(Kind::Http));
    let (http, https) = (plain.address(), secure.address());
    let vars = [("HTTP_PROXY", &*http), ("HTTPS_PROXY", &*https), ("ALL_PROXY", &*all.address())];
    let said = info(SECURE_NOWHERE, &vars);
    let place = https["http://".len()..].to_owned();
    assert!(said.contains(&format!("through the proxy {place} of HTTPS_PROXY")), "{said}");
    assert_eq!(secure.asked()[0].line, "CONNECT hub.invalid:443 HTTP/1.1");
    assert!(plain.asked().is_empty() && all.asked().is_empty());

    info(SECURE_NOWHERE, &[("HTTP_PROXY", &*http), ("ALL_PROXY", &*all.address())]);
    assert_eq!(all.asked()[0].line, "CONNECT hub.invalid:443 HTTP/1.1");
    assert!(plain.asked().is_empty(), "HTTP_PROXY is for plain http alone");

    info(NOWHERE, &[("HTTPS_PROXY", &*https)]);
    assert!(secure.asked().len() == 1, "HTTPS_PROXY is for https alone: {:?}", secure.asked());
}

#[test]
fn socks_works_for_plain_http() {
    for scheme in ["socks5", "socks5h"] {
        let (hub, proxy) = (hub(), Recorder::start(Kind::Socks5));
        let address = proxy.address().replace("http://", &format!("{scheme}://"));
        let said = info(&hub.endpoint(), &[("ALL_PROXY", &address)]);
        assert!(said.contains("config.json: "), "{said}");
        let host = hub.endpoint()["http://".len()..].to_owned();
        let asked = proxy.asked();
        assert_eq!(asked[0].line, host, "{scheme}");
        // One connection each: the hub closes them, and so does its storage.
        assert_eq!(asked.len(), hub.requests().len());
    }
}

#[test]
fn no_proxy_names_who_is_asked_straight() {
    let (hub, proxy) = (hub(), Recorder::start(Kind::Http));
    let address = proxy.address();
    let with = |except: &str| {
        hub.forget_requests();
        let said = info(&hub.endpoint(), &[("ALL_PROXY", &address), ("NO_PROXY", except)]);
        assert!(said.contains("config.json: "), "{said}");
        proxy.forget()
    };
    for except in ["127.0.0.1", "example.com, 127.0.0.0/8", "*", "127.0.0.0/30"] {
        assert_eq!(with(except), 0, "{except}");
    }
    for except in ["", "example.com", "10.0.0.0/8", "0.0.1", "128.0.0.0/8"] {
        assert!(with(except) > 0, "{except}");
    }
}

#[test]
fn what_is_no_proxy_is_refused_by_the_variables_name() {
    let run = |value: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
            .args(["info", "--model", "owner/some-model"])
            .env_clear()
            .env("HF_HOME", TempDir::new().unwrap().path())
            .env("HF_ENDPOINT", NOWHERE)
            .env("HTTP_PROXY", value)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for value in ["quic://me:secret@proxy:99", "http://"] {
        let (code, said) = run(value);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with("error: HTTP_PROXY: names no proxy that can be used"), "{said}");
        assert!(said.contains("socks5h") && !said.contains("secret"), "{said}");
    }
}
