//! The client's side of the opening handshake (RFC 6455 §4.1).

use std::fmt;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;
use http::{StatusCode, Version};

use super::extension::Offers;
use super::fields::{elements, lists_token, only, sole};
use super::head::{HeadError, HeadReader, header_map, room};
use super::rejection::invalid_header;
use super::url::{WebSocketUrl, insert_credentials};
use crate::deflate::Agreed;
use crate::options::{HeadLimits, Options};
use crate::tungstenite::Error;
use crate::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use crate::tungstenite::handshake::client::{Request, Response, generate_request};
use crate::tungstenite::handshake::derive_accept_key;

/// A request to send, and the checks of its response.
///
/// ```
/// use bytes::BytesMut;
/// use tungstenite_deflate::Options;
/// use tungstenite_deflate::handshake::client::OpeningHandshake;
/// use tungstenite_deflate::tungstenite::client::IntoClientRequest;
/// use tungstenite_deflate::tungstenite::error::{Error, ProtocolError};
///
/// let request = "ws://server.example.com/chat".into_client_request()?;
/// let mut opening = OpeningHandshake::start(request, &Options::default())?;
/// assert!(opening.request().starts_with(b"GET /chat HTTP/1.1\r\n"));
///
/// let mut received = BytesMut::from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
/// let failed = opening.receive(&mut received).unwrap_err();
/// assert!(matches!(failed, Error::Protocol(ProtocolError::MissingConnectionUpgradeHeader)));
/// # Ok::<(), tungstenite_deflate::tungstenite::Error>(())
/// ```
pub struct OpeningHandshake {
    request: Vec<u8>,
    accept_key: String,
    /// The subprotocols asked for; `None` without the header.
    protocols: Option<Vec<Vec<u8>>>,
    offers: Offers,
    head: HeadReader,
}

/// Without the request: its headers may carry credentials.
impl fmt::Debug for OpeningHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpeningHandshake")
            .field("offers", &self.offers)
            .finish_non_exhaustive()
    }
}

