//! The extractor of requests for a WebSocket.

use std::borrow::Cow;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::header::HeaderValue;
use http::request::Parts;

use crate::deflate::DeflateConfig;
use crate::hyper::{Pending, Upgrade};
use crate::options::Options;

use super::WebSocket;
use super::rejection::WebSocketUpgradeRejection;

/// Extracts a request for a WebSocket connection (RFC 6455 §4.2, RFC 8441 §5).
///
/// Route it with `any`: an HTTP/2 request arrives as CONNECT. axum's `serve` enables extended CONNECT itself; with
/// hyper's own builder call `http2().enable_connect_protocol()`, and serve connections with upgrades.
///
/// Every check of RFC 6455 §4.2.1 is made, more than axum makes: those of Host, of the key's form, of
/// Sec-WebSocket-Protocol, and lists are compared by token over all header lines.
///
/// Nothing is answered until [`on_upgrade`](Self::on_upgrade) makes the response for the handler to return.
#[derive(Debug)]
#[must_use = "a request is answered by what `on_upgrade` gives"]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    upgrade: Upgrade,
    on_failed_upgrade: F,
}

impl<F> WebSocketUpgrade<F> {
    /// Sets everything that can be chosen about the connection. Default: [`Options::default`].
    pub fn options(mut self, options: impl Into<Options>) -> Self {
        self.upgrade = self.upgrade.options(options);
        self
    }

    /// Sets how messages are compressed; `None` agrees to no compression.
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.upgrade.options_mut().deflate = deflate.into();
        self
    }

    /// Accepted for axum's sake: this crate holds no read buffer per connection.
    pub fn read_buffer_size(mut self, size: usize) -> Self {
        self.upgrade.options_mut().websocket.read_buffer_size = size;
        self
    }

    /// So many bytes of messages that were fed are gathered before they are written; a flush writes them at once.
    pub fn write_buffer_size(mut self, size: usize) -> Self {
        self.upgrade.options_mut().websocket.write_buffer_size = size;
        self
    }

    /// Most bytes of messages that wait to be written; a message above it is given back as an error.
    pub fn max_write_buffer_size(mut self, max: usize) -> Self {
        self.upgrade.options_mut().websocket.max_write_buffer_size = max;
        self
    }

    /// Largest message accepted, in bytes after decompression. Default: 64 MiB.
    pub fn max_message_size(mut self, max: usize) -> Self {
        self.upgrade.options_mut().websocket.max_message_size = Some(max);
        self
    }

    /// Largest frame accepted, in bytes on the wire. Default: 16 MiB.
    pub fn max_frame_size(mut self, max: usize) -> Self {
        self.upgrade.options_mut().websocket.max_frame_size = Some(max);
        self
    }

    /// Accepts unmasked frames from clients, against RFC 6455 §5.1, if true. Default: false.
    pub fn accept_unmasked_frames(mut self, accept: bool) -> Self {
        self.upgrade.options_mut().websocket.accept_unmasked_frames = accept;
        self
    }

    /// Selects the first of `protocols`, in this side's order of preference, that the client asks for.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        self.upgrade
            .select_protocol(protocols.into_iter().map(|name| name.into().into_owned()));
        self
    }

    /// The subprotocols that the client asks for, in its order of preference.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.upgrade.requested_protocols().iter()
    }

    /// Names `protocol` in the response, whether asked for or not.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.upgrade.set_selected_protocol(protocol);
    }

    /// The subprotocol that the response will name.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.upgrade.selected_protocol()
    }

    /// Calls `callback` if the connection ends before it is upgraded. Default: nothing is done.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        WebSocketUpgrade {
            upgrade: self.upgrade,
            on_failed_upgrade: callback,
        }
    }

    /// Makes the response, and runs `callback` with the connection in a task of its own once the response is sent.
    #[must_use = "the connection is upgraded only if this response is returned"]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let (response, pending) = self.upgrade.accept();
        let on_failed_upgrade = self.on_failed_upgrade;
        tokio::spawn(async move {
            let protocol = pending.protocol.clone();
            match pending.connect().await {
                Ok(stream) => callback(WebSocket { stream, protocol }).await,
                Err(error) => on_failed_upgrade.call(axum_core::Error::new(error)),
            }
        });
        response.map(|()| Body::empty())
    }

    /// Makes the response without spawning anything: for servers that track their connections, or take the transport
    /// back out of hyper ([`Pending::connect_as`]).
    #[must_use = "the connection is upgraded only if this response is returned"]
    pub fn accept(self) -> (Response, Pending) {
        let (response, pending) = self.upgrade.accept();
        (response.map(|()| Body::empty()), pending)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            upgrade: Upgrade::from_parts(parts)?,
            on_failed_upgrade: DefaultOnFailedUpgrade,
        })
    }
}

impl IntoResponse for WebSocketUpgradeRejection {
    fn into_response(self) -> Response {
        self.response().map(Body::from)
    }
}

/// Action for a connection that ends before it is upgraded.
pub trait OnFailedUpgrade: Send + 'static {
    /// Called once, with hyper's error.
    fn call(self, error: axum_core::Error);
}

impl<F: FnOnce(axum_core::Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: axum_core::Error) {
        self(error);
    }
}

/// Does nothing when a connection ends before it is upgraded.
#[derive(Debug)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _error: axum_core::Error) {}
}
