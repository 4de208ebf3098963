//! Upgrades requests that hyper has read: HTTP/1.1 Upgrade and HTTP/2 extended CONNECT (RFC 8441).
//!
//! ```
//! use bytes::Bytes;
//! use futures_util::StreamExt;
//! use http_body_util::Full;
//! use tungstenite_deflate::hyper::upgrade;
//!
//! async fn echo<B>(mut request: http::Request<B>) -> Result<http::Response<Full<Bytes>>, std::convert::Infallible> {
//!     let (response, connection) = match upgrade(&mut request, tungstenite_deflate::Options::default()) {
//!         Ok(upgrade) => upgrade,
//!         Err(rejection) => return Ok(rejection.response().map(Full::from)),
//!     };
//!     tokio::spawn(async move {
//!         let Ok(connection) = connection.await else { return };
//!         let (write, read) = connection.split();
//!         let data = read.filter(|message| std::future::ready(message.as_ref().is_ok_and(|m| m.is_text() || m.is_binary())));
//!         let _ = data.forward(write).await;
//!     });
//!     Ok(response)
//! }
//! ```
//!
//! The response must be returned to hyper, and its connection served with upgrades
//! (`http1::Connection::with_upgrades`, `http2::Builder::enable_connect_protocol`), before the future resolves.

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Version};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::deflate::Agreed;
use crate::handshake::rejection::{ConnectionNotUpgradable, Rejection};
use crate::handshake::{extension, server};
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tungstenite::protocol::Role;

/// The connection that a request read by hyper becomes.
pub type UpgradedStream = WebSocketStream<TokioIo<Upgraded>>;

/// Checks `request`, and gives the response to return with the connection that follows it.
///
/// Nothing is spawned: await the future in a task of its own, since hyper upgrades only after the response is sent.
/// No subprotocol is chosen; for that, or to get at the transport below, use [`Upgrade`].
///
/// # Errors
/// The request fails a check of RFC 6455 §4.2.1 or RFC 8441 §5; answer with [`Rejection::response`]. The future fails if
/// the connection ends before it is upgraded.
///
/// # Cancel safety
/// Dropping the future drops the connection.
pub fn upgrade<B, R: Default>(
    request: &mut http::Request<B>,
    options: impl Into<Options>,
) -> Result<
    (
        http::Response<R>,
        impl Future<Output = hyper::Result<UpgradedStream>> + Send + 'static,
    ),
    Rejection,
> {
    let (response, pending) = Upgrade::from_request(request)?.options(options).accept();
    Ok((response.map(|()| R::default()), pending.connect()))
}

/// A request that passed all checks and waits for the choices of its handler.
#[derive(Debug)]
#[must_use = "a request is answered by what `accept` gives"]
pub struct Upgrade {
    opening: Opening,
    handle: OnUpgrade,
    options: Options,
    selected_protocol: Option<HeaderValue>,
}

/// Parts of the request that are needed after the response.
#[derive(Debug)]
struct Opening {
    /// `None` over HTTP/2.
    key: Option<Vec<u8>>,
    requested_protocols: Vec<HeaderValue>,
    /// The lines of Sec-WebSocket-Extensions.
    offers: HeaderMap,
}

/// A connection whose response is made but not yet sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pending {
    /// Resolves once hyper has sent the response.
    pub on_upgrade: OnUpgrade,
    /// Options of this connection.
    pub options: Options,
    /// The parameters of permessage-deflate that the response names.
    pub agreed: Option<Agreed>,
    /// The subprotocol that the response names.
    pub protocol: Option<HeaderValue>,
}

impl Upgrade {
    /// Checks a request and takes hyper's upgrade handle out of it.
    ///
    /// # Errors
    /// The request fails a check, or came over a connection that cannot be upgraded.
    pub fn from_request<B>(request: &mut http::Request<B>) -> Result<Self, Rejection> {
        let opening = Opening::read(
            request.method(),
            request.version(),
            request.headers(),
            request.extensions(),
        )?;
        Self::new(opening, request.extensions_mut())
    }

