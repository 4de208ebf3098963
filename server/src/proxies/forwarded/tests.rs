use super::*;
use crate::config::from_text;

/// A server that trusts `10.0.0.0/8`, `2001:db8:1::/48` and one address on this machine, and believes `header` of them; with `off`
/// it trusts nobody.
fn trust(header: &str) -> Trust {
    if header == "off" {
        return Trust::new(&from_text("").unwrap().proxies);
    }
    let text = format!(
        "trusted-proxy = [\"10.0.0.0/8\", \"2001:db8:1::/48\", \"127.0.0.2\"]\ntrusted-header = \"{header}\"\n"
    );
    Trust::new(&from_text(&text).unwrap().proxies)
}

/// The client and the site of a request from `peer` without TLS; the error's text if there is none.
fn client(
    trust: &Trust,
    peer: &str,
    fields: &[(&str, &str)],
) -> Result<(String, bool, Option<String>), String> {
    let mut request = Request::new(());
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    let peer = Peer::direct(peer.parse().unwrap());
    match trust.client(peer, false, &request) {
        Ok((peer, site)) => Ok((
            peer.to_string(),
            site.is_secure,
            site.host.map(|host| host.to_string()),
        )),
        Err(error) => Err(error.to_string()),
    }
}

const PROXY: &str = "10.0.0.1:5";

