//! Errors of every kind, made for real on loopback: each has its sentence and its remedy, and an unknown one claims nothing.
//!
//! Members tried: the resolver (no such name, no address of a family), TCP (refused, unreachable, not an address),
//! connections that end or are reset amid the handshake of TLS, of HTTP and of a proxy, ports that speak something else,
//! every reply of SOCKS5, refusals by HTTP proxies, every status from 400 to 599. That no variant of rustls, webpki and
//! tokio-socks lacks a row is checked against their sources.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use client::HandshakeFault;
use common::{Ended, client, dead_port, read_head, run, serve, serve_answer};

/// The only line ends with this remedy; without one nothing stands behind `seen`.
#[track_caller]
fn assert_told(ended: &Ended, status: i32, seen: &str, remedy: &str) {
    ended.assert_refused(status, seen);
    let line = ended.stderr.trim_end();
    let end = match remedy {
        "" => seen.to_owned(),
        remedy => format!("; {remedy}"),
    };
    assert!(line.ends_with(&end), "{end} ends {line}");
}

#[test]
fn names_and_addresses_that_cannot_be_dialled() {
    let dead = format!("ws://127.0.0.1:{}/", dead_port());
    for (url, more, seen, remedy) in [
        (
            dead.as_str(),
            &[][..],
            "Connection refused (os error 111): nobody listens there",
            "check the port, or start the server",
        ),
        // TCP has no multicast: Linux finds no route.
        (
            "ws://224.0.0.1/",
            &[],
            "Network is unreachable (os error 101): no route leads there",
            "check the address and this machine's network",
        ),
        (
            "ws://[fe80::1]/",
            &[],
            "Invalid argument (os error 22): it is not an address to connect to",
            "check the host and the port",
        ),
        (
            "ws://127.0.0.1:1/",
            &["-6"],
            "the name has no IPv6 address (-6)",
            "leave out -4 and -6, or give the address with --resolve",
        ),
    ] {
        let mut arguments = vec![url, "x"];
        arguments.extend(more);
        assert_told(&run(&mut client(&arguments)), 3, seen, remedy);
    }
    // NXDOMAIN, or no DNS server where the tests run without one.
    let ended = run(&mut client(&["ws://name.invalid/", "x"]));
    ended.assert_refused(3, "cannot find an address for name.invalid: ");
    let known = [
        "Name or service not known: the name does not exist; check the spelling, or give the address with --resolve",
        "Temporary failure in name resolution: no DNS server answers; check this machine's DNS servers",
    ];
    assert!(
        known.iter().any(|text| ended.stderr.contains(text)),
        "{ended:?}"
    );
}

/// Reads the beginning of what the client says, and resets the connection.
fn resets() -> SocketAddr {
    serve(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    })
}

/// Reads one whole request or `ClientHello`, and closes in order.
fn closes() -> SocketAddr {
    serve(|mut stream| {
        let _ = stream.read(&mut [0; 16 * 1024]);
    })
}

#[test]
fn connections_that_break_off_amid_a_handshake() {
    let reset = "(os error 104): the other end reset the connection";
    let closed = "the other end closed the connection";
    let speaks_tls = "check that the port speaks TLS, and see the server's log";
    let speaks_http =
        "check that the port speaks HTTP (wss rather than ws?), and see the server's log";
    let proxy = "see the server's log, or connect without the proxy: --no-proxy '*'";
    for (address, seen) in [(resets(), reset), (closes(), closed)] {
        let ended = run(&mut client(&[&format!("wss://{address}/"), "x"]));
        assert_told(&ended, 4, seen, speaks_tls);
        ended.assert_refused(4, "refused: during the handshake: ");
        let ended = run(&mut client(&[
            "ws://h:1/",
            "x",
            "--proxy",
            &format!("http://{address}"),
        ]));
        assert_told(&ended, 10, seen, proxy);
        let ended = run(&mut client(&[
            "ws://h:1/",
            "x",
            "--proxy",
            &format!("socks5h://{address}"),
        ]));
        assert_told(&ended, 10, seen, proxy);
    }
    let ended = run(&mut client(&[&format!("ws://{}/", resets()), "x"]));
    assert_told(&ended, 5, reset, speaks_http);
    let ended = run(&mut client(&[&format!("ws://{}/", closes()), "x"]));
    assert_told(&ended, 5, "no answer", speaks_http);
}

#[test]
fn ports_that_speak_something_else() {
    let banner = |text: &'static [u8]| {
        serve(move |mut stream| {
            let _ = stream.write_all(text);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        })
    };
    for text in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"220 mail.example ESMTP\r\n",
        b"RFB 003.008\n",
        b"+OK POP3 ready\r\n",
    ] {
        let address = banner(text);
        let ended = run(&mut client(&[&format!("wss://{address}/"), "x"]));
        let remedy = "leave TLS out (ws:// or http://), or check the port";
        assert_told(&ended, 4, "the server does not speak TLS", remedy);
    }
    let not_http = serve(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"SSH-2.0-x\r\n\r\n");
    });
    let ended = run(&mut client(&[
        "ws://h:1/",
        "x",
        "--proxy",
        &format!("http://{not_http}"),
    ]));
    let remedy =
        "check the scheme and the port of --proxy, or connect without the proxy: --no-proxy '*'";
    assert_told(
        &ended,
        10,
        "it answered `SSH-2.0-x`: it does not speak HTTP",
        remedy,
    );
}

