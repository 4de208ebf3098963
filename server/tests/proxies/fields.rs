//! `Forwarded` and `X-Forwarded-*` of requests.

use super::common::soon;
use super::{Site, open_who, start, status, who};

/// A plain listener, and this test as a trusted proxy that sets `X-Forwarded-*`.
pub(super) const OLD: [&str; 6] = [
    "--listen",
    "plain://127.0.0.1:0",
    "--trusted-proxy",
    "127.0.0.1",
    "--trusted-header",
    "x-forwarded",
];
/// The same with `Forwarded`.
const NEW: [&str; 6] = [
    "--listen",
    "plain://127.0.0.1:0",
    "--trusted-proxy",
    "127.0.0.1",
    "--trusted-header",
    "forwarded",
];

async fn who_with(site: &Site, fields: &[(&str, &str)]) -> Result<String, u16> {
    who(site.plain(0).await, fields).await
}

#[tokio::test]
async fn n1_the_client_is_the_one_that_a_trusted_proxy_reports() {
    let (old, new) = (start(&OLD), start(&NEW));
    for (site, name, value, expected) in [
        (
            &old,
            "x-forwarded-for",
            "1.1.1.1, 203.0.113.9",
            "203.0.113.9:0 plain",
        ),
        (
            &old,
            "x-forwarded-for",
            "203.0.113.9:7, 127.0.0.1",
            "203.0.113.9:7 plain",
        ),
        (
            &new,
            "forwarded",
            "for=1.1.1.1, for=\"[2001:db8::9]:7\"",
            "[2001:db8::9]:7 plain",
        ),
    ] {
        let seen = who_with(site, &[(name, value)]).await;
        assert_eq!(seen.as_deref(), Ok(expected), "{value}");
    }
    for (site, name, value) in [
        (&old, "x-forwarded-for", "203.0.113.9, nonsense"),
        (&old, "x-forwarded-proto", "gopher"),
        (&old, "x-forwarded-host", "a b"),
        (&new, "forwarded", "for=nonsense"),
    ] {
        assert_eq!(who_with(site, &[(name, value)]).await, Err(400), "{value}");
    }
    // The other header is whatever the client wrote.
    let seen = who_with(&new, &[("x-forwarded-for", "203.0.113.9")]).await;
    assert!(seen.unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn n1_nobody_else_is_believed() {
    let site = start(&[
        "--listen",
        "plain://127.0.0.1:0",
        "--trusted-proxy",
        "10.0.0.0/8",
        "--trusted-header",
        "x-forwarded",
    ]);
    let seen = who_with(&site, &[("x-forwarded-for", "203.0.113.9")]).await;
    assert!(seen.unwrap().starts_with("127.0.0.1:"));
}

/// Without a word about proxies, a request that shows one is not from this machine.
#[tokio::test]
async fn n1_a_forwarded_request_is_not_this_machine() {
    let site = start(&["--listen", "plain://127.0.0.1:0"]);
    let history = "/rooms/hall/messages";
    assert_eq!(status(&site.get(0, history, "").await), 200);
    for field in [
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 proxy",
    ] {
        let answer = site.get(0, history, &format!("{field}\r\n")).await;
        assert_eq!(status(&answer), 403, "{field}");
    }
    let site = start(&OLD);
    assert_eq!(
        status(&site.get(0, history, "").await),
        403,
        "the proxy itself"
    );
    let answer = site.get(0, history, "X-Forwarded-For: 127.0.0.1\r\n").await;
    assert_eq!(status(&answer), 403);
}

/// Many connections of the proxy are not those of one address, and each client has its own number of WebSockets.
#[tokio::test]
async fn n3_limits_per_address_hold_for_clients_of_requests() {
    let flags = [
        "--max-connections-per-address",
        "1",
        "--max-websockets-per-address",
        "1",
    ];
    let site = start(&[&OLD[..], &flags].concat());
    let mut held = Vec::new();
    for number in 1..=5 {
        let client = format!("198.51.100.{number}");
        let opened = open_who(site.plain(0).await, &[("x-forwarded-for", &client)]).await;
        held.push(opened.unwrap());
    }
    let again = [("x-forwarded-for", "198.51.100.3")];
    assert_eq!(who_with(&site, &again).await, Err(429));
    held.remove(2);
    let opened = soon(async {
        loop {
            match who_with(&site, &again).await {
                Err(429) => tokio::task::yield_now().await,
                opened => return opened,
            }
        }
    });
    assert!(opened.await.is_ok());
}

/// The page's Origin is compared with what the browser sees, which only the proxy knows.
#[tokio::test]
async fn n4_origin_and_host_are_those_of_the_client() {
    let site = start(&[&OLD[..], &["--host-allow", "chat.example"]].concat());
    let (host, proto) = (
        ("x-forwarded-host", "chat.example"),
        ("x-forwarded-proto", "https"),
    );
    let origin = ("origin", "https://chat.example");
    let inner = ("host", "10.0.0.5:8080");
    for (fields, expected) in [
        (&[inner, host, proto, origin][..], 101),
        (&[inner, host, origin], 403),
        (
            &[inner, host, proto, ("origin", "https://evil.example")],
            403,
        ),
        (
            &[inner, host, proto, ("origin", "https://10.0.0.5:8080")],
            403,
        ),
        (&[inner, host, ("origin", "http://chat.example")], 101),
        (&[inner, proto], 421),
        (
            &[
                ("host", "chat.example"),
                ("x-forwarded-host", "evil.example"),
            ],
            421,
        ),
        (&[("host", "chat.example"), proto, origin], 101),
    ] {
        let seen = who_with(&site, fields)
            .await
            .map_or_else(|status| status, |_| 101);
        assert_eq!(seen, expected, "{fields:?}");
    }
    // Whoever is no proxy cannot choose what its Origin is compared with.
    let site = start(&["--listen", "plain://127.0.0.1:0"]);
    let spoofed = [host, proto, origin];
    assert_eq!(who_with(&site, &spoofed).await, Err(403));
}
