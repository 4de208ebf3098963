//! URLs that are taken apart.

use tungstenite_deflate::handshake::WebSocketUrl;

/// URL; scheme and authority as Host has it; request target; host and port to connect to.
type Case = (&'static str, &'static str, &'static str, &'static str, u16);

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // RFC 6455 §3.
    ("ws://server.example.com/chat", "ws://server.example.com", "/chat", "server.example.com", 80),
    ("wss://server.example.com/chat", "wss://server.example.com", "/chat", "server.example.com", 443),
    ("ws://h:8080/chat?x=1&y=2", "ws://h:8080", "/chat?x=1&y=2", "h", 8080),
    // Schemes.
    ("WS://H/A", "ws://h", "/A", "h", 80),
    ("WSs://h/", "wss://h", "/", "h", 443),
    ("http://h/", "ws://h", "/", "h", 80),
    ("HTTPS://h/", "wss://h", "/", "h", 443),
    // Without a path.
    ("ws://h", "ws://h", "/", "h", 80),
    ("ws://host?a=b", "ws://host", "/?a=b", "host", 80),
    ("ws://h:81?a=/b?c", "ws://h:81", "/?a=/b?c", "h", 81),
    ("ws://h?", "ws://h", "/?", "h", 80),
    ("ws://h/?", "ws://h", "/?", "h", 80),
    ("ws://h/a?", "ws://h", "/a?", "h", 80),
    // User information is neither target nor Host.
    ("wss://alice:s3cret@h/", "wss://h", "/", "h", 443),
    ("ws://alice@h:81?q", "ws://h:81", "/?q", "h", 81),
    ("ws://a:p%40ss@h/", "ws://h", "/", "h", 80),
    ("ws://a:p@ss@h/", "ws://h", "/", "h", 80),
    ("ws://@h/", "ws://h", "/", "h", 80),
    ("ws://h/a@b?c@d", "ws://h", "/a@b?c@d", "h", 80),
    // Ports.
    ("ws://h:80/", "ws://h", "/", "h", 80),
    ("wss://h:443/", "wss://h", "/", "h", 443),
    ("ws://h:443/", "ws://h:443", "/", "h", 443),
    ("wss://h:80/", "wss://h:80", "/", "h", 80),
    ("ws://h:/", "ws://h", "/", "h", 80),
    ("ws://h:1/", "ws://h:1", "/", "h", 1),
    ("ws://h:65535/", "ws://h:65535", "/", "h", 65535),
    ("ws://h:0080/", "ws://h", "/", "h", 80),
    // Names.
    ("ws://example.org./", "ws://example.org.", "/", "example.org.", 80),
    ("ws://my_service-1.internal/", "ws://my_service-1.internal", "/", "my_service-1.internal", 80),
    ("ws://EXAMPLE.org/", "ws://example.org", "/", "example.org", 80),
    ("ws://ex%61mple.org/", "ws://example.org", "/", "example.org", 80),
    ("ws://bücher.example/", "ws://xn--bcher-kva.example", "/", "xn--bcher-kva.example", 80),
    ("ws://BÜCHER.example:81/", "ws://xn--bcher-kva.example:81", "/", "xn--bcher-kva.example", 81),
    ("ws://bu\u{308}cher.example/", "ws://xn--bcher-kva.example", "/", "xn--bcher-kva.example", 80),
    ("ws://b%C3%BCcher.example/", "ws://xn--bcher-kva.example", "/", "xn--bcher-kva.example", 80),
    ("ws://xn--bcher-kva.example/", "ws://xn--bcher-kva.example", "/", "xn--bcher-kva.example", 80),
    ("ws://faß.example/", "ws://xn--fa-hia.example", "/", "xn--fa-hia.example", 80),
    ("ws://例え。テスト/", "ws://xn--r8jz45g.xn--zckzah", "/", "xn--r8jz45g.xn--zckzah", 80),
    // IPv4.
    ("ws://127.0.0.1:9/", "ws://127.0.0.1:9", "/", "127.0.0.1", 9),
    ("ws://127.1/", "ws://127.0.0.1", "/", "127.0.0.1", 80),
    ("ws://0x7f000001/", "ws://127.0.0.1", "/", "127.0.0.1", 80),
    ("ws://１２７.0.0.1/", "ws://127.0.0.1", "/", "127.0.0.1", 80),
    // IPv6.
    ("ws://[::1]/", "ws://[::1]", "/", "::1", 80),
    ("wss://[::1]:8443/ws", "wss://[::1]:8443", "/ws", "::1", 8443),
    ("ws://[::1]:/", "ws://[::1]", "/", "::1", 80),
    ("ws://[::1]?q", "ws://[::1]", "/?q", "::1", 80),
    ("ws://[2001:DB8:0:0::1]/", "ws://[2001:db8::1]", "/", "2001:db8::1", 80),
    ("ws://[::ffff:192.0.2.1]/", "ws://[::ffff:192.0.2.1]", "/", "::ffff:192.0.2.1", 80),
    ("ws://[fe80::1%25eth0]:81/", "ws://[fe80::1]:81", "/", "fe80::1%eth0", 81),
    ("ws://[fe80::1%eth0]/", "ws://[fe80::1]", "/", "fe80::1%eth0", 80),
    ("ws://[fe80::1%25en%2d1]/", "ws://[fe80::1]", "/", "fe80::1%en-1", 80),
    // Dot segments (RFC 3986 §5.2.4).
    ("ws://h/a/./b/../c", "ws://h", "/a/c", "h", 80),
    ("ws://h/../../a", "ws://h", "/a", "h", 80),
    ("ws://h/a/..", "ws://h", "/", "h", 80),
    ("ws://h/a/b/..", "ws://h", "/a/", "h", 80),
    ("ws://h/a/.", "ws://h", "/a/", "h", 80),
    ("ws://h/.a/..b/...", "ws://h", "/.a/..b/...", "h", 80),
    ("ws://h/a//../b", "ws://h", "/a/b", "h", 80),
    ("ws://h/a?b/../c", "ws://h", "/a?b/../c", "h", 80),
    // Empty segments and reserved characters stay.
    ("ws://h//a//", "ws://h", "//a//", "h", 80),
    ("ws://h/a;b=c,d!$&'()*+:=@", "ws://h", "/a;b=c,d!$&'()*+:=@", "h", 80),
    ("ws://h/?$filter=name eq 'x'", "ws://h", "/?$filter=name%20eq%20'x'", "h", 80),
    ("ws://h/?u=http://x/y?z", "ws://h", "/?u=http://x/y?z", "h", 80),
    // Percent-encoding: what is whole stays as it is, what is none is encoded.
    ("ws://h/%2e%2E/%2f?%C3%a9", "ws://h", "/%2e%2E/%2f?%C3%a9", "h", 80),
    ("ws://h/100%?5%25&%zz&%a", "ws://h", "/100%25?5%25&%25zz&%25a", "h", 80),
    // Characters that targets do not have.
    ("ws://h/é?name=João", "ws://h", "/%C3%A9?name=Jo%C3%A3o", "h", 80),
    ("ws://h/日本/😀", "ws://h", "/%E6%97%A5%E6%9C%AC/%F0%9F%98%80", "h", 80),
    ("ws://h/a b?c d", "ws://h", "/a%20b?c%20d", "h", 80),
    ("ws://h/a\\b?c\\d", "ws://h", "/a%5Cb?c%5Cd", "h", 80),
    ("ws://h/\"<>^`{|}?[\"<>^`{|}]", "ws://h", "/%22%3C%3E%5E%60%7B%7C%7D?%5B%22%3C%3E%5E%60%7B%7C%7D%5D", "h", 80),
    ("ws://h/\u{200e}\u{a0}x", "ws://h", "/%E2%80%8E%C2%A0x", "h", 80),
];

