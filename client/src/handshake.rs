//! The opening handshake (RFC 6455 §4.1): the request, and in words which check an answer failed.

use std::borrow::Cow;
use std::fmt;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tungstenite_deflate::tungstenite::handshake::client::generate_key;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;

use crate::causes::{self, Cause};
use crate::error::ConnectError;
use crate::said::explanation;
use crate::sensitive::{
    has_token, is_sensitive_header, query_has_secret, shown_response_field, shown_target,
};
use crate::target::Target;
use values::escape::escaped;

/// Headers that the handshake sets itself.
const RESERVED: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
];

/// Takes one `NAME: VALUE` into `headers`.
///
/// # Errors
/// No colon, a character that headers must not have (CR and LF among them), or a header of the handshake itself.
pub fn add_header(headers: &mut HeaderMap, line: &str) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("a header is NAME: VALUE")?;
    let name = HeaderName::try_from(name.trim())
        .map_err(|_| "the header's name has a character that names must not have")?;
    if RESERVED.contains(&name) {
        return Err(format!(
            "the header {name} is part of the handshake and cannot be set"
        ));
    }
    // The value may be a secret: the message must not repeat it.
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| {
        format!("the value of the header {name} has a control character (CR, LF and the like)")
    })?;
    value.set_sensitive(is_sensitive_header(&name));
    headers.append(name, value);
    Ok(())
}

/// The HTTP/1.1 request for `target`.
pub(crate) fn request(
    target: &Target,
    headers: &HeaderMap,
    subprotocols: &[String],
) -> Result<http::Request<()>, ConnectError> {
    let wrong =
        |error: http::Error| ConnectError::Settings(format!("the request cannot be made: {error}"));
    let mut request = http::Request::builder()
        .uri(target.to_string())
        .body(())
        .map_err(wrong)?;
    let fields = request.headers_mut();
    let host = HeaderValue::try_from(target.authority()).map_err(|error| wrong(error.into()))?;
    fields.insert(header::HOST, host);
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    let key = HeaderValue::try_from(generate_key()).map_err(|error| wrong(error.into()))?;
    fields.insert(header::SEC_WEBSOCKET_KEY, key);
    insert_common(fields, headers, subprotocols)?;
    Ok(request)
}

/// What requests of HTTP/1.1 and HTTP/2 share: the subprotocols and the user's own headers.
pub(crate) fn insert_common(
    fields: &mut HeaderMap,
    headers: &HeaderMap,
    subprotocols: &[String],
) -> Result<(), ConnectError> {
    if !subprotocols.is_empty() {
        let value = HeaderValue::try_from(subprotocols.join(", "))
            .map_err(|_| ConnectError::Settings("a subprotocol has a control character".into()))?;
        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    if let Some(host) = headers.get(header::HOST) {
        fields.insert(header::HOST, host.clone());
    }
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::HOST) {
        fields.append(name.clone(), value.clone());
    }
    Ok(())
}

/// A request or response head as text: its first line and its fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub first_line: String,
    /// Names as they were written, with their values.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Takes apart what was on the wire; what is not UTF-8 is replaced.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        Self {
            first_line,
            fields: fields.collect(),
        }
    }

    /// The values of a field, joined by commas; `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.first_line.split_once(' ')?;
        version
            .starts_with("HTTP/")
            .then(|| rest.get(..3)?.parse().ok())?
    }

    fn lists(&self, name: &str, token: &str) -> bool {
        self.get(name).is_some_and(|value| {
            value
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(token))
        })
    }
}

/// One check of the answer to the handshake (RFC 6455 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked, with its section.
    pub what: &'static str,
    /// What was seen when it failed; `None` when it passed.
    pub failure: Option<String>,
    /// How to mend it.
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

/// Which check the answer failed, or that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFault {
    /// The request as sent.
    pub request: Head,
    /// The answer; `None` when the connection ended before one.
    pub response: Option<Head>,
    /// What the library said, when all our own checks pass.
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

    /// What to do about it.
    pub fn remedy(&self) -> String {
        if self.response.is_none() {
            return "check that the port speaks HTTP (wss rather than ws?), and see the server's log".into();
        }
        if self
            .response
            .as_ref()
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

    #[test]
    fn headers_are_checked_and_values_kept_secret() {
        let mut headers = HeaderMap::new();
        add_header(&mut headers, "Authorization: Bearer s3cret").unwrap();
        add_header(&mut headers, "X-Name:  Olá ").unwrap();
        assert!(!format!("{headers:?}").contains("s3cret"));
        for line in [
            "",
            "X",
            "X Y: 1",
            "X: a\r\nY: b",
            "X: a\nb",
            "Upgrade: x",
            "sec-websocket-key: x",
            ": x",
            "X: \0",
        ] {
            assert!(add_header(&mut headers, line).is_err(), "{line:?}");
        }
        let error = add_header(&mut headers, "Authorization: s3cret\r\n x").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
