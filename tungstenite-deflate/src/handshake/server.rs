//! The server's side of the opening handshake (RFC 6455 §4.2, RFC 8441 §5).

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;
use http::{Method, StatusCode, Uri, Version};

use super::extension;
use super::fields::{lists_token, only, protocols, sole};
use super::head::{HeadError, HeadReader, header_map, room};
use super::rejection::{
    BodyAnnounced, HeadTooLong, HttpVersionNotSupported, InvalidConnectionHeader,
    InvalidHostHeader, InvalidUpgradeHeader, InvalidWebSocketKeyHeader,
    InvalidWebSocketProtocolHeader, InvalidWebSocketVersionHeader, MalformedHead, MethodNotConnect,
    MethodNotGet, Rejection, TargetTooLong, TooManyFields, UpgradeHeaderMissing,
    WebSocketKeyHeaderMissing, WebSocketVersionHeaderMissing, shown,
};
use crate::deflate::{Agreed, DeflateConfig};
use crate::options::HeadLimits;
use crate::tungstenite::handshake::derive_accept_key;
use crate::tungstenite::handshake::server::{Request, Response};

/// Reads one request head out of bytes as they arrive.
#[derive(Debug)]
pub struct RequestReader {
    head: HeadReader,
    limits: HeadLimits,
}

impl RequestReader {
    /// A reader that has seen nothing yet.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            head: HeadReader::new(limits),
            limits,
        }
    }

    /// Takes the request off the front of `buffer`, or `None` until its head is whole: then call again with the same
    /// buffer when it has grown. Bytes after the head (frames sent early) stay in `buffer`.
    ///
    /// # Errors
    /// The head breaks HTTP or the limits. What it asks for is not looked at here, see [`accept`].
    pub fn receive(&mut self, buffer: &mut BytesMut) -> Result<Option<Request>, Rejection> {
        self.head
            .receive(buffer, parse)
            .map_err(|error| rejection(error, &self.limits, buffer))
    }
}

/// Checks a request and makes the response that accepts it: 101, or 200 for HTTP/2.
///
/// With `deflate` the first permessage-deflate offer that can be met is agreed; offers that cannot are passed over
/// (RFC 7692 §5). No subprotocol is chosen: insert `Sec-WebSocket-Protocol` yourself, after [`requested_protocols`].
///
/// For HTTP/2 the method is checked here, the `:protocol` pseudo-header is for the caller to check: where it stands is
/// known to the HTTP implementation alone.
///
/// # Errors
/// The request fails a check of RFC 6455 §4.2.1; [`Rejection::response`] is the answer to send.
pub fn accept<B>(
    request: &http::Request<B>,
    deflate: Option<&DeflateConfig>,
) -> Result<(Response, Option<Agreed>), Rejection> {
    let key = check(request.method(), request.version(), request.headers())?;
    let mut response = respond(key.as_deref());
    let answer = extension::answer(request.headers(), deflate);
    let agreed = answer.map(|(agreed, value)| {
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
        agreed
    });
    Ok((response, agreed))
}

/// The subprotocols that a request asks for, in the client's order of preference.
///
/// # Errors
/// An element is not a token, or there twice. Empty elements are ignored (RFC 9110 §5.6.1.2).
pub fn requested_protocols(headers: &HeaderMap) -> Result<Vec<HeaderValue>, Rejection> {
    protocols(headers, header::SEC_WEBSOCKET_PROTOCOL).map_err(|element| {
        InvalidWebSocketProtocolHeader {
            seen: shown(&element),
        }
        .into()
    })
}

/// Returns the first of `supported` that is among `requested` (RFC 6455 §4.2.2 item 5).
#[cfg(feature = "handshake")]
pub(crate) fn select_protocol<I>(requested: &[HeaderValue], supported: I) -> Option<HeaderValue>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    supported.into_iter().find_map(|name| {
        requested
            .iter()
            .find(|requested| requested.as_bytes() == name.as_ref())
            .cloned()
    })
}