    /// The same for a request that was taken apart.
    ///
    /// # Errors
    /// As for [`Self::from_request`].
    pub fn from_parts(parts: &mut Parts) -> Result<Self, Rejection> {
        let opening = Opening::read(
            &parts.method,
            parts.version,
            &parts.headers,
            &parts.extensions,
        )?;
        Self::new(opening, &mut parts.extensions)
    }

    fn new(opening: Opening, extensions: &mut Extensions) -> Result<Self, Rejection> {
        let handle = extensions
            .remove::<OnUpgrade>()
            .ok_or(ConnectionNotUpgradable {})?;
        Ok(Self {
            opening,
            handle,
            options: Options::default(),
            selected_protocol: None,
        })
    }

    /// Sets everything that can be chosen about the connection. Default: [`Options::default`].
    pub fn options(mut self, options: impl Into<Options>) -> Self {
        self.options = options.into();
        self
    }

    /// The options so far, to change one of them.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The subprotocols that the client asks for, in its order of preference.
    pub fn requested_protocols(&self) -> &[HeaderValue] {
        &self.opening.requested_protocols
    }

    /// The subprotocol that the response will name.
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
        let requested = &self.opening.requested_protocols;
        self.selected_protocol = server::select_protocol(requested, supported);
    }

    /// Names `protocol` in the response, whether asked for or not.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.selected_protocol = Some(protocol);
    }

    /// The response to return, and the connection that follows once hyper has sent it.
    pub fn accept(self) -> (http::Response<()>, Pending) {
        let mut response = server::respond(self.opening.key.as_deref());
        let answer = extension::answer(&self.opening.offers, self.options.deflate.as_ref());
        let agreed = answer.map(|(agreed, value)| {
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
            agreed
        });
        if let Some(protocol) = &self.selected_protocol {
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        let pending = Pending {
            on_upgrade: self.handle,
            options: self.options,
            agreed,
            protocol: self.selected_protocol,
        };
        (response, pending)
    }
}

impl Opening {
    fn read(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, Rejection> {
        let key = server::check(method, version, headers)?;
        if key.is_none() {
            server::check_pseudoheader(extensions.get::<Protocol>().map(Protocol::as_str))?;
        }
        let offers = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        Ok(Self {
            key,
            requested_protocols: server::requested_protocols(headers)?,
            offers: offers
                .map(|line| (header::SEC_WEBSOCKET_EXTENSIONS, line.clone()))
                .fold(HeaderMap::new(), append),
        })
    }
}

fn append(mut headers: HeaderMap, (name, value): (header::HeaderName, HeaderValue)) -> HeaderMap {
    headers.append(name, value);
    headers
}

impl Pending {
    /// Waits until hyper has sent the response.
    ///
    /// # Errors
    /// The connection ended before.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect(self) -> hyper::Result<UpgradedStream> {
        let upgraded = TokioIo::new(self.on_upgrade.await?);
        Ok(WebSocketStream::with_options(
            upgraded,
            BytesMut::new(),
            Role::Server,
            self.options,
            self.agreed,
        ))
    }

    /// Like [`Self::connect`], but takes the transport `T` back out of hyper: reads and writes then no longer pass through
    /// hyper's boxes, and the bytes that hyper had read after the request are kept.
    ///
    /// The connection must have been served as `TokioIo<T>` over HTTP/1.1; of others the inner `Err` gives what
    /// [`Self::connect`] gives.
    ///
    /// # Errors
    /// The connection ended before.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect_as<T>(self) -> hyper::Result<Result<WebSocketStream<T>, UpgradedStream>>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let upgraded = self.on_upgrade.await?;
        Ok(match upgraded.downcast::<TokioIo<T>>() {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                let part = BytesMut::from(parts.read_buf);
                Ok(WebSocketStream::with_options(
                    stream,
                    part,
                    Role::Server,
                    self.options,
                    self.agreed,
                ))
            }
            Err(upgraded) => {
                let upgraded = TokioIo::new(upgraded);
                Err(WebSocketStream::with_options(
                    upgraded,
                    BytesMut::new(),
                    Role::Server,
                    self.options,
                    self.agreed,
                ))
            }
        })
    }
}
