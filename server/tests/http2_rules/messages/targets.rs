//! Target of a request: its pseudo-fields and its authority (RFC 9113 §8.3.1).

use super::{answered, refused};
use crate::case::Case;
use crate::wire::{block, get};

pub fn cases() -> Vec<Case> {
    let mut cases = pseudo_fields();
    cases.extend(targets());
    cases.extend(authorities());
    cases
}

/// A request of these fields alone.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    block(fields)
}

#[rustfmt::skip]
fn pseudo_fields() -> Vec<Case> {
    let section = "RFC 9113 §8.3";
    let (method, scheme) = ((":method", "GET"), (":scheme", "https"));
    let (authority, path) = ((":authority", "localhost"), (":path", "/healthz"));
    let all = [method, scheme, authority, path];
    let mut cases = vec![
        refused(section, "an unknown pseudo-field", &get(&[(":test", "1")])),
        refused(section, "an unknown pseudo-field first", &[block(&[(":test", "1")]), get(&[])].concat()),
        refused(section, "a pseudo-field of a response", &get(&[(":status", "200")])),
        refused(section, "only that of a response", &fields(&[(":status", "200")])),
        refused(section, "a pseudo-field behind a field", &fields(&[method, scheme, authority, ("x-test", "1"), path])),
        refused(section, "no field at all", &[]),
        answered(section, "pseudo-fields in another order", &fields(&[path, authority, scheme, method]), 200),
    ];
    for twice in all {
        let (name, section) = (twice.0, "RFC 9113 §8.3");
        let block = fields(&[&all[..], &[twice]].concat());
        cases.push(refused(section, format!("{name} twice"), &block));
    }
    for missing in [method, scheme, path] {
        let rest: Vec<_> = all.into_iter().filter(|field| *field != missing).collect();
        cases.push(refused("RFC 9113 §8.3.1", format!("no {}", missing.0), &fields(&rest)));
    }
    cases
}

/// A request with these pseudo-fields.
fn of(method: &str, scheme: &str, authority: Option<&str>, path: &str) -> Vec<u8> {
    let mut block = vec![(":method", method), (":scheme", scheme)];
    block.extend(authority.map(|authority| (":authority", authority)));
    block.push((":path", path));
    fields(&block)
}

#[rustfmt::skip]
fn targets() -> Vec<Case> {
    let section = "RFC 9113 §8.3.1";
    let to = |path| of("GET", "https", Some("localhost"), path);
    vec![
        refused(section, "an empty path", &to("")),
        refused(section, "a path without its slash", &to("healthz")),
        refused(section, "an absolute URI as path", &to("https://localhost/healthz")),
        refused(section, "an asterisk for GET", &to("*")),
        refused(section, "a space in the path", &to("/a b")),
        refused(section, "NUL in the path", &to("/a\0b")),
        refused(section, "a line break in the path", &to("/a\r\nx: y")),
        refused(section, "an empty scheme", &of("GET", "", Some("localhost"), "/healthz")),
        refused(section, "a scheme with a space", &of("GET", "ht tp", Some("localhost"), "/healthz")),
        refused(section, "an empty method", &of("", "https", Some("localhost"), "/healthz")),
        refused(section, "a method with a space", &of("GET /", "https", Some("localhost"), "/healthz")),
    ]
}

#[rustfmt::skip]
fn authorities() -> Vec<Case> {
    let section = "RFC 9113 §8.3.1";
    let at = |authority| of("GET", "https", Some(authority), "/healthz");
    let with_host = |host| {
        [
            of("GET", "https", None, "/healthz"),
            block(&[("host", host)]),
        ]
        .concat()
    };
    vec![
        refused(section, "neither :authority nor Host", &of("GET", "https", None, "/healthz")),
        refused(section, "an empty authority", &at("")),
        refused(section, "user information in the authority", &at("user@localhost")),
        refused(section, "user and password in the authority", &at("user:secret@localhost")),
        refused(section, "a path in the authority", &at("localhost/x")),
        refused(section, "a space in the authority", &at("local host")),
        // A reg-name may hold it (RFC 3986 §3.2.2).
        answered(section, "a comma in the authority", &at("localhost,example.org"), 200),
        refused(section, "a Host that says something else", &get(&[("host", "example.org")])),
        refused(section, "two hosts", &get(&[("host", "localhost"), ("host", "localhost")])),
        answered(section, "a Host that says the same", &get(&[("host", "localhost")]), 200),
        answered(section, "Host instead of :authority", &with_host("localhost"), 200),
        refused(section, "an invalid Host instead of :authority", &with_host("a/b")),
        answered(section, "an asterisk for OPTIONS", &of("OPTIONS", "https", Some("localhost"), "*"), 404),
    ]
}