#[test]
fn urls_become_target_host_and_address() {
    for (text, scheme_and_authority, target, host, port) in CASES {
        let url: WebSocketUrl = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let authority = format!("{}://{}", url.scheme(), url.authority());
        assert_eq!(&authority, scheme_and_authority, "{text}");
        assert_eq!(url.path_and_query(), *target, "{text}");
        assert_eq!((url.host(), url.port()), (*host, *port), "{text}");
        assert_eq!(url.is_secure(), url.scheme() == "wss", "{text}");
        assert_eq!(url.server_name(), host.split('%').next().unwrap(), "{text}");
        // What it says of itself means the same again, but for zone and user information.
        let again: WebSocketUrl = url.to_string().parse().unwrap();
        assert_eq!(again.to_string(), url.to_string(), "{text}");
    }
    assert!(CASES.len() >= 60, "{}", CASES.len());
}

#[test]
fn user_information_is_kept_aside_and_never_shown() {
    let url: WebSocketUrl = "wss://alice:p%40ss:x@h/".parse().unwrap();
    assert_eq!(url.user_info(), Some("alice:p%40ss:x"));
    assert!(!format!("{url} {url:?}").contains("alice"));
    assert_eq!(
        "wss://h/".parse::<WebSocketUrl>().unwrap().user_info(),
        None
    );
}