/// A SOCKS5 server that chooses `method` and, where it is asked for a connection, answers with `reply`.
fn socks(method: u8, granted: u8, reply: u8) -> SocketAddr {
    serve(move |mut stream| {
        let methods = read(&mut stream, 2)[1];
        read(&mut stream, methods.into());
        let _ = stream.write_all(&[5, method]);
        if method == 2 {
            let name = read(&mut stream, 2)[1];
            let password = *read(&mut stream, usize::from(name) + 1).last().unwrap();
            read(&mut stream, password.into());
            let _ = stream.write_all(&[1, granted]);
            if granted != 0 {
                return;
            }
        }
        // A request for a connection to a name (RFC 1928 §4).
        let name = read(&mut stream, 5)[4];
        read(&mut stream, usize::from(name) + 2);
        let _ = stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
    })
}

fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let _ = stream.read_exact(&mut bytes);
    bytes
}

#[test]
fn every_reply_of_socks5() {
    let without = ", or connect without the proxy: --no-proxy '*'";
    let server = "check the URL's host and port";
    for (user, (method, granted, reply), seen, remedy) in [
        (
            "",
            (0, 0, 1),
            "it failed, or could not reach the server",
            "see the proxy's log",
        ),
        (
            "",
            (0, 0, 2),
            "its rules forbid this host or port",
            "ask who runs it to permit this host and port",
        ),
        (
            "",
            (0, 0, 3),
            "no route leads from it to the server",
            server,
        ),
        ("", (0, 0, 4), "it cannot reach the server's host", server),
        ("", (0, 0, 5), "nobody listens at the server's port", server),
        ("", (0, 0, 6), "the server did not answer it", server),
        (
            "",
            (0, 0, 7),
            "it does not open connections",
            "use another proxy, or another port of this one",
        ),
        (
            "",
            (0, 0, 8),
            "it does not take this kind of address",
            "try socks5h for names",
        ),
        (
            "",
            (0, 0, 9),
            "a reply code that is not known",
            "see the proxy's log",
        ),
        (
            "",
            (0, 0, 255),
            "a reply code that is not known",
            "see the proxy's log",
        ),
        (
            "",
            (255, 0, 0),
            "it wants a name and a password",
            "give them in --proxy SCHEME://USER:PASSWORD@HOST:PORT",
        ),
        (
            "a:b@",
            (2, 1, 0),
            "it does not accept the name and the password",
            "check the name and the password in --proxy",
        ),
    ] {
        let address = socks(method, granted, reply);
        let proxy = format!("socks5h://{user}{address}");
        let ended = run(&mut client(&[
            "ws://name.example:1/",
            "x",
            "--proxy",
            &proxy,
        ]));
        ended.assert_refused(10, seen);
        ended.assert_refused(10, &format!("; {remedy}"));
        assert!(ended.stderr.trim_end().ends_with(without), "{ended:?}");
    }
    let http = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let proxy = format!("socks5h://{http}");
    run(&mut client(&[
        "ws://name.example:1/",
        "x",
        "--proxy",
        &proxy,
    ]))
    .assert_refused(10, "it does not speak SOCKS5");
}

/// Credentials for the proxy, its status, and the client's report of it.
const REFUSALS: &[(&str, u16, &str, &str)] = &[
    (
        "",
        400,
        ": it does not understand the request",
        "check the scheme and the port of --proxy",
    ),
    (
        "",
        401,
        ": it wants a name and a password",
        "give them in --proxy SCHEME://USER",
    ),
    (
        "",
        407,
        ": it wants a name and a password",
        "give them in --proxy SCHEME://USER",
    ),
    (
        "a:b@",
        407,
        ": it does not accept the name",
        "check the name and the password in --proxy",
    ),
    (
        "",
        403,
        ": its rules forbid this host or port",
        "ask who runs it",
    ),
    (
        "",
        404,
        ": it finds no such server",
        "check the URL's host and port",
    ),
    (
        "",
        405,
        ": it does not open tunnels (CONNECT)",
        "use another proxy",
    ),
    (
        "",
        408,
        ": the server did not answer it",
        "check the URL's host and port",
    ),
    ("", 429, ": too many requests from here", "try later"),
    ("", 500, ": it has a fault", "see the proxy's log"),
    (
        "",
        501,
        ": it does not open tunnels (CONNECT)",
        "use another proxy",
    ),
    (
        "",
        502,
        ": it cannot reach the server",
        "check the URL's host and port",
    ),
    (
        "",
        503,
        ": it is full, or cannot reach the server",
        "try later",
    ),
    (
        "",
        504,
        ": the server did not answer it",
        "check the URL's host and port",
    ),
    (
        "",
        511,
        ": the network wants you to log in first",
        "open a page in a browser",
    ),
    ("", 302, ": it answers with a redirect", "check the scheme"),
    // Not registered: nothing is claimed.
    (
        "",
        418,
        "`; check --proxy, or connect",
        "check --proxy, or connect without the proxy",
    ),
    (
        "",
        599,
        "`; check --proxy, or connect",
        "check --proxy, or connect without the proxy",
    ),
];

