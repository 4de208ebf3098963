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
    /// Value that is expected, to follow "instead of".
    pub wanted: &'static str,
    /// Advice to mend it.
    pub remedy: Cow<'static, str>,
}

/// Goes through the checks of RFC 6455 §4.1 in order.
pub fn checks(request: &Head, response: &Head) -> Vec<Check> {
    let check = |what, ok: bool, seen: String, remedy: &'static str| Check {
        what,
        failure: (!ok).then_some(seen),
        wanted: what,
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
    let protocol_fits = protocol.as_ref().is_none_or(|chosen| {
        !chosen.is_empty() && offered.split(',').any(|one| one.trim() == chosen)
    });
    let extensions_fit = response
        .get("Sec-WebSocket-Extensions")
        .is_none_or(|answer| {
            let offered = request.get("Sec-WebSocket-Extensions").unwrap_or_default();
            // The parameters are the library's to judge: its error says more than this check.
            extensions(&answer).all(|name| extensions(&offered).any(|offered| offered == name))
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
            response.get("Upgrade").is_some_and(|value| {
                let mut members = members(&value);
                members
                    .next()
                    .is_some_and(|one| one.eq_ignore_ascii_case("websocket"))
                    && members.next().is_none()
            }),
            show("Upgrade"),
            "a proxy in between may drop it: let it pass Upgrade, or use wss",
        ),
        check(
            "Connection: Upgrade (§4.1, 3)",
            response.lists("Connection", "upgrade"),
            show("Connection"),
            "a proxy in between may drop it: let it pass Connection, or use wss",
        ),
        Check {
            wanted: "the one that fits the key (§4.1, 4)",
            ..check(
                "Sec-WebSocket-Accept fits the key (§4.1, 4)",
                response
                    .get("Sec-WebSocket-Accept")
                    .is_some_and(|accept| accept == derive_accept_key(key.as_bytes())),
                show("Sec-WebSocket-Accept"),
                "the server or a cache in between answers for another key; mend the server",
            )
        },
        Check {
            wanted: "what was offered (§4.1, 5; RFC 7692 §7.1)",
            ..check(
                "extensions were offered (§4.1, 5; RFC 7692 §7.1)",
                extensions_fit,
                show("Sec-WebSocket-Extensions"),
                "the server answers what was not asked; try --no-deflate",
            )
        },
        Check {
            wanted: if offered.is_empty() {
                "none, since none was offered (§4.1, 6)"
            } else {
                "one that was offered, in the same spelling (§4.1, 6)"
            },
            ..check(
                "subprotocol was offered (§4.1, 6)",
                protocol_fits,
                show("Sec-WebSocket-Protocol"),
                protocol_remedy(protocol.as_deref(), &offered),
            )
        },
    ]
}

/// The members of a list, without empty ones (RFC 9110 §5.6.1.2).
fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// The names of the extensions in a list (RFC 6455 §9.1).
fn extensions(list: &str) -> impl Iterator<Item = &str> {
    members(list).filter_map(|one| one.split(';').next().map(str::trim))
}

/// Advises on a subprotocol that was not offered: one can be asked for only if the answer names exactly one.
fn protocol_remedy(chosen: Option<&str>, offered: &str) -> &'static str {
    let is_one = chosen.is_some_and(|chosen| !chosen.is_empty() && !chosen.contains(','));
    match (is_one, offered) {
        (true, "") => "ask for it with --subprotocol NAME",
        (true, _) => "ask for that one with --subprotocol NAME, or mend the server",
        (false, _) => "the server must choose one or none: mend the server",
    }
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
    /// Returns true if the answer's head is complete.
    pub is_whole: bool,
    /// The library's error, when all our own checks pass.
    pub detail: String,
    /// Returns the server's explanation in the response's body, as one line that is not escaped.
    pub said: Option<String>,
}

impl HandshakeFault {
    /// From what was on the wire, the answer's `body` aside.
    pub fn new(request: &[u8], response: &[u8], body: &[u8], detail: impl fmt::Display) -> Self {
        let is_whole = response.ends_with(b"\r\n\r\n");
        let response = (!response.is_empty()).then(|| Head::parse(response));
        let is_text = response.as_ref().is_none_or(|head| !is_coded(head));
        Self {
            request: Head::parse(request),
            response,
            is_whole,
            detail: detail.to_string(),
            said: is_text.then(|| explanation(body)).flatten(),
        }
    }

