//! Parts of a request that may prove who asks: what stays with the origin it was given for, and is never printed.
//!
//! Names of headers that carry tokens cannot be listed (`X-Auth`, `Api_Key`, whatever a gateway invented), so the rule
//! is turned round: a header that the user gave is sensitive unless it is one of those known to be harmless.

use std::borrow::Cow;

use http::header::HeaderName;
use percent_encoding::percent_decode_str;

use crate::head::Head;

/// Stands for what is not printed.
pub(crate) const HIDDEN: &str = "(not shown)";

/// Headers of a request that say nothing about who asks.
const HARMLESS: [&str; 24] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "date",
    "dnt",
    "host",
    "origin",
    "pragma",
    "priority",
    "sec-gpc",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "traceparent",
    "upgrade",
    "user-agent",
    "x-request-id",
];

/// Words within a name that promise a secret, compared without case and without `-`, `_` and `.`.
const MARKERS: [&str; 15] = [
    "apikey",
    "auth",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
    "token",
    "xsrf",
];

/// Whole names of query parameters that promise a secret, beside those with one of [`MARKERS`].
const PARAMETERS: [&str; 9] = [
    "ak", "code", "key", "otp", "pass", "pwd", "sid", "sig", "ticket",
];

/// Reports whether a header of the request may prove who asks.
pub(crate) fn is_sensitive_header(name: &HeaderName) -> bool {
    !HARMLESS.contains(&name.as_str())
}

/// Reports whether a subprotocol looks like a token rather than a name (RFC 6455 §1.9).
///
/// Browsers can set no header of a WebSocket, so tokens travel as subprotocols: `bearer.TOKEN`, or `bearer` and then the
/// token. Names are made of short words, with digits at most in one part of each (`chat.v1.json`, `ocpp2.0.1`).
fn looks_like_token(subprotocol: &str) -> bool {
    let word_is_odd = |word: &str| {
        let kinds: Vec<bool> = word.bytes().map(|byte| byte.is_ascii_digit()).collect();
        let switches = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let mixes_case = word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
            && word.bytes().any(|byte| byte.is_ascii_lowercase());
        word.len() > 20 || (word.len() > 4 && switches > 1) || (word.len() > 3 && mixes_case)
    };
    has_marker(subprotocol)
        || subprotocol.len() > 64
        || subprotocol
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(word_is_odd)
}

/// Reports whether one of these subprotocols is a token, or follows the name that announces one.
pub(crate) fn has_token(subprotocols: &[String]) -> bool {
    subprotocols.iter().any(|one| looks_like_token(one))
}

/// Reports whether the query of `target` has a parameter whose name promises a secret.
pub(crate) fn query_has_secret(target: &str) -> bool {
    matches!(shown_target(target), Cow::Owned(_))
}

fn has_marker(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !"-_.".contains(*c))
        .flat_map(char::to_lowercase)
        .collect();
    MARKERS.iter().any(|marker| plain.contains(marker))
}

/// A path or URL with the values of secret query parameters left out.
pub(crate) fn shown_target(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else {
        return Cow::Borrowed(target);
    };
    let mut is_hidden = false;
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match before_secret(pair) {
            Some(shown) => {
                is_hidden = true;
                format!("{shown}={HIDDEN}")
            }
            None => pair.to_owned(),
        })
        .collect();
    if is_hidden {
        Cow::Owned(format!("{path}?{}", shown.join("&")))
    } else {
        Cow::Borrowed(target)
    }
}

/// The part of a query before `=` and a secret value; what follows up to the next `&` belongs to the secret.
///
/// Some servers part parameters at `;` too, others take it for a part of the value: either may be meant.
fn before_secret(pair: &str) -> Option<&str> {
    let mut begin = 0;
    for parameter in pair.split(';') {
        if let Some((name, _)) = parameter.split_once('=') {
            let end = begin + name.len();
            if end + 1 < pair.len() && is_secret_parameter(name) {
                return Some(&pair[..end]);
            }
        }
        begin += parameter.len() + 1;
    }
    None
}

/// Reports whether a name, as the server decodes it (RFC 3986 §2.1), promises a secret.
fn is_secret_parameter(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    has_marker(&name) || PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

/// A request's first line without the secrets of its query.
pub(crate) fn shown_request_line(line: &str) -> String {
    let parts: Vec<_> = line.split(' ').map(shown_target).collect();
    parts.join(" ")
}

/// A field of the request as it may be printed; `response` names the subprotocol that is no secret any more.
pub(crate) fn shown_request_field<'a>(
    name: &str,
    value: &'a str,
    response: Option<&Head>,
) -> Cow<'a, str> {
    if name.eq_ignore_ascii_case("sec-websocket-protocol") {
        let chosen = response.and_then(|response| response.get(name));
        let shown = value.split(',').map(str::trim).map(|one| {
            if chosen.as_deref() == Some(one) && !looks_like_token(one) {
                one
            } else {
                HIDDEN
            }
        });
        return Cow::Owned(shown.collect::<Vec<_>>().join(", "));
    }
    match HeaderName::try_from(name) {
        Ok(name) if !is_sensitive_header(&name) => Cow::Borrowed(value),
        _ => Cow::Borrowed(HIDDEN),
    }
}

