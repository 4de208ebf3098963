//! PROXY headers in front of TLS.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::common::{soon, until};
use super::{Site, exchange, open_who, start, status, who};

/// This test as a trusted proxy.
const TRUSTED: [&str; 4] = ["--trusted-proxy", "127.0.0.1", "--proxy-protocol", "on"];

/// A header of version 1 for a client.
fn version_1(client: &str, port: u16) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 {port} 443\r\n").into_bytes()
}

/// A header of version 2 for a client at 203.0.113.9:258, with `fields`.
fn version_2(fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + fields.len()).unwrap().to_be_bytes();
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11";
    let addresses = b"\xcb\0\x71\x09\x7f\0\0\x01\x01\x02\x01\xbb";
    [&start[..], &length, addresses, fields].concat()
}

async fn who_after(site: &Site, header: &[u8]) -> String {
    let stream = soon(site.tls_after(header)).await.unwrap();
    who(stream, &[]).await.unwrap()
}

#[tokio::test]
async fn n2_the_client_is_the_one_of_the_header() {
    let site = start(&TRUSTED);
    let alpn_and_authority = b"\x01\0\x02h2\x02\0\x0cchat.example\x20\0\x05\x01\0\0\0\0";
    for (header, expected) in [
        (version_1("203.0.113.9", 56_324), "203.0.113.9:56324 1.3"),
        (version_2(b""), "203.0.113.9:258 1.3"),
        (version_2(alpn_and_authority), "203.0.113.9:258 1.3"),
    ] {
        assert_eq!(who_after(&site, &header).await, expected);
    }
    let own = who_after(&site, b"PROXY UNKNOWN\r\n").await;
    assert!(own.starts_with("127.0.0.1:"), "{own}");
    let own = who_after(&site, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await;
    assert!(own.starts_with("127.0.0.1:"), "{own}");
}

#[tokio::test]
async fn n2_a_header_is_required_and_none_is_taken_of_others() {
    let site = start(&TRUSTED);
    for header in [
        &b""[..],
        b"PROXY TCP4 1.2.3.4\r\n",
        &version_2(b"\x03\0\x04xxxx"),
    ] {
        let refused = soon(site.tls_after(header)).await;
        assert!(refused.is_err(), "{}", header.escape_ascii());
    }
    let site = start(&["--trusted-proxy", "10.0.0.0/8", "--proxy-protocol", "on"]);
    let own = who_after(&site, b"").await;
    assert!(own.starts_with("127.0.0.1:"), "{own}");
    for header in [version_1("203.0.113.9", 1), version_2(b"")] {
        assert!(soon(site.tls_after(&header)).await.is_err());
    }
}

/// A header comes within the time for a handshake, and within its size.
#[tokio::test]
async fn n2_slow_and_long_headers_are_cut_off() {
    let flags = [&TRUSTED[..], &["--handshake-timeout", "200ms"]].concat();
    let site = start(&flags);
    for beginning in [&b"PROXY TCP4"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"] {
        let mut stream = site.plain(0).await;
        stream.write_all(beginning).await.unwrap();
        let read = soon(stream.read(&mut [0; 9])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

/// The cap and the rate hold for each client, and not for the proxy.
#[tokio::test]
async fn n3_limits_per_address_hold_for_clients() {
    let flags = [
        "--max-connections-per-address",
        "2",
        "--handshake-burst",
        "3",
        "--handshake-rate",
        "1",
        "--handshake-rate-loopback",
        "on",
    ];
    let site = start(&[&TRUSTED[..], &flags].concat());
    let mut held = Vec::new();
    for number in 1..=20 {
        let header = version_1(&format!("198.51.100.{number}"), 9);
        let stream = soon(site.tls_after(&header)).await.unwrap();
        held.push(open_who(stream, &[]).await.unwrap());
    }
    let one = version_1("203.0.113.9", 9);
    for _ in 0..2 {
        let stream = soon(site.tls_after(&one)).await.unwrap();
        held.push(open_who(stream, &[]).await.unwrap());
    }
    let mut third = soon(site.tls_after(&one)).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(&exchange(&mut third, request).await), 429);
    // Three handshakes at once, and most of the others too early.
    let others = (0..20).map(|_| site.tls_after(&one));
    let refused = soon(join_all(others)).await;
    assert!(refused.iter().filter(|outcome| outcome.is_err()).count() > 10);
    let another = version_1("203.0.113.10", 9);
    assert!(soon(site.tls_after(&another)).await.is_ok());
}

/// Three hundred users at once through one proxy, which was more than the rate of one address.
#[tokio::test]
async fn n3_a_crowd_behind_a_proxy_is_served() {
    let site = start(&[&TRUSTED[..], &["--handshake-rate-loopback", "on"]].concat());
    let users = (0..300_u16).map(|number| {
        let header = version_1(&format!("198.51.{}.{}", number / 250, number % 250), number);
        let site = &site;
        async move {
            let stream = site.tls_after(&header).await?;
            Ok::<_, std::io::Error>(who(stream, &[]).await)
        }
    });
    for outcome in soon(join_all(users)).await {
        assert!(matches!(outcome, Ok(Ok(_))), "{outcome:?}");
    }
}

/// A connection whose header never comes counts in the total, and gives its permit back.
#[tokio::test]
async fn n3_what_waits_for_its_header_is_counted() {
    let site = start(
        &[
            &TRUSTED[..],
            &[
                "--max-connections",
                "1",
                "--max-connections-per-address",
                "1",
            ],
        ]
        .concat(),
    );
    let waiting = site.plain(0).await;
    let header = version_1("203.0.113.9", 1);
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let get = || async {
        match site.tls_after(&header).await {
            Ok(mut stream) => status(&exchange(&mut stream, request).await),
            Err(_) => 0,
        }
    };
    assert_eq!(soon(get()).await, 503);
    drop(waiting);
    until(|| async { get().await == 200 }).await;
}

/// The rule that without keys only this machine may enter rooms.
#[tokio::test]
async fn n1_a_forwarded_client_is_not_this_machine() {
    let history =
        b"GET /rooms/hall/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let site = start(&[]);
    let mut stream = soon(site.tls_after(b"")).await.unwrap();
    assert_eq!(status(&exchange(&mut stream, history).await), 200);
    let site = start(&TRUSTED);
    for header in [version_1("127.0.0.1", 9), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut stream = soon(site.tls_after(&header)).await.unwrap();
        assert_eq!(status(&exchange(&mut stream, history).await), 403);
    }
}