    /// The first check that failed; `None` also where no final head has arrived that could be checked.
    pub fn failed(&self) -> Option<Check> {
        let response = self.response.as_ref()?;
        let status = response.status();
        if status == Some(101) && !self.is_whole || matches!(status, Some(100 | 102..=199)) {
            return None;
        }
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

/// Returns whether the body of a response is compressed or otherwise coded, so that its bytes are no text.
fn is_coded(response: &Head) -> bool {
    let of = |name| response.get(name).unwrap_or_default().to_ascii_lowercase();
    let (content, transfer) = (of("Content-Encoding"), of("Transfer-Encoding"));
    let is_other = |codings: &str, plain: &str| {
        let mut codings = codings.split(',').map(str::trim);
        codings.any(|coding| !coding.is_empty() && coding != plain)
    };
    is_other(&content, "identity") || is_other(&transfer, "chunked")
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(said) = &self.said {
            write!(formatter, "{}; ", escaped(said))?;
        }
        match (&self.response, self.failed()) {
            (None, _) => write!(formatter, "no answer ({})", escaped(&self.detail)),
            (Some(head), None) if !self.is_whole => write!(
                formatter,
                "`{}`, and the head has no end that can be read ({})",
                escaped(head.first_line.lines().next().unwrap_or_default()),
                escaped(&self.detail)
            ),
            (Some(_), None) => write!(formatter, "{}", escaped(&self.detail)),
            (
                Some(_),
                Some(Check {
                    wanted, failure, ..
                }),
            ) => {
                let seen = failure.unwrap_or_default();
                write!(formatter, "{} instead of {wanted}", escaped(&seen))
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

    const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    /// The sentence and the remedy for an answer to a request with `fields`.
    fn told(fields: &str, response: &str, body: &[u8]) -> (String, String) {
        let request = format!(
            "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        let (request, response) = (request.as_bytes(), response.as_bytes());
        let fault = HandshakeFault::new(request, response, body, "what the library said");
        (fault.to_string(), fault.remedy())
    }

    /// Header lists with empty members pass the checks, as they pass those of the library.
    #[test]
    fn answers_with_empty_members_pass() {
        let request = Head::parse(
            b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        );
        for (from, to) in [
            ("Upgrade: websocket", "Upgrade: , WebSocket,"),
            ("Connection: Upgrade", "Connection: ,keep-alive,, upgrade ,"),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: , ,\r\n\r\n"),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions:\r\n\r\n"),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: ,permessage-deflate ; server_max_window_bits=10,\r\n\r\n",
            ),
        ] {
            let response = Head::parse(ANSWER.replace(from, to).as_bytes());
            let failed: Vec<_> = checks(&request, &response)
                .into_iter()
                .filter(|check| check.failure.is_some())
                .collect();
            assert_eq!(failed, [], "{to}");
        }
    }

    #[test]
    fn answers_that_choose_what_was_not_offered_are_told_apart() {
        let asked = "Sec-WebSocket-Protocol: chat, tea\r\n";
        for (fields, chosen, seen, remedy) in [
            ("", "Protocol: chat", "none was offered", "ask for it"),
            ("", "Protocol: ", "none was offered", "mend the server"),
            (
                asked,
                "Protocol: CHAT",
                "the same spelling",
                "ask for that one",
            ),
            (
                asked,
                "Protocol: gabbo",
                "the same spelling",
                "ask for that one",
            ),
            (
                asked,
                "Protocol: chat, tea",
                "the same spelling",
                "choose one",
            ),
            ("", "Extensions: foo", "what was offered", "--no-deflate"),
        ] {
            let chosen = format!("\r\nSec-WebSocket-{chosen}\r\n\r\n");
            let (sentence, advice) = told(fields, &ANSWER.replace("\r\n\r\n", &chosen), b"");
            assert!(sentence.contains(seen), "{chosen}: {sentence}");
            assert!(advice.contains(remedy), "{chosen}: {advice}");
        }
        let (sentence, _) = told("", &ANSWER.replace("s3p", "S3p"), b"");
        assert!(
            sentence.contains("instead of the one that fits the key"),
            "{sentence}"
        );
    }

    /// Nothing is claimed about fields that have not arrived, or behind an end of a line that cannot be read.
    #[test]
    fn heads_that_are_not_whole_fail_no_check() {
        for response in [
            "HTTP/1.1 101 Swi",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnec",
            &ANSWER.replace("\r\n", "\n"),
            &ANSWER[..ANSWER.len() - 2],
            "HTTP/1.1 103 Early Hints\r\nLink: a",
            "HTTP/1.1 100 Continue\r\nX: ",
        ] {
            let (sentence, _) = told("", response, b"");
            assert!(
                sentence.contains("what the library said"),
                "{response:?}: {sentence}"
            );
            assert!(!sentence.contains("instead of"), "{response:?}: {sentence}");
        }
        let (sentence, _) = told("", "HTTP/1.1 503 Busy", b"");
        assert!(sentence.contains("instead of status 101"), "{sentence}");
    }

    #[test]
    fn coded_bodies_are_no_explanation() {
        for (field, is_said) in [
            ("Content-Encoding: gzip", false),
            ("Content-Encoding: br", false),
            ("content-encoding: identity, deflate", false),
            ("Content-Encoding: identity", true),
            ("Transfer-Encoding: gzip, chunked", false),
            ("Transfer-Encoding: Chunked", true),
            ("X: gzip", true),
        ] {
            let response = format!("HTTP/1.1 403 Forbidden\r\n{field}\r\n\r\n");
            let (sentence, _) = told("", &response, b"because");
            assert_eq!(
                sentence.starts_with("because; "),
                is_said,
                "{field}: {sentence}"
            );
        }
    }
}
