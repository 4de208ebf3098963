//! The tables of the README, made of the same rows as the matches.

use std::fmt::Write as _;

use super::{Row, certificate, network, proxy, status, tls};

/// The tables, by where an error comes from.
const SECTIONS: &[(&str, &[Row])] = &[
    ("looking up the name", network::RESOLVER),
    ("opening the TCP connection", network::DIALLING),
    ("the same, by number", network::ERRNO),
    ("an open connection", network::CONNECTION),
    ("SOCKS5 proxy", proxy::SOCKS),
    ("status of an HTTP proxy", proxy::PROXY_STATUS),
    ("alert of TLS", tls::ALERT),
    ("nothing in common in TLS", tls::INCOMPATIBILITY),
    ("message of TLS", tls::MESSAGE),
    ("TLS", tls::ERROR),
    ("certificate", certificate::CERTIFICATE),
    ("chain of certificates", certificate::CHAIN),
    ("list of revoked certificates", certificate::REVOCATION_LIST),
    ("status of the server", status::STATUS),
];

/// Every cause with its remedy, by where it comes from, in Markdown.
pub(crate) fn table() -> String {
    let mut text = String::new();
    for (name, rows) in SECTIONS {
        let _ = write!(text, "\n| {name} | meaning | remedy |\n|---|---|---|\n");
        for (patterns, cause) in *rows {
            let seen: Vec<String> = patterns.iter().map(|pattern| shown(pattern)).collect();
            let remedy = match cause.remedy {
                "" => "–",
                remedy => remedy,
            };
            let _ = writeln!(
                text,
                "| {} | {} | {remedy} |",
                seen.join(", "),
                cause.meaning
            );
        }
    }
    text.split_off(1)
}

/// `K::TimedOut` and `E::Expired { .. }` without type and fields, texts without their quotes.
fn shown(pattern: &str) -> String {
    let name = pattern.split_once("::").map_or(pattern, |(_, name)| name);
    let name = match name.strip_prefix('"') {
        Some(text) => text.trim_end_matches('"'),
        None => name.split(['(', '{', ' ']).next().unwrap_or(name),
    };
    format!("`{}`", name.replace("..=", "–"))
}