#[test]
fn n1_the_right_most_address_that_is_not_trusted_is_the_client() {
    let trust = trust("x-forwarded");
    for (values, expected) in [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["203.0.113.9:5678"], "203.0.113.9:5678"),
        (&["2001:db8::9"], "2001:db8::9"),
        (&["[2001:db8::9]"], "2001:db8::9"),
        (&["[2001:db8::9]:1"], "[2001:db8::9]:1"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (&["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
        (&["127.0.0.1", "203.0.113.9 , 10.1.2.3,"], "203.0.113.9"),
        (
            &["203.0.113.9, ::ffff:10.0.0.7, 2001:db8:1::8"],
            "203.0.113.9",
        ),
        // What stands further to the left was written by the client.
        (&["<script>, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (&["\u{e9}", "203.0.113.9"], "203.0.113.9"),
        // Everybody is trusted: the furthest one.
        (&["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
        // The proxy does not know.
        (&["203.0.113.9, unknown"], PROXY),
        (&["203.0.113.9, unknown, 10.0.0.8"], "10.0.0.8"),
        (&[], PROXY),
        (&["", " , "], PROXY),
    ] {
        let fields: Vec<_> = values
            .iter()
            .map(|value| ("x-forwarded-for", *value))
            .collect();
        let (seen, ..) = client(&trust, PROXY, &fields).unwrap();
        assert_eq!(seen, expected, "{values:?}");
    }
}

#[test]
fn n1_an_element_of_forwarded_counts_as_far_as_it_is_vouched_for() {
    let trust = trust("forwarded");
    for (value, expected, secure, host) in [
        ("for=203.0.113.9", "203.0.113.9", false, None),
        ("For=203.0.113.9;Proto=HTTPS", "203.0.113.9", true, None),
        (
            "for=\"[2001:db8::9]:1\"; proto=https; host=a.example",
            "[2001:db8::9]:1",
            true,
            Some("a.example"),
        ),
        (
            "for=203.0.113.9;host=\"a.example:8443\";",
            "203.0.113.9",
            false,
            Some("a.example:8443"),
        ),
        (
            "for=127.0.0.1;host=evil.example, for=203.0.113.9;proto=https",
            "203.0.113.9",
            true,
            None,
        ),
        (
            "for=203.0.113.9;host=a.example;proto=https, for=10.0.0.9;host=inner;proto=http",
            "203.0.113.9",
            true,
            Some("a.example"),
        ),
        (
            "for=203.0.113.9;host=a.example, for=10.0.0.9",
            "203.0.113.9",
            false,
            Some("a.example"),
        ),
        ("rubbish, for=203.0.113.9", "203.0.113.9", false, None),
        (
            "for=\"unclosed, for=203.0.113.9",
            "203.0.113.9",
            false,
            None,
        ),
        ("for=203.0.113.9, for=unknown", PROXY, false, None),
        (
            "for=203.0.113.9, for=_hidden;proto=https",
            PROXY,
            true,
            None,
        ),
        ("for=203.0.113.9, by=10.0.0.1", PROXY, false, None),
        ("for=203.0.113.9;secret=1", "203.0.113.9", false, None),
    ] {
        let seen = client(&trust, PROXY, &[("forwarded", value)]);
        let expected = (expected.to_owned(), secure, host.map(str::to_owned));
        assert_eq!(seen, Ok(expected), "{value}");
    }
}

#[test]
fn n1_what_a_trusted_proxy_writes_must_be_readable() {
    let (old, new) = (trust("x-forwarded"), trust("forwarded"));
    for (trust, field, values) in [
        (
            &old,
            "x-forwarded-for",
            &[
                "localhost",
                "203.0.113.256",
                "1",
                "203.0.113.9:65536",
                "[::1",
                "_x",
                "\u{e9}",
                "for=1.2.3.4",
            ][..],
        ),
        (&old, "x-forwarded-proto", &["gopher", "https://", "on"]),
        (
            &old,
            "x-forwarded-host",
            &[
                "a b",
                "user@a.example",
                "https://a.example",
                ":1",
                "a.example/x",
            ],
        ),
        (
            &new,
            "forwarded",
            &[
                "203.0.113.9",
                "for",
                "for=",
                "for=2001:db8::9",
                "for=1.2.3.4;proto=gopher",
                "for=1.2.3.4;host=a b",
                "for=1.2.3.4;host=\"",
                "for=\"[::1]:70000\"",
                "for=[",
                "for=\"_a,b\"",
            ],
        ),
    ] {
        for value in values {
            let error = client(trust, PROXY, &[(field, value)]);
            assert!(
                error.as_ref().is_err_and(|text| text.contains(field)),
                "{field}: {value}: {error:?}"
            );
        }
    }
}

#[test]
fn n1_nobody_else_is_believed() {
    let fields = [
        ("x-forwarded-for", "198.51.100.1"),
        (
            "forwarded",
            "for=198.51.100.2;proto=https;host=evil.example",
        ),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
    ];
    for (header, peer, expected) in [
        ("off", "10.0.0.1:5", "10.0.0.1:5"),
        ("x-forwarded", "203.0.113.9:5", "203.0.113.9:5"),
        ("x-forwarded", "127.0.0.1:5", "127.0.0.1:5"),
        ("forwarded", "11.0.0.1:5", "11.0.0.1:5"),
        ("forwarded", "[2001:db8:2::1]:5", "[2001:db8:2::1]:5"),
    ] {
        let seen = client(&trust(header), peer, &fields);
        assert_eq!(
            seen,
            Ok((expected.to_owned(), false, None)),
            "{header} {peer}"
        );
    }
    // Only the header of the settings counts.
    let seen = client(
        &trust("forwarded"),
        PROXY,
        &[("x-forwarded-for", "198.51.100.1")],
    );
    assert_eq!(seen, Ok((PROXY.to_owned(), false, None)));
}

#[test]
fn n1_what_was_forwarded_is_never_local_even_if_nobody_is_trusted() {
    let trust = trust("off");
    let is_local = |fields: &[(&'static str, &'static str)]| {
        let mut request = Request::new(());
        for (name, value) in fields {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_static(value));
        }
        let peer = trust.of_connection(Peer::direct("127.0.0.1:5".parse().unwrap()));
        let (peer, _) = trust.client(peer, true, &request).unwrap();
        peer.caller().is_local
    };
    assert!(is_local(&[]));
    assert!(is_local(&[("x-forwarded-proto", "https")]));
    for field in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "via",
    ] {
        assert!(!is_local(&[(field, "127.0.0.1")]), "{field}");
    }
    let trust = self::trust("forwarded");
    let proxy = trust.of_connection(Peer::direct("127.0.0.2:5".parse().unwrap()));
    assert!(!proxy.caller().is_local, "a trusted proxy on this machine");
}