impl OpeningHandshake {
    /// Turns `request` into bytes, with the offer of permessage-deflate that `options` ask for.
    ///
    /// A request that carries Sec-WebSocket-Extensions keeps its own offers, and nothing is added. The response is judged
    /// against them (RFC 6455 §4.1, RFC 7692 §5.1): what they do not name fails the handshake; permessage-deflate must
    /// correspond to one of them, and is used if it is on in `options`; other extensions are the caller's business, as is
    /// permessage-deflate when it is off.
    ///
    /// # Errors
    /// The request is not one that opens a WebSocket: another method than GET, a scheme other than `ws` and `wss`, a
    /// header of the handshake missing.
    pub fn start(mut request: Request, options: &Options) -> Result<Self, Error> {
        if request.method() != http::Method::GET {
            return Err(Error::Protocol(ProtocolError::WrongHttpMethod));
        }
        if request.version() < Version::HTTP_11 {
            return Err(Error::Protocol(ProtocolError::WrongHttpVersion));
        }
        if options.url_credentials {
            insert_credentials(&mut request)?;
        }
        normalize(&mut request)?;
        let asked = request
            .headers()
            .contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        let protocols = asked.then(|| {
            elements(request.headers(), header::SEC_WEBSOCKET_PROTOCOL)
                .map(<[u8]>::to_vec)
                .collect()
        });
        let offers = Offers::new(request.headers(), options.deflate.as_ref());
        let (mut request, key) = generate_request(request)?;
        if let Some(offer) = offers.header() {
            request.truncate(request.len() - b"\r\n".len());
            request
                .extend_from_slice(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
        }
        Ok(Self {
            request,
            accept_key: derive_accept_key(key.as_bytes()),
            protocols,
            offers,
            head: HeadReader::new(options.limits.head),
        })
    }

    /// The bytes to send.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes the response off the front of `buffer`, or `None` until its head is whole: then call again with the same
    /// buffer when it has grown. Bytes after the head (frames sent early) stay in `buffer`.
    ///
    /// Interim responses, those with status 1xx other than 101, are skipped, as many as fit with the response into
    /// [`HeadLimits::max_bytes`] (RFC 9110 §15.2). Folded lines are unfolded (RFC 9112 §5.2).
    ///
    /// # Errors
    /// The response does not accept the handshake; the variants are tungstenite's. For a status other than 101 it is
    /// [`Error::Http`] with the response, whose body as far as it has arrived stays in `buffer`.
    pub fn receive(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Result<Option<(Response, Option<Agreed>)>, Error> {
        while let Some(response) = self.head.receive(buffer, parse).map_err(error)? {
            let status = response.status();
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
            let agreed = self.check(&response)?;
            return Ok(Some((response, agreed)));
        }
        Ok(None)
    }

    /// RFC 6455 §4.1, "once the client's opening handshake has been sent", items 1 to 6.
    fn check(&self, response: &Response) -> Result<Option<Agreed>, Error> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Http(Box::new(response.clone())));
        }
        if response.version() != Version::HTTP_11 {
            return Err(Error::Protocol(ProtocolError::WrongHttpVersion));
        }
        let headers = response.headers();
        let upgrade = sole(headers, header::UPGRADE).ok().flatten();
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(Error::Protocol(
                ProtocolError::MissingUpgradeWebSocketHeader,
            ));
        }
        if !lists_token(headers, header::CONNECTION, "upgrade") {
            return Err(Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader,
            ));
        }
        let accept = only(headers, header::SEC_WEBSOCKET_ACCEPT).ok().flatten();
        if accept.is_none_or(|value| value != &self.accept_key) {
            return Err(Error::Protocol(
                ProtocolError::SecWebSocketAcceptKeyMismatch,
            ));
        }
        let invalid_extensions =
            |_| Error::Protocol(invalid_header(header::SEC_WEBSOCKET_EXTENSIONS));
        let agreed = self.offers.check(headers).map_err(invalid_extensions)?;
        self.check_protocol(headers)
            .map_err(|error| Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error)))?;
        Ok(agreed)
    }

    /// Item 6, and tungstenite's rule that a server asked for subprotocols selects one.
    fn check_protocol(&self, headers: &HeaderMap) -> Result<(), SubProtocolError> {
        let selected = only(headers, header::SEC_WEBSOCKET_PROTOCOL)
            .map_err(|_| SubProtocolError::InvalidSubProtocol)?;
        match (&self.protocols, selected) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(SubProtocolError::ServerSentSubProtocolNoneRequested),
            (Some(_), None) => Err(SubProtocolError::NoSubProtocol),
            (Some(asked), Some(selected))
                if asked.iter().any(|name| name == selected.as_bytes()) =>
            {
                Ok(())
            }
            (Some(_), Some(_)) => Err(SubProtocolError::InvalidSubProtocol),
        }
    }
}

/// Makes the target one that can be sent, and Host the one that belongs to it, unless the caller wrote another.
fn normalize(request: &mut Request) -> Result<(), Error> {
    let url = WebSocketUrl::try_from(request.uri())?;
    let authority = request.uri().authority().map(Authority::as_str);
    // As tungstenite makes it.
    let by_tungstenite = authority.map(|all| all.split_once('@').map_or(all, |(_, host)| host));
    let host = request.headers().get(header::HOST);
    if host.is_some_and(|host| by_tungstenite.is_some_and(|made| host == made)) {
        let host = HeaderValue::try_from(url.authority()).map_err(http::Error::from)?;
        request.headers_mut().insert(header::HOST, host);
    }
    *request.uri_mut() = url.to_uri()?;
    Ok(())
}

fn parse(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Response>, HeadError> {
    let mut fields = room(limits);
    let mut raw = httparse::Response::new(&mut fields);
    let mut lenient = httparse::ParserConfig::default();
    lenient.allow_obsolete_multiline_headers_in_responses(true);
    if lenient.parse_response(&mut raw, bytes)?.is_partial() {
        return Ok(None);
    }
    let mut response = Response::new(None);
    let status = raw.code.and_then(|code| StatusCode::from_u16(code).ok());
    *response.status_mut() = status.ok_or(httparse::Error::Status)?;
    *response.version_mut() = if raw.version == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    *response.headers_mut() = header_map(raw.headers)?;
    Ok(Some(response))
}

fn error(error: HeadError) -> Error {
    match error {
        HeadError::TooLong | HeadError::TargetTooLong => Error::AttackAttempt,
        HeadError::TooManyFields => Error::Capacity(CapacityError::TooManyHeaders),
        HeadError::Malformed(error) => Error::Protocol(ProtocolError::HttparseError(error)),
    }
}