/// Returns the bytes to send before the 101 that accepts `request`: `100 Continue` if an HTTP/1.1 request expects it (RFC 9110 §7.8,
/// §10.1.1), else nothing. A refusal is sent without it.
pub fn interim_response<B>(request: &http::Request<B>) -> &'static [u8] {
    let is_expected = lists_token(request.headers(), header::EXPECT, "100-continue");
    if is_expected && request.version() == Version::HTTP_11 {
        b"HTTP/1.1 100 Continue\r\n\r\n"
    } else {
        b""
    }
}

/// The response as HTTP/1.1 writes it, up to the empty line; names in the capitals that the RFC uses.
pub fn encode<B>(response: &http::Response<B>) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(name_in_capitals(name.as_str()).as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The response that accepts: 101 with the accept value for an HTTP/1.1 key, 200 without one (RFC 8441 §5).
pub(crate) fn respond(key: Option<&[u8]>) -> Response {
    let mut response = Response::new(());
    let Some(key) = key else {
        return response;
    };
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// All checks of RFC 6455 §4.2.1 or RFC 8441 §5; the key of an HTTP/1.1 request.
pub(crate) fn check(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<Option<Vec<u8>>, Rejection> {
    let key = match version {
        Version::HTTP_11 => Some(check_http1(method, headers)?),
        Version::HTTP_2 | Version::HTTP_3 => {
            check_http2(method, headers)?;
            None
        }
        other => {
            return Err(HttpVersionNotSupported {
                seen: format!("{other:?}"),
            }
            .into());
        }
    };
    requested_protocols(headers)?;
    Ok(key)
}

fn check_http1(method: &Method, headers: &HeaderMap) -> Result<Vec<u8>, Rejection> {
    if method != Method::GET {
        return Err(MethodNotGet {
            seen: shown(method.as_str().as_bytes()),
        }
        .into());
    }
    check_host(headers)?;
    check_body(headers)?;
    check_upgrade(headers)?;
    check_version(headers)?;
    check_key(headers)
}

fn check_http2(method: &Method, headers: &HeaderMap) -> Result<(), Rejection> {
    // An ordinary GET, as curl sends over HTTP/2, gets a description of what this resource speaks: the same answer as over HTTP/1.1.
    if method == Method::GET {
        return Err(UpgradeHeaderMissing {}.into());
    }
    if method != Method::CONNECT {
        return Err(MethodNotConnect {
            seen: shown(method.as_str().as_bytes()),
        }
        .into());
    }
    check_body(headers)?;
    check_version(headers)
}

/// The pseudo-header of an HTTP/2 request (RFC 8441 §4); `None` if there is none.
#[cfg(feature = "hyper")]
pub(crate) fn check_pseudoheader(protocol: Option<&str>) -> Result<(), Rejection> {
    match protocol {
        Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => Ok(()),
        other => Err(super::rejection::InvalidProtocolPseudoheader {
            seen: shown(other.unwrap_or_default().as_bytes()),
        }
        .into()),
    }
}

fn check_host(headers: &HeaderMap) -> Result<(), Rejection> {
    let valid = |host: &HeaderValue| {
        !host.as_bytes().contains(&b'@')
            && Authority::try_from(host.as_bytes())
                .is_ok_and(|authority| !authority.host().is_empty())
    };
    match only(headers, header::HOST) {
        Ok(Some(host)) if valid(host) => Ok(()),
        _ => Err(InvalidHostHeader {
            seen: all_lines(headers, header::HOST),
        }
        .into()),
    }
}

/// Bytes after the head are read as frames, so no field may declare a body (RFC 9112 §6).
fn check_body(headers: &HeaderMap) -> Result<(), Rejection> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(BodyAnnounced {
            seen: "Transfer-Encoding".to_owned(),
        }
        .into());
    }
    match only(headers, header::CONTENT_LENGTH) {
        Ok(None) => Ok(()),
        Ok(Some(length)) if length == "0" => Ok(()),
        _ => Err(BodyAnnounced {
            seen: format!(
                "Content-Length {}",
                all_lines(headers, header::CONTENT_LENGTH)
            ),
        }
        .into()),
    }
}

fn check_upgrade(headers: &HeaderMap) -> Result<(), Rejection> {
    if !headers.contains_key(header::UPGRADE) {
        return Err(UpgradeHeaderMissing {}.into());
    }
    if !lists_token(headers, header::UPGRADE, "websocket") {
        return Err(InvalidUpgradeHeader {
            seen: all_lines(headers, header::UPGRADE),
        }
        .into());
    }
    if !lists_token(headers, header::CONNECTION, "upgrade") {
        return Err(InvalidConnectionHeader {
            seen: all_lines(headers, header::CONNECTION),
        }
        .into());
    }
    Ok(())
}

fn check_version(headers: &HeaderMap) -> Result<(), Rejection> {
    match sole(headers, header::SEC_WEBSOCKET_VERSION) {
        Ok(Some(b"13")) => Ok(()),
        Ok(None) => Err(WebSocketVersionHeaderMissing {}.into()),
        _ => Err(InvalidWebSocketVersionHeader {
            seen: all_lines(headers, header::SEC_WEBSOCKET_VERSION),
        }
        .into()),
    }
}

fn check_key(headers: &HeaderMap) -> Result<Vec<u8>, Rejection> {
    match only(headers, header::SEC_WEBSOCKET_KEY) {
        Ok(Some(key)) if is_nonce(key.as_bytes()) => Ok(key.as_bytes().to_vec()),
        Ok(None) => Err(WebSocketKeyHeaderMissing {}.into()),
        _ => Err(InvalidWebSocketKeyHeader {
            seen: all_lines(headers, header::SEC_WEBSOCKET_KEY),
        }
        .into()),
    }
}

/// Sixteen bytes in the one way that RFC 4648 §4 writes them: 22 characters, the last with four zero bits, then `==`.
fn is_nonce(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(is_base64)
        && b"AQgw".contains(&key[21])
}

/// All lines of a field as one, to be shown.
fn all_lines(headers: &HeaderMap, name: header::HeaderName) -> String {
    shown(
        &headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect::<Vec<_>>()
            .join(&b", "[..]),
    )
}

fn parse(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Request>, HeadError> {
    if target(bytes).len() > limits.max_target_bytes {
        return Err(HeadError::TargetTooLong);
    }
    let mut fields = room(limits);
    let mut raw = httparse::Request::new(&mut fields);
    if raw.parse(bytes)?.is_partial() {
        return Ok(None);
    }
    let mut request = Request::new(());
    *request.method_mut() = raw
        .method
        .and_then(|method| method.parse().ok())
        .ok_or(httparse::Error::Token)?;
    *request.uri_mut() = raw
        .path
        .and_then(|path| path.parse::<Uri>().ok())
        .ok_or(httparse::Error::Token)?;
    *request.version_mut() = if raw.version == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    *request.headers_mut() = header_map(raw.headers)?;
    Ok(Some(request))
}

/// The request target as far as it has arrived.
fn target(head: &[u8]) -> &[u8] {
    let behind_method = head
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(&[][..], |space| &head[space + 1..]);
    let end = behind_method.iter().position(u8::is_ascii_whitespace);
    &behind_method[..end.unwrap_or(behind_method.len())]
}

fn rejection(error: HeadError, limits: &HeadLimits, head: &[u8]) -> Rejection {
    match error {
        HeadError::TooLong => HeadTooLong {
            limit: limits.max_bytes,
        }
        .into(),
        HeadError::TargetTooLong => TargetTooLong {
            limit: limits.max_target_bytes,
        }
        .into(),
        HeadError::TooManyFields => TooManyFields {
            limit: limits.max_fields,
        }
        .into(),
        HeadError::Malformed(httparse::Error::Version) => HttpVersionNotSupported {
            seen: version_seen(head),
        }
        .into(),
        HeadError::Malformed(error) => MalformedHead { error }.into(),
    }
}

/// The last word of the request line.
fn version_seen(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    shown(line.rsplit(|byte| *byte == b' ').next().unwrap_or_default())
}

/// Some old clients compare names with regard to case.
fn name_in_capitals(name: &str) -> &str {
    match name {
        "connection" => "Connection",
        "content-length" => "Content-Length",
        "content-type" => "Content-Type",
        "sec-websocket-accept" => "Sec-WebSocket-Accept",
        "sec-websocket-extensions" => "Sec-WebSocket-Extensions",
        "sec-websocket-protocol" => "Sec-WebSocket-Protocol",
        "sec-websocket-version" => "Sec-WebSocket-Version",
        "upgrade" => "Upgrade",
        other => other,
    }
}