#[test]
fn refusals_by_http_proxies() {
    for (user, status, meaning, remedy) in REFUSALS {
        let address = serve(move |mut stream| {
            read_head(&mut stream);
            let _ = write!(stream, "HTTP/1.1 {status} Reason\r\n\r\n");
        });
        let proxy = format!("http://{user}{address}");
        let ended = run(&mut client(&["ws://h:1/", "x", "--proxy", &proxy]));
        ended.assert_refused(10, &format!("it answered `HTTP/1.1 {status} Reason`"));
        ended.assert_refused(10, meaning);
        ended.assert_refused(10, &format!("; {remedy}"));
    }
}

/// Registered statuses of RFC 9110 §15 and the registry; 418 is reserved and unused.
const REGISTERED: [u16; 39] = [
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421,
    422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510,
    511,
];

#[test]
fn every_status_from_400_to_599() {
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for status in 400..600 {
        let response = format!("HTTP/1.1 {status} Reason\r\n\r\n");
        let fault = HandshakeFault::new(request, response.as_bytes(), b"", "");
        let remedy = fault.remedy();
        let is_known = REGISTERED.contains(&status) || status >= 500;
        assert_eq!(is_known, !remedy.is_empty(), "{status}: {remedy}");
        assert!(fault.to_string().contains(&format!("{status} Reason")));
    }
    for (status, remedy) in [
        (404, "nothing is served at this path: check the URL's path"),
        (
            414,
            "the URL is too long for the server: shorten the URL's query",
        ),
        (418, ""),
        (451, "the law forbids it where the server or you are"),
        (
            502,
            "the gateway cannot reach the server behind it: check that the server behind the gateway runs",
        ),
        (599, "the server has a fault: see the server's log"),
    ] {
        let url = serve_answer(&format!("HTTP/1.1 {status} R\r\nContent-Length: 0\r\n\r\n"));
        let seen = format!("`HTTP/1.1 {status} R` instead of status 101 (RFC 6455 §4.1, 1)");
        assert_told(&run(&mut client(&[&url, "x"])), 5, &seen, remedy);
    }
}

/// The directory of a dependency's source, as cargo built it.
fn source_of(package: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|one| one["name"] == package).unwrap();
    let manifest = Path::new(found["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().to_owned()
}

/// The names of an enum's variants in the source of a library.
fn variants(source: &str, name: &str) -> Vec<String> {
    let begin = source.find(&format!("pub enum {name} {{")).unwrap();
    let body = &source[begin..];
    let indent = body.lines().nth(1).unwrap();
    let indent = indent.len() - indent.trim_start().len();
    let end = format!("\n{}}}", " ".repeat(indent - 4));
    let body = &body[..body.find(&end).unwrap()];
    body.lines()
        .skip(1)
        .filter(|line| line.len() - line.trim_start().len() == indent)
        .map(str::trim_start)
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| {
            let end = line.find(|one: char| !one.is_ascii_alphanumeric());
            line[..end.unwrap_or(line.len())].to_owned()
        })
        .collect()
}

/// The types may grow with each version: then this fails, and the new variant needs a sentence.
#[test]
fn no_variant_of_the_libraries_lacks_a_row() {
    let table = run(&mut client(&["reference", "--errors"])).stdout;
    // Described by tables of their own, or by the program where they come from.
    let apart = [
        "InvalidMessage",
        "PeerIncompatible",
        "AlertReceived",
        "InvalidCertificate",
        "InvalidCertRevocationList",
        "General",
        "Other",
    ];
    for (package, file, name, least) in [
        ("rustls", "src/error.rs", "Error", 20),
        ("rustls", "src/error.rs", "InvalidMessage", 28),
        ("rustls", "src/error.rs", "PeerIncompatible", 22),
        ("rustls", "src/error.rs", "CertificateError", 22),
        ("rustls", "src/error.rs", "CertRevocationListError", 13),
        ("rustls", "src/enums.rs", "AlertDescription", 34),
        ("rustls-webpki", "src/error.rs", "Error", 48),
        ("tokio-socks", "src/error.rs", "Error", 23),
    ] {
        let source = std::fs::read_to_string(source_of(package).join(file)).unwrap();
        let variants = variants(&source, name);
        assert!(variants.len() >= least, "{package}::{name}: {variants:?}");
        for variant in variants {
            let row = format!("`{variant}`");
            assert!(
                apart.contains(&variant.as_str()) || table.contains(&row),
                "{package}::{name}::{variant} has no row"
            );
        }
    }
}
