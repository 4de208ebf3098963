//! Servers, in two steps: read the request, await anything, then accept or refuse.

use std::fmt;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::accept::{established, read_request, refuse};
use crate::exchange::{write, write_last};
use crate::handshake::{answer, server};
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
use crate::tungstenite::handshake::server::Request;

/// Reads a client's request from `stream`, and leaves the answer to the program, which may await whatever it needs first.
///
/// ```
/// use tungstenite_deflate::{Options, receive_request_async};
///
/// # async fn is_allowed(token: Option<&http::HeaderValue>) -> bool { token.is_some() }
/// # async fn serve(socket: tokio::net::TcpStream) -> Result<(), tungstenite_deflate::tungstenite::Error> {
/// let mut incoming = receive_request_async(socket, Options::default()).await?;
/// if !is_allowed(incoming.request().headers().get("authorization")).await {
///     let response = http::Response::builder().status(401).header("www-authenticate", "Bearer").body("a token, please\n");
///     return incoming.refuse(response.expect("a valid response")).await;
/// }
/// incoming.select_protocol(["chat.v2", "chat.v1"]);
/// let socket = incoming.accept().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As for [`accept_async`](crate::accept_async): a request that is no opening handshake is answered with its
/// [`Rejection`](crate::handshake::Rejection), and one that does not arrive within
/// [`HeadLimits::request_timeout`](crate::HeadLimits::request_timeout) with 408.
///
/// # Cancel safety
/// Dropping the future drops the stream, and so closes the connection.
pub async fn receive_request_async<S>(
    mut stream: S,
    options: impl Into<Options>,
) -> Result<IncomingRequest<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let options = options.into();
    let mut buffer = BytesMut::new();
    let request = read_request(&mut stream, &mut buffer, options.limits.head).await?;
    let checked =
        server::accept(&request, None).and_then(|_| server::requested_protocols(request.headers()));
    match checked {
        Ok(requested_protocols) => Ok(IncomingRequest {
            stream,
            buffer,
            request,
            options,
            requested_protocols,
            selected_protocol: None,
            headers: HeaderMap::new(),
        }),
        Err(rejection) => Err(refuse(&mut stream, rejection.into()).await),
    }
}

/// A request that passed all checks and waits for its answer; see [`receive_request_async`].
///
/// The stream is not read meanwhile: frames that the client sends early are the first messages. Dropping it closes the
/// connection without an answer.
#[must_use = "a request is answered by `accept` or `refuse`"]
pub struct IncomingRequest<S> {
    stream: S,
    /// Received after the head.
    buffer: BytesMut,
    request: Request,
    options: Options,
    requested_protocols: Vec<HeaderValue>,
    selected_protocol: Option<HeaderValue>,
    headers: HeaderMap,
}

impl<S> IncomingRequest<S> {
    /// Returns the request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Returns the stream that it came over, for the peer's address or certificate.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the options of the connection, to change some before [`accept`](Self::accept).
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Returns the subprotocols that the client asks for, in its order of preference.
    pub fn requested_protocols(&self) -> &[HeaderValue] {
        &self.requested_protocols
    }

    /// Returns the subprotocol that the response will name.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.selected_protocol.as_ref()
    }

    /// Selects the first of `supported`, in this side's order of preference, that the client asks for; none if it asks for
    /// none of them (RFC 6455 §4.2.2 item 5).
    pub fn select_protocol<I>(&mut self, supported: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.selected_protocol = server::select_protocol(&self.requested_protocols, supported);
    }

    /// Returns further headers of the response that accepts, such as cookies; empty at first. Those of the handshake and of
    /// a body have no effect.
    pub fn response_headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> IncomingRequest<S> {
    /// Accepts the request. permessage-deflate is agreed as the options say.
    ///
    /// # Errors
    /// The stream failed.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn accept(mut self) -> Result<WebSocketStream<S>, Error> {
        let accepted = server::accept(&self.request, self.options.deflate.as_ref());
        let (mut response, agreed) = match accepted {
            Ok(accepted) => accepted,
            Err(rejection) => return Err(refuse(&mut self.stream, rejection.into()).await),
        };
        for name in NOT_THE_PROGRAMS {
            self.headers.remove(name);
        }
        if let Some(protocol) = self.selected_protocol.take() {
            self.headers
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response.headers_mut().extend(self.headers);
        let head = [
            server::interim_response(&self.request),
            &server::encode(&response),
        ];
        write(&mut self.stream, &head.concat()).await?;
        Ok(established(self.stream, self.buffer, self.options, agreed))
    }

    /// Refuses the request with any response, and closes the connection. Content-Length and `Connection: close` are set.
    ///
    /// # Errors
    /// The status would accept the request (1xx or 2xx): then 500 was sent.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the response may be cut off.
    pub async fn refuse(mut self, response: http::Response<impl AsRef<[u8]>>) -> Result<(), Error> {
        match answer::refuse(response) {
            Ok(bytes) => write_last(&mut self.stream, &bytes).await,
            Err(refusal) => return Err(refuse(&mut self.stream, refusal).await),
        }
        Ok(())
    }
}

/// Headers of the handshake, and of a body, which a 101 does not have (RFC 9110 §8.6).
const NOT_THE_PROGRAMS: [HeaderName; 7] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

/// Without the request, whose headers may carry credentials.
impl<S> fmt::Debug for IncomingRequest<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IncomingRequest")
            .field("requested_protocols", &self.requested_protocols.len())
            .finish_non_exhaustive()
    }
}
