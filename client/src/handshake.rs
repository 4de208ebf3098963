//! The answer to the opening handshake (RFC 6455 §4.1): in words, which check it failed.

use std::borrow::Cow;
use std::fmt;

use http::header::HeaderName;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;

use crate::causes::{self, Cause};
use crate::head::Head;
use crate::said::explanation;
use crate::sensitive::{
    has_token, is_sensitive_header, query_has_secret, shown_response_field, shown_target,
};
use values::escape::escaped;

/// One check of the answer to the handshake (RFC 6455 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Subject of the check, with its section.
    pub what: &'static str,
    /// Value seen when it failed; `None` when it passed.
    pub failure: Option<String>,
    /// Advice to mend it.
    pub remedy: Cow<'static, str>,
}

/// Goes through the checks of RFC 6455 §4.1 in order.
pub fn checks(request: &Head, response: &Head) -> Vec<Check> {
    let check = |what, ok: bool, seen: String, remedy: &'static str| Check {
        what,
        failure: (!ok).then_some(seen),
        remedy: remedy.into(),
    };
    let show = |name: &str| {
        response.get(name).map_or_else(
            || format!("no {name}"),
            |value| format!("{name}: {}", shown_response_field(name, &value)),
        )
    };
    let key = request.get("Sec-WebSocket-Key").unwrap_or_default();
    let offered = request.get("Sec-WebSocket-Protocol").unwrap_or_default();
    let protocol = response.get("Sec-WebSocket-Protocol");
    let protocol_fits = protocol
        .as_ref()
        .is_none_or(|chosen| offered.split(',').any(|one| one.trim() == chosen));
    let extensions_fit = response
        .get("Sec-WebSocket-Extensions")
        .is_none_or(|answer| {
            let offered = request.get("Sec-WebSocket-Extensions").unwrap_or_default();
            answer
                .split(',')
                // The parameters are the library's to judge: its error says more than this check.
                .all(|one| one.trim().starts_with("permessage-deflate"))
                && !offered.is_empty()
        });
    vec![
        Check {
            remedy: status_remedy(request, response),
            ..check(
                "status 101 (RFC 6455 §4.1, 1)",
                response.status() == Some(101),
                format!("`{}`", response.first_line),
                "",
            )
        },
        check(
            "Upgrade: websocket (§4.1, 2)",
            response
                .get("Upgrade")
                .is_some_and(|value| value.eq_ignore_ascii_case("websocket")),
            show("Upgrade"),
            "a proxy in between may drop it: let it pass Upgrade, or use wss",
        ),
        check(
            "Connection: Upgrade (§4.1, 3)",
            response.lists("Connection", "upgrade"),
            show("Connection"),
            "a proxy in between may drop it: let it pass Connection, or use wss",
        ),
        check(
            "Sec-WebSocket-Accept fits the key (§4.1, 4)",
            response
                .get("Sec-WebSocket-Accept")
                .is_some_and(|accept| accept == derive_accept_key(key.as_bytes())),
            show("Sec-WebSocket-Accept"),
            "the server or a cache in between answers for another key; mend the server",
        ),
        check(
            "extensions were offered (§4.1, 5; RFC 7692 §7.1)",
            extensions_fit,
            show("Sec-WebSocket-Extensions"),
            "the server answers what was not asked; try --no-deflate",
        ),
        check(
            "subprotocol was offered (§4.1, 6)",
            protocol_fits,
            show("Sec-WebSocket-Protocol"),
            "ask for it with --subprotocol NAME",
        ),
    ]
}

/// Advises on a refusal, in view of what was sent and what the response asks for.
fn status_remedy(request: &Head, response: &Head) -> Cow<'static, str> {
    let status = response.status().unwrap_or_default();
    let wants = response.get("WWW-Authenticate").unwrap_or_default();
    let wants = wants.to_ascii_lowercase();
    let has_credentials = sends_credentials(request);
    Cow::Borrowed(match status {
        401 if has_credentials => "the credentials that were sent were not accepted: check them",
        401 if wants.starts_with("bearer") => "a token is wanted: --bearer-file FILE",
        401 if wants.starts_with("basic") => "name and password are wanted: --user NAME",
        403 => return forbidden(request.get("Origin").as_deref(), has_credentials),
        429 | 503 => return later(status, response.get("Retry-After").as_deref()),
        _ => {
            let cause = causes::status::of_status(status);
            return cause.map_or_else(String::new, Cause::advice).into();
        }
    })
}

