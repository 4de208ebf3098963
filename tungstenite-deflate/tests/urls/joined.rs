//! References, as `Location` headers have them, resolved against a URL.

use tungstenite_deflate::handshake::{InvalidUrl, WebSocketUrl};

#[test]
fn references_are_resolved_as_rfc_3986_says() {
    let base: WebSocketUrl = "ws://u:p@a/b/c/d;p?q".parse().unwrap();
    for (reference, expected) in [
        // RFC 3986 §5.4.1 and §5.4.2, with `ws` for `http`.
        ("g", "ws://a/b/c/g"),
        ("./g", "ws://a/b/c/g"),
        ("g/", "ws://a/b/c/g/"),
        ("/g", "ws://a/g"),
        ("//g", "ws://g/"),
        ("?y", "ws://a/b/c/d;p?y"),
        ("g?y", "ws://a/b/c/g?y"),
        ("#s", "ws://a/b/c/d;p?q"),
        ("g#s", "ws://a/b/c/g"),
        ("g?y#s", "ws://a/b/c/g?y"),
        (";x", "ws://a/b/c/;x"),
        ("g;x", "ws://a/b/c/g;x"),
        ("g;x?y#s", "ws://a/b/c/g;x?y"),
        ("", "ws://a/b/c/d;p?q"),
        (".", "ws://a/b/c/"),
        ("./", "ws://a/b/c/"),
        ("..", "ws://a/b/"),
        ("../", "ws://a/b/"),
        ("../g", "ws://a/b/g"),
        ("../..", "ws://a/"),
        ("../../", "ws://a/"),
        ("../../g", "ws://a/g"),
        ("../../../g", "ws://a/g"),
        ("../../../../g", "ws://a/g"),
        ("/./g", "ws://a/g"),
        ("/../g", "ws://a/g"),
        ("g.", "ws://a/b/c/g."),
        (".g", "ws://a/b/c/.g"),
        ("g..", "ws://a/b/c/g.."),
        ("..g", "ws://a/b/c/..g"),
        ("./../g", "ws://a/b/g"),
        ("./g/.", "ws://a/b/c/g/"),
        ("g/./h", "ws://a/b/c/g/h"),
        ("g/../h", "ws://a/b/c/h"),
        ("g;x=1/./y", "ws://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "ws://a/b/c/y"),
        ("g?y/./x", "ws://a/b/c/g?y/./x"),
        ("g?y/../x", "ws://a/b/c/g?y/../x"),
        // A query or path with a URL in it is relative all the same.
        ("/login?next=https://b/c", "ws://a/login?next=https://b/c"),
        ("login?next=wss://b", "ws://a/b/c/login?next=wss://b"),
        ("?next=ws://b", "ws://a/b/c/d;p?next=ws://b"),
        ("/to/ws://b", "ws://a/to/ws://b"),
        // Absolute.
        ("wss://b:444/x", "wss://b:444/x"),
        ("HTTPS://b/x#f", "wss://b/x"),
        ("http://b", "ws://b/"),
        ("//b:81?q", "ws://b:81/?q"),
        // Encoded, not reinterpreted.
        ("/João", "ws://a/Jo%C3%A3o"),
        ("/\\b", "ws://a/%5Cb"),
        ("g h", "ws://a/b/c/g%20h"),
    ] {
        let joined = base.join(reference);
        let joined = joined.unwrap_or_else(|error| panic!("{reference}: {error}"));
        assert_eq!(joined.to_string(), expected, "{reference}");
        assert_eq!(joined.user_info(), None, "{reference}");
    }
}

#[test]
fn own_port_is_kept_by_relative_references_only() {
    let base: WebSocketUrl = "wss://h:8443/a".parse().unwrap();
    assert_eq!(base.join("/b").unwrap().port(), 8443);
    assert_eq!(base.join("//h/b").unwrap().port(), 443);
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    let base: WebSocketUrl = "wss://h/".parse().unwrap();
    for reference in [
        "javascript:alert(1)",
        "ftp://h/",
        "//",
        "///x",
        "wss://",
        "//h:0/",
        "/a\r\nb",
        " /a",
        "//a\\b",
    ] {
        assert!(base.join(reference).is_err(), "{reference:?}");
    }
    let scheme = base.join("mailto:a@b").unwrap_err();
    assert!(matches!(&scheme, InvalidUrl::Scheme { scheme } if scheme == "mailto"));
}
