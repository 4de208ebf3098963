//! Texts that are no WebSocket URL.

use tungstenite_deflate::handshake::{InvalidUrl, WebSocketUrl};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::UrlError;

/// The text, and the variant of the error by name.
#[rustfmt::skip]
const CASES: &[(&str, &str)] = &[
    ("", "NoScheme"),
    ("h", "NoScheme"),
    ("h/a:b", "NoScheme"),
    ("//h/", "NoScheme"),
    ("://h/", "NoScheme"),
    ("1ws://h/", "NoScheme"),
    ("localhost:8443", "Scheme"),
    ("ftp://h/", "Scheme"),
    ("wsss://h/", "Scheme"),
    ("file:///etc/passwd", "Scheme"),
    ("javascript:alert(1)", "Scheme"),
    ("ws:", "NoHost"),
    ("ws:h", "NoHost"),
    ("ws:/h", "NoHost"),
    ("ws://", "NoHost"),
    ("ws:///path", "NoHost"),
    ("ws://?q", "NoHost"),
    ("ws://:80/", "NoHost"),
    ("ws://@/", "NoHost"),
    ("ws://u:p@/", "NoHost"),
    ("ws://h:0/", "Port"),
    ("ws://h:65536/", "Port"),
    ("ws://h:99999999999999999999/", "Port"),
    ("ws://h:-1/", "Port"),
    ("ws://h:+80/", "Port"),
    ("ws://h:8a/", "Port"),
    ("ws://h:8 0/", "Port"),
    ("ws://h:٨/", "Port"),
    ("ws://[::1]:0/", "Port"),
    ("ws://h:80:80/", "Host"),
    ("ws://::1/", "Host"),
    ("ws://[::1/", "Host"),
    ("ws://::1]/", "Host"),
    ("ws://[]/", "Host"),
    ("ws://[::g]/", "Host"),
    ("ws://[127.0.0.1]/", "Host"),
    ("ws://[::1]x/", "Host"),
    ("ws://[::1]80/", "Host"),
    ("ws://[fe80::1%]/", "Host"),
    ("ws://[fe80::1%25]/", "Host"),
    ("ws://[fe80::1%25a%20b]/", "Host"),
    ("ws://256.0.0.1/", "Host"),
    ("ws://1.2.3.4.5/", "Host"),
    ("ws://a b/", "Host"),
    ("ws://a%20b/", "Host"),
    ("ws://a%00b/", "Host"),
    ("ws://a%2fb/", "Host"),
    ("ws://a<b/", "Host"),
    ("ws://a|b/", "Host"),
    ("ws://a..b/", "Host"),
    ("ws://.a/", "Host"),
    ("ws://./", "Host"),
    ("ws://xn--a/", "Host"),
    ("ws://\u{ad}/", "Host"),
    ("ws://user:pa/ss@h/", "UserInfo"),
    ("ws://user:pa?ss@h/", "UserInfo"),
    ("ws://h/#", "Fragment"),
    ("ws://h/a#b", "Fragment"),
    ("ws://h#b", "Fragment"),
    ("ws://h/?a#b", "Fragment"),
    (" ws://h/", "Character"),
    ("ws://h/ ", "Character"),
    ("ws://h/\u{3000}", "Character"),
    ("ws://h/\r\nX-Injected: 1", "Character"),
    ("ws://h/a\nb", "Character"),
    ("ws://h/a\tb", "Character"),
    ("w\ts://h/", "Character"),
    ("ws://h\0/", "Character"),
    ("ws://h/\u{7f}", "Character"),
    ("ws://h/\u{85}", "Character"),
    ("ws://h\\a", "Backslash"),
    ("ws://good.example\\@evil.example/", "Backslash"),
];

fn variant(error: &InvalidUrl) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '(']).next().unwrap().to_owned()
}

#[test]
fn texts_that_are_no_url_are_refused_by_reason() {
    for (text, expected) in CASES {
        let error = text.parse::<WebSocketUrl>().expect_err(text);
        assert_eq!(variant(&error), *expected, "{text:?}: {error}");
        let line = error.to_string();
        assert!(
            !line.contains("pa") || !text.contains("user:pa") || *expected == "UserInfo",
            "{line}"
        );
        assert!(
            !line.chars().any(char::is_control) && line.len() < 300,
            "{line:?}"
        );
        assert!(matches!(Error::from(error), Error::Url(_)), "{text:?}");
    }
}

#[test]
fn long_urls_and_long_names_are_refused() {
    let label = |length: usize| "a".repeat(length);
    let name = |length: usize| format!("{}{}", "ab.".repeat(length / 3), label(length % 3));
    for (text, is_good) in [
        (format!("ws://{}/", label(63)), true),
        (format!("ws://{}/", label(64)), false),
        (format!("ws://{}/", name(253)), true),
        (format!("ws://{}/", name(254)), false),
        (format!("ws://h/{}", label(60_000)), true),
        (format!("ws://h/{}", label(70_000)), false),
        // Encoding makes it three times as long.
        (format!("ws://h/{}", " a".repeat(20_000)), false),
    ] {
        assert_eq!(
            text.parse::<WebSocketUrl>().is_ok(),
            is_good,
            "{} bytes",
            text.len()
        );
    }
}

#[test]
fn errors_are_those_of_tungstenite() {
    let of = |text: &str| match Error::from(text.parse::<WebSocketUrl>().unwrap_err()) {
        Error::Url(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(of("ftp://h/"), UrlError::UnsupportedUrlScheme);
    assert_eq!(of("ws://:80/"), UrlError::EmptyHostName);
    let port = of("ws://h:0/").to_string();
    assert!(
        port.contains("port \"0\" is not a number from 1 to 65535"),
        "{port}"
    );
}

/// Whatever the text, there is no panic, and what is accepted can be sent.
#[test]
fn pieces_in_any_order_never_panic() {
    let pieces = [
        "ws", "://", "[", "]", "%", "25", "::1", "@", ":", "/", "?", "#", ".", "é", "80", "\\",
        " ", "h",
    ];
    let count = pieces.len();
    for number in 0..count.pow(4) {
        let text: String = (0..4)
            .map(|digit| pieces[number / count.pow(digit) % count])
            .collect();
        for text in [
            text.clone(),
            format!("ws://{text}"),
            format!("wss://h{text}/"),
        ] {
            if let Ok(url) = text.parse::<WebSocketUrl>() {
                let target = url.path_and_query();
                assert!(
                    target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()),
                    "{text:?}"
                );
            }
        }
    }
}