/// Reports whether the request had anything that proves who asks.
fn sends_credentials(request: &Head) -> bool {
    let is_sensitive =
        |name: &str| HeaderName::try_from(name).is_ok_and(|name| is_sensitive_header(&name));
    let tokens: Vec<String> = request
        .get("Sec-WebSocket-Protocol")
        .map(|list| list.split(',').map(|one| one.trim().to_owned()).collect())
        .unwrap_or_default();
    request.fields.iter().any(|(name, _)| is_sensitive(name))
        || has_token(&tokens)
        || query_has_secret(request.first_line.split(' ').nth(1).unwrap_or_default())
}

fn forbidden(origin: Option<&str>, has_credentials: bool) -> Cow<'static, str> {
    match (origin, has_credentials) {
        (Some(origin), false) => {
            format!("the server forbids it: check --origin {}", escaped(origin)).into()
        }
        (Some(_), true) => "the server forbids it: check --origin and the credentials".into(),
        (None, true) => "the server forbids it to the holder of these credentials".into(),
        (None, false) => {
            "the server forbids it: it may want --origin, --user or --bearer-file".into()
        }
    }
}

fn later(status: u16, retry_after: Option<&str>) -> Cow<'static, str> {
    let seconds = retry_after.and_then(|value| value.trim().parse::<u32>().ok());
    let when = seconds.map_or_else(
        || "later".to_owned(),
        |seconds| format!("again in {seconds} s"),
    );
    if status == 429 {
        format!("too many connections or requests from here: try {when}").into()
    } else {
        format!("the server is full or going away: try {when}, or use --reconnect").into()
    }
}

/// The check that the response failed, or that there was no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFault {
    /// The request as sent.
    pub request: Head,
    /// The answer; `None` when the connection ended before one.
    pub response: Option<Head>,
    /// The library's error, when all our own checks pass.
    pub detail: String,
    /// Returns the server's explanation in the response's body, as one line that is not escaped.
    pub said: Option<String>,
}

impl HandshakeFault {
    /// From what was on the wire, the answer's `body` aside.
    pub fn new(request: &[u8], response: &[u8], body: &[u8], detail: impl fmt::Display) -> Self {
        let response = (!response.is_empty()).then(|| Head::parse(response));
        Self {
            request: Head::parse(request),
            response,
            detail: detail.to_string(),
            said: explanation(body),
        }
    }

    /// The first check that failed.
    pub fn failed(&self) -> Option<Check> {
        let response = self.response.as_ref()?;
        checks(&self.request, response)
            .into_iter()
            .find(|check| check.failure.is_some())
    }

    /// Returns advice for the user.
    pub fn remedy(&self) -> String {
        if self.response.is_none() {
            return "check that the port speaks HTTP (wss rather than ws?), and see the server's log".into();
        }
        if self
            .response
            .as_ref()
            // 0x15 is the content type of a TLS alert (RFC 8446 §5.1).
            .is_some_and(|response| response.first_line.starts_with('\x15'))
        {
            return "this port speaks TLS: use wss:// in place of ws://".into();
        }
        let remedy = self.failed().map_or(
            "the answer breaks a rule; see it with --show-handshake".into(),
            |check| check.remedy,
        );
        match self
            .response
            .as_ref()
            .and_then(|response| response.get("Location"))
        {
            Some(location) => {
                format!("{remedy} (Location: {})", escaped(&shown_target(&location)))
            }
            None => remedy.into_owned(),
        }
    }
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(said) = &self.said {
            write!(formatter, "{}; ", escaped(said))?;
        }
        match (&self.response, self.failed()) {
            (None, _) => write!(formatter, "no answer ({})", escaped(&self.detail)),
            (Some(_), None) => write!(formatter, "{}", escaped(&self.detail)),
            (Some(_), Some(Check { what, failure, .. })) => {
                write!(
                    formatter,
                    "{} instead of {what}",
                    escaped(&failure.unwrap_or_default())
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn first_failure(response: &str) -> Option<&'static str> {
        HandshakeFault::new(REQUEST, response.as_bytes(), b"", "")
            .failed()
            .map(|check| check.what)
    }

    #[test]
    fn answers_fail_the_check_they_break() {
        let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert_eq!(first_failure(good), None);
        for (from, to, what) in [
            ("101", "200", "status 101"),
            ("HTTP/1.1", "ICY", "status 101"),
            ("Upgrade: websocket", "Upgrade: h2c", "Upgrade:"),
            ("keep-alive, Upgrade", "keep-alive", "Connection:"),
            ("s3p", "S3p", "Sec-WebSocket-Accept"),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                "extensions",
            ),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
                "subprotocol",
            ),
        ] {
            let failed = first_failure(&good.replace(from, to)).unwrap_or_default();
            assert!(failed.starts_with(what), "{from} → {to}: {failed}");
        }
    }
}
