//! Addresses that do not answer, servers that fall silent, several addresses for one name.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::Read as _;
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use common::{client, finish, run, serve, serve_websocket};
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::net::{AddressFamily, SocketType};

/// An address where packets seem to be lost: a listener whose queue is full drops what asks for a connection.
struct BlackHole {
    address: SocketAddr,
    _listener: OwnedFd,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new(ip: [u8; 4]) -> Self {
        let listener = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrV4::new(ip.into(), 0)).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = TcpListener::from(listener.try_clone().unwrap())
            .local_addr()
            .unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queued.push(stream);
            assert!(queued.len() < 10, "the queue does not fill up");
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

fn mute() -> String {
    serve_websocket(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
}

/// A server that accepts and reads, and says nothing.
fn silent() -> SocketAddr {
    serve(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
        std::thread::sleep(Duration::from_secs(60));
    })
}

#[test]
fn k6_black_holes_end_after_10_seconds_each() {
    let hole = BlackHole::new([127, 0, 0, 1]);
    let tcp = format!("ws://{}/", hole.address);
    let (silent_ws, silent_wss) = (
        format!("ws://{}/", silent()),
        format!("wss://{}/", silent()),
    );
    let mute = mute();
    let grpc = format!("http://{}", silent());
    let cases: [(&[&str], &str); 5] = [
        (&[&tcp, "x"], "opening the TCP connection"),
        (&[&silent_wss, "x"], "the TLS handshake"),
        (&[&silent_ws, "x"], "the WebSocket handshake"),
        (&[&mute, "--idle", "1ms"], "the closing handshake"),
        (
            &["grpc", &grpc, "--timeout", "reply=10s"],
            "no answer within 10",
        ),
    ];
    let started = Instant::now();
    let children: Vec<_> = cases
        .iter()
        .map(|(arguments, part)| (client(arguments).spawn().unwrap(), part))
        .collect();
    for (child, part) in children {
        finish(child).assert_refused(6, part);
        let took = started.elapsed();
        assert!(took > Duration::from_secs(9), "{part}: {took:?}");
        assert!(took < Duration::from_secs(20), "{part}: {took:?}");
    }
}

#[test]
fn k6_each_phase_heeds_its_own_time_out() {
    let hole = BlackHole::new([127, 0, 0, 1]);
    let tcp = format!("ws://{}/", hole.address);
    let proxy = format!("http://{}", hole.address);
    let silent_ws = format!("ws://{}/", silent());
    let silent_wss = format!("wss://{}/", silent());
    let mute = mute();
    let cases: [(&[&str], &str, i32, &str); 5] = [
        (
            &[&tcp, "x"],
            "connect=300ms",
            6,
            "opening the TCP connection",
        ),
        (&[&silent_wss, "x"], "tls=300ms", 6, "the TLS handshake"),
        (
            &[&silent_ws, "x"],
            "http=300ms",
            6,
            "the WebSocket handshake",
        ),
        (
            &[&mute, "--idle", "1ms"],
            "close=300ms",
            6,
            "the closing handshake",
        ),
        // That the proxy cannot be reached is the proxy's fault.
        (
            &["ws://h:1/", "x", "--proxy", &proxy],
            "connect=300ms",
            10,
            "opening the TCP connection",
        ),
    ];
    for (arguments, spec, status, part) in cases {
        let mut all = arguments.to_vec();
        all.extend(["--timeout", spec]);
        let started = Instant::now();
        run(&mut client(&all)).assert_refused(status, part);
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(300), "{spec}: {took:?}");
        assert!(took < Duration::from_secs(8), "{spec}: {took:?}");
    }
}

#[test]
fn happy_eyeballs_pass_over_a_black_hole() {
    // The name has two addresses with the same port: packets to the first are lost.
    let hole = BlackHole::new([127, 0, 0, 2]);
    let port = hole.address.port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut stream) = tungstenite_deflate::accept_async(stream).await else {
                        return;
                    };
                    while let Some(Ok(message)) = stream.next().await {
                        if stream.send(message).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    let url = format!("ws://two.example:{port}/");
    for addresses in [
        "127.0.0.2,127.0.0.1",
        "127.0.0.1,127.0.0.2",
        "127.0.0.2,127.0.0.3,127.0.0.1",
    ] {
        let rule = format!("two.example:{port}:{addresses}");
        let started = Instant::now();
        let ended = run(&mut client(&[&url, "x", "--resolve", &rule, "--verbose"]));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "x\n"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains(&format!("(127.0.0.1:{port})")),
            "{ended:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }
    // The addresses are raced, not waited out one by one; with nothing else left the time-out counts.
    let rule = format!("two.example:{port}:127.0.0.2");
    run(&mut client(&[
        &url,
        "x",
        "--resolve",
        &rule,
        "--timeout",
        "connect=600ms",
    ]))
    .assert_refused(6, "opening the TCP connection");
    let rule = format!("two.example:{port}:127.0.0.2,[::1],127.0.0.1");
    let ended = run(&mut client(&[&url, "x", "--resolve", &rule]));
    assert_eq!(ended.status, 0, "{ended:?}");
    run(&mut client(&[&url, "x", "--resolve", &rule, "-6"]))
        .assert_refused(3, "Connection refused");
    let rule = format!("two.example:{port}:[::1],127.0.0.1");
    assert_eq!(
        run(&mut client(&[&url, "x", "--resolve", &rule, "-4"])).status,
        0
    );
}