/// A field of the response as it may be printed: it may hand out cookies and tokens, or repeat ours.
pub(crate) fn shown_response_field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "sec-websocket-protocol" if looks_like_token(value) => Cow::Borrowed(HIDDEN),
        "location" | "content-location" | "refresh" | "link" => shown_target(value),
        "www-authenticate" | "proxy-authenticate" => Cow::Borrowed(value),
        _ if HARMLESS.contains(&name.as_str()) || !has_marker(&name) => Cow::Borrowed(value),
        _ => Cow::Borrowed(HIDDEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_sensitive_unless_known_to_be_harmless() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-auth",
            "api_key",
            "apikey",
            "x-amz-security-token",
            "x-gateway",
            "referer",
            "sec-websocket-token",
        ] {
            assert!(
                is_sensitive_header(&HeaderName::from_static(name)),
                "{name}"
            );
        }
        for name in ["origin", "user-agent", "accept-language", "host"] {
            assert!(
                !is_sensitive_header(&HeaderName::from_static(name)),
                "{name}"
            );
        }
    }

    #[test]
    fn tokens_among_subprotocols_are_told_from_names() {
        for name in [
            "chat",
            "superchat",
            "chat.v1.json",
            "graphql-transport-ws",
            "graphql-ws",
            "mqtt",
            "mqttv3.1",
            "v12.stomp",
            "v5.channel.k8s.io",
            "base64.binary.k8s.io",
            "actioncable-v1-json",
            "ocpp2.0.1",
            "wamp.2.json",
            "soap",
            "com.microsoft.minecraft.wsencrypt",
        ] {
            assert!(!looks_like_token(name), "{name}");
        }
        for token in [
            "bearer.abc",
            "Bearer",
            "access_token.x",
            "base64url.bearer.authorization.k8s.io.c2VjcmV0",
            "openai-insecure-api-key.sk-1",
            "eyJhbGciOiJIUzI1NiJ9.e30.4E9",
            "s3cr3t",
            "0f1e2d3c4b5a",
            "sk-live-51Hx",
            "dGhpc2lzYXRva2Vu",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert!(looks_like_token(token), "{token}");
        }
    }

    #[test]
    fn secrets_of_a_query_are_left_out_by_name() {
        for (target, shown) in [
            ("/a", "/a"),
            ("/a?x=1&name=João", "/a?x=1&name=João"),
            ("/a?token=s", "/a?token=(not shown)"),
            (
                "/a?x=1&access_token=s&y=2",
                "/a?x=1&access_token=(not shown)&y=2",
            ),
            ("wss://h/?API_KEY=s", "wss://h/?API_KEY=(not shown)"),
            ("/?key=s", "/?key=(not shown)"),
            ("/?X-Amz-Signature=s", "/?X-Amz-Signature=(not shown)"),
            ("/?sessionId=s", "/?sessionId=(not shown)"),
            ("/?keyboard=de&token", "/?keyboard=de&token"),
            // Servers decode names, and some part them at a semicolon.
            ("/?%74oken=s", "/?%74oken=(not shown)"),
            ("/?tok%65n=s&x=1", "/?tok%65n=(not shown)&x=1"),
            ("/?API%5Fkey=s", "/?API%5Fkey=(not shown)"),
            ("/?%6B%65%79=s", "/?%6B%65%79=(not shown)"),
            ("/?a=b;token=s", "/?a=b;token=(not shown)"),
            ("/?a;%74oken=s;x=1&y=2", "/?a;%74oken=(not shown)&y=2"),
            // What stands behind the semicolon may be the end of the secret.
            ("/?token=s;t", "/?token=(not shown)"),
            ("/?token=;t", "/?token=(not shown)"),
            ("/?a=%;b=%2&c=%zz", "/?a=%;b=%2&c=%zz"),
        ] {
            assert_eq!(shown_target(target), shown);
        }
        assert_eq!(
            shown_request_line("GET /a?jwt=s HTTP/1.1"),
            "GET /a?jwt=(not shown) HTTP/1.1"
        );
    }
}
