//! Settings of a connection.

use http::header::HeaderMap;
use tungstenite_deflate::Options;
use tungstenite_deflate::dial::{NoProxy, Proxy};

use crate::args::Side;
use crate::dial::Dial;
use crate::sensitive::{has_token, is_sensitive_header, query_has_secret};
use crate::target::Target;
use crate::timeouts::Timeouts;
use crate::tls::TlsSettings;

/// Everything that can be chosen about a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The server and its path.
    pub target: Target,
    /// Headers of the request beside those of the handshake.
    pub headers: HeaderMap,
    /// Subprotocols asked for, the preferred first (RFC 6455 §1.9).
    pub subprotocols: Vec<String>,
    /// Settings of the TCP connection.
    pub dial: Dial,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// Hosts that are dialled without the proxy, as in `NO_PROXY`.
    pub no_proxy: NoProxy,
    /// Settings of TLS with an `https` proxy, which are independent of those for the server.
    pub proxy_tls: TlsSettings,
    /// Settings of TLS with the server.
    pub tls: TlsSettings,
    /// Extended CONNECT over HTTP/2 (RFC 8441) rather than HTTP/1.1.
    pub http2: bool,
    /// Limits and compression of the WebSocket.
    pub options: Options,
    /// Compression contexts that were asked for, beside those of the default.
    pub(crate) contexts: Option<Side>,
    /// Maximum duration of each phase.
    pub timeouts: Timeouts,
    /// Most redirects followed; 0 follows none.
    pub max_redirects: usize,
    /// A redirect led to another origin: what was given for the first stayed there.
    pub(crate) is_stripped: bool,
}

impl Settings {
    /// Safe defaults for `target`: the system's roots, compression offered, messages up to 1 MiB, no redirects.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            dial: Dial::default(),
            proxy: None,
            no_proxy: NoProxy::default(),
            proxy_tls: TlsSettings::default(),
            tls: TlsSettings::default(),
            http2: false,
            options: default_options(DEFAULT_MAX_MESSAGE_BYTES),
            contexts: None,
            timeouts: Timeouts::default(),
            max_redirects: 0,
            is_stripped: false,
        }
    }

    /// The proxy to go through to the target, if there is one and the target is not exempt from it.
    pub(crate) fn proxy_to_target(&self) -> Option<&Proxy> {
        let target = &self.target;
        let is_exempt = self.no_proxy.contains_host(&target.host, target.port);
        self.proxy.as_ref().filter(|_| !is_exempt)
    }

    /// Reports whether the request may prove who asks: then certificate checks must not be off and plain text is warned about.
    ///
    /// Counted are a name and password, a client certificate, every header but the ones known to be harmless,
    /// subprotocols that look like tokens, and query parameters with telling names.
    pub fn has_credentials(&self) -> bool {
        self.target.credentials.is_some()
            || self.tls.client_certificate.is_some()
            || self.headers.keys().any(is_sensitive_header)
            || has_token(&self.subprotocols)
            || query_has_secret(&self.target.path)
    }
}

/// The engine's options with messages and frames of at most `max_message_bytes`.
pub(crate) fn default_options(max_message_bytes: usize) -> Options {
    let mut options = Options::default();
    options.websocket.max_message_size = Some(max_message_bytes);
    options.websocket.max_frame_size = Some(max_message_bytes);
    options
}

/// Largest message accepted by default: what the server accepts as well.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1 << 20;
