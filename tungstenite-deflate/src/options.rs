//! The options of one connection, beyond tungstenite's [`WebSocketConfig`].

use std::time::Duration;

use crate::connection::HAS_CLOCK;
use crate::control_rate::ControlRate;
use crate::deflate::DeflateConfig;
#[cfg(feature = "__dial")]
use crate::dial::Dial;
use crate::memory::MemoryBudget;
use crate::tungstenite::protocol::WebSocketConfig;

/// The options of one connection.
///
/// Functions that end in `_with_options` take `impl Into<Options>`, so a [`DeflateConfig`] or a [`WebSocketConfig`]
/// alone will do where the rest may keep its default.
///
/// Every field is public and has a setter of the same name, here and in [`Limits`], [`HeadLimits`], [`Keepalive`] and
/// [`ControlRate`].
///
/// # Defaults
/// The functions shared with tokio-tungstenite, such as `accept_async` and `connect_async`, use [`Options::drop_in`].
/// It differs in the rows that have a reason, each for the reason given:
///
/// | option | `Options::default()` | `Options::drop_in` | reason for the difference |
/// |---|---|---|---|
/// | `websocket` | tungstenite's, with frames up to the 64 MiB of a message | the caller's, or tungstenite's: frames up to 16 MiB | `get_config` returns what tokio-tungstenite returns |
/// | `deflate` | on, with context takeover: small messages hardly shrink without it | same | |
/// | `limits.max_fragments` | 1024, or `max_message_size` / 64 | same | |
/// | `limits.unfinished_message_timeout` | 30 s | none | needs a timer |
/// | `limits.min_progress_bytes` | 1024 | same | |
/// | `limits.unfinished_memory` | none | same | |
/// | `limits.control_rate` | bursts of 200, 100 a second | same | |
/// | `limits.head.request_timeout` | 10 s | none | needs a timer |
/// | the rest of `limits.head` | see [`HeadLimits`] | same | |
/// | `keepalive` | none: no unrequested Pings | same | |
/// | `write_timeout` | 30 s | none | needs a timer |
/// | `close_timeout` | 5 s | none | needs a timer |
/// | `pieces` | off: whole messages | same | |
/// | `fragment_bytes` | none: one frame per message | same | |
/// | `auto_pong` | on | same | |
/// | `url_credentials` | off | same | |
/// | `dial.attempt_delay` | 250 ms: Happy Eyeballs | none: one address after the other | needs a timer |
/// | `dial.timeout` | 30 s | none | needs a timer |
/// | `dial.family`, `dial.max_redirects`, `dial.proxy` | both, 0, none | same | |
///
/// The timer is tokio's: the deadlines need a runtime with its time driver enabled, while programs for tokio-tungstenite
/// may run on any executor. Without any deadline here, `limits.head.refusal_timeout` is kept by a thread instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Sizes of messages, frames and buffers, as tungstenite names them. `read_buffer_size` is not used: reading
    /// borrows a buffer of the thread, and an idle connection holds none.
    pub websocket: WebSocketConfig,
    /// permessage-deflate (RFC 7692); `None` neither offers nor accepts it.
    pub deflate: Option<DeflateConfig>,
    /// Limits on what a peer may make this side hold.
    pub limits: Limits,
    /// Keep-alive Pings and the deadline for their Pongs; `None` sends none.
    pub keepalive: Option<Keepalive>,
    /// Maximum time without progress of writing while bytes are queued that the transport does not take; `None` waits
    /// without limit. Progress is [`min_progress_bytes`](Limits::min_progress_bytes), or all of them. Default: 30 s.
    ///
    /// Exceeding it fails the connection with 1001 (going away), and whoever waits to send gets an error of kind
    /// `TimedOut`.
    pub write_timeout: Option<Duration>,
    /// Maximum time for the peer to finish the closing handshake (RFC 6455 §7.1.1); `None` waits without limit.
    ///
    /// It starts when the transport has taken the Close; until then [progress of writing](Keepalive::pong_timeout)
    /// restarts it. Messages that the peer goes on sending do not. Default: 5 s.
    pub close_timeout: Option<Duration>,
    /// Delivers data messages in pieces as they arrive, so that a message need not fit in memory. Each piece is a
    /// [`Message::Frame`](crate::tungstenite::Message::Frame): the message's opcode on the first, `Continue` on those that
    /// follow, `is_final` on the last; the payload is unmasked and inflated. Text may be cut amid a character, but fails
    /// at its first invalid byte. `max_message_size` goes on counting the whole message: set it to `None` for endless
    /// ones. Sending in pieces needs no option: send such frames. Default: false, whole messages.
    pub pieces: bool,
    /// Maximum payload bytes of an outgoing frame; longer messages are split (RFC 6455 §5.4), and control frames pass
    /// between their fragments. `None` sends each message as one frame.
    pub fragment_bytes: Option<usize>,
    /// Answers received Pings by Pongs (RFC 6455 §5.5.2). Default: true.
    ///
    /// With false the program sends the Pongs itself, as RFC 6455 §5.5.3 demands: one with the payload of the latest Ping
    /// answers all before it:
    ///
    /// ```
    /// # use futures_util::{SinkExt, StreamExt};
    /// # use tungstenite_deflate::{Options, accept_async_with_options, tungstenite::{Error, Message}};
    /// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), Error> {
    /// let options = Options::default().auto_pong(false);
    /// let mut socket = accept_async_with_options(stream, options).await?;
    /// while let Some(message) = socket.next().await {
    ///     if let Message::Ping(payload) = message? {
    ///         socket.send(Message::Pong(payload)).await?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub auto_pong: bool,
    /// Sends the name and password in a client's URL as HTTP Basic `Authorization` (RFC 7617), unless the request has
    /// that header. Default: false, they are left out. After a redirect to another origin they are not sent.
    #[cfg(feature = "__handshake")]
    #[cfg_attr(docsrs, doc(cfg(feature = "handshake")))]
    pub url_credentials: bool,
    /// Addresses, proxy, redirects and deadline of connections that are opened by URL.
    #[cfg(feature = "__dial")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "connect", feature = "sync"))))]
    pub dial: Dial,
}

/// Limits on what a peer may make this side hold. Sizes of messages and frames are in [`WebSocketConfig`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum fragments of one message. `None` (default) allows `max(1024, max_message_size / 64)`: Autobahn's 65,536
    /// fragments of a 4 MiB message pass, a million one-byte fragments do not.
    ///
    /// Exceeding it fails the connection with 1008 (policy violation), RFC 6455 §7.4.1.
    pub max_fragments: Option<usize>,
    /// Maximum time without progress of a message that has begun and is not there whole; `None` waits without limit.
    ///
    /// Progress is [`min_progress_bytes`](Self::min_progress_bytes) of its payload, counted as they arrive, or its end.
    /// Control frames and empty fragments are none. So a message may take any time at that rate or above, also an
    /// endless one received in [`pieces`](Options::pieces), and one that stalls or drips does not live. The time stands
    /// still while the program holds a message that it was given and does not ask for the next one.
    ///
    /// Default: 30 s. Exceeding it fails the connection with 1008 (policy violation), RFC 6455 §7.4.1.
    pub unfinished_message_timeout: Option<Duration>,
    /// Bytes that count as progress, of a message that arrives or of queued frames that the transport takes; 0 counts as
    /// 1. Fewer are progress only if they are the last.
    ///
    /// Default: 1024, with the default deadline of 30 s a rate of 34 bytes a second: slower than any modem, while one byte
    /// now and then does not hold a connection.
    pub min_progress_bytes: usize,
    /// Budget of the memory that unfinished messages take, shared with every connection that holds a clone of it; `None`
    /// (default) leaves it at the maximum message size for each connection.
    ///
    /// A peer that begins a message and does not go on makes this side hold what it has sent. Counted is the memory of a
    /// frame or message that is not there whole, its decompressor included, whenever its connection waits for the rest.
    /// The first 4 KiB of each connection are free, so that short messages pass while the budget is spent.
    ///
    /// Exceeding it fails the connection with 1013 (try again later).
    pub unfinished_memory: Option<MemoryBudget>,
    /// Rate limit for Pings and unsolicited Pongs; `None` disables it. Default: bursts of 200, 100 a second.
    ///
    /// Exceeding it fails the connection with 1008 (policy violation).
    pub control_rate: Option<ControlRate>,
    /// Limits on the head of the peer's request or response.
    pub head: HeadLimits,
}

/// Limits on the HTTP head of an opening handshake (RFC 6585 §5, RFC 9110 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Maximum bytes of a head with its empty line. Default: 16 KiB, room for large cookies.
    ///
    /// Exceeding it is answered with 431.
    pub max_bytes: usize,
    /// Maximum number of fields; a repeated name counts each time. Default: 100.
    ///
    /// Exceeding it is answered with 431.
    pub max_fields: usize,
    /// Maximum request target, in bytes. Default: 8 KiB.
    ///
    /// Exceeding it is answered with 414.
    pub max_target_bytes: usize,
    /// Maximum time for a client's request to be there whole; `None` waits without limit. Default: 10 s;
    /// [`Options::drop_in`] has none. The functions that accept over a tokio stream keep it.
    ///
    /// Exceeding it is answered with 408.
    pub request_timeout: Option<Duration>,
    /// Maximum bytes read of the body of a response that refuses a client's handshake, before decoding; further
    /// ones are dropped. Default: 64 KiB, room for an error page.
    pub max_refusal_bytes: usize,
    /// Maximum time for the body of such a response after its head; the part that has arrived by then is reported with
    /// the status. Default: 2 s.
    pub refusal_timeout: Duration,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 10,
            max_fields: 100,
            max_target_bytes: 8 << 10,
            request_timeout: Some(Duration::from_secs(10)),
            max_refusal_bytes: 64 << 10,
            refusal_timeout: Duration::from_secs(2),
        }
    }
}

impl HeadLimits {
    /// Sets [`Self::max_bytes`].
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets [`Self::max_fields`].
    pub fn max_fields(mut self, max_fields: usize) -> Self {
        self.max_fields = max_fields;
        self
    }

    /// Sets [`Self::max_target_bytes`].
    pub fn max_target_bytes(mut self, max_target_bytes: usize) -> Self {
        self.max_target_bytes = max_target_bytes;
        self
    }

    /// Sets [`Self::request_timeout`].
    pub fn request_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets [`Self::max_refusal_bytes`].
    pub fn max_refusal_bytes(mut self, max_refusal_bytes: usize) -> Self {
        self.max_refusal_bytes = max_refusal_bytes;
        self
    }

    /// Sets [`Self::refusal_timeout`].
    pub fn refusal_timeout(mut self, timeout: Duration) -> Self {
        self.refusal_timeout = timeout;
        self
    }
}

/// Keep-alive Pings and the deadline for their Pongs (RFC 6455 §5.5.2).
///
/// [`Options`] has none by default; `Keepalive::default()` suits most peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keepalive {
    /// Time without anything received after which a Ping is sent; up to a quarter more after steady traffic, whose every
    /// message is not worth a look at the clock. Default: 25 s, below the 30 s after which common middleboxes forget a
    /// silent connection.
    pub ping_interval: Duration,
    /// Maximum time without a sign of life after that Ping; else the connection is failed with 1001 (going away).
    ///
    /// It starts when the transport has taken the Ping. Anything received is a sign of life and ends it. Progress of
    /// writing is one too and restarts it: while bytes wait that the transport did not take at once, it takes
    /// [`min_progress_bytes`](Limits::min_progress_bytes) of them, or all. So more output than the peer reads in that
    /// time may be queued before a Ping. Bytes that the transport takes without a wait are no sign of life, since they
    /// may be in a buffer of this side. A transport that buffers megabytes still hides the Ping: keep its buffer small
    /// (`TCP_NOTSENT_LOWAT`).
    ///
    /// Default: 10 s.
    pub pong_timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
        }
    }
}

impl Keepalive {
    /// Sets [`Self::ping_interval`].
    pub fn ping_interval(mut self, ping_interval: Duration) -> Self {
        self.ping_interval = ping_interval;
        self
    }

    /// Sets [`Self::pong_timeout`].
    pub fn pong_timeout(mut self, pong_timeout: Duration) -> Self {
        self.pong_timeout = pong_timeout;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        // A peer with the same options sends a message as one frame.
        let max_frame_size = WebSocketConfig::default().max_message_size;
        Self {
            websocket: WebSocketConfig::default().max_frame_size(max_frame_size),
            deflate: Some(DeflateConfig::default()),
            limits: Limits::default(),
            keepalive: None,
            write_timeout: Some(Duration::from_secs(30)),
            close_timeout: Some(Duration::from_secs(5)),
            pieces: false,
            fragment_bytes: None,
            auto_pong: true,
            #[cfg(feature = "__handshake")]
            url_credentials: false,
            #[cfg(feature = "__dial")]
            dial: Dial::default(),
        }
    }
}

impl Options {
    /// Returns the options of the functions shared with tokio-tungstenite: without deadlines, so that they run on any
    /// executor and in runtimes without a time driver. See [the table](Self#defaults).
    pub fn drop_in(websocket: Option<WebSocketConfig>) -> Self {
        Self {
            websocket: websocket.unwrap_or_default(),
            limits: Limits {
                unfinished_message_timeout: None,
                head: HeadLimits::default().request_timeout(None),
                ..Limits::default()
            },
            write_timeout: None,
            close_timeout: None,
            #[cfg(feature = "__dial")]
            dial: Dial::without_timers(),
            ..Self::default()
        }
    }

    /// Sets [`Self::websocket`].
    pub fn websocket(mut self, websocket: WebSocketConfig) -> Self {
        self.websocket = websocket;
        self
    }

    /// Sets [`Self::deflate`].
    pub fn deflate(mut self, deflate: Option<DeflateConfig>) -> Self {
        self.deflate = deflate;
        self
    }

    /// Sets [`Self::limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets [`Self::keepalive`].
    pub fn keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// Sets [`Self::write_timeout`].
    pub fn write_timeout(mut self, write_timeout: Option<Duration>) -> Self {
        self.write_timeout = write_timeout;
        self
    }

    /// Sets [`Self::close_timeout`].
    pub fn close_timeout(mut self, close_timeout: Option<Duration>) -> Self {
        self.close_timeout = close_timeout;
        self
    }

    /// Sets [`Self::pieces`].
    pub fn pieces(mut self, pieces: bool) -> Self {
        self.pieces = pieces;
        self
    }

    /// Sets [`Self::fragment_bytes`].
    pub fn fragment_bytes(mut self, fragment_bytes: Option<usize>) -> Self {
        self.fragment_bytes = fragment_bytes;
        self
    }

    /// Sets [`Self::auto_pong`].
    pub fn auto_pong(mut self, auto_pong: bool) -> Self {
        self.auto_pong = auto_pong;
        self
    }

    /// Sets [`Self::url_credentials`].
    #[cfg(feature = "__handshake")]
    #[cfg_attr(docsrs, doc(cfg(feature = "handshake")))]
    pub fn url_credentials(mut self, url_credentials: bool) -> Self {
        self.url_credentials = url_credentials;
        self
    }

    /// Sets [`Self::dial`].
    #[cfg(feature = "__dial")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "connect", feature = "sync"))))]
    pub fn dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }
}

impl Options {
    /// Reports if a timer is needed, so that whoever drives the connection has one.
    pub(crate) fn uses_timers(&self) -> bool {
        self.keepalive.is_some()
            || self.write_timeout.is_some()
            || self.close_timeout.is_some()
            || self.limits.unfinished_message_timeout.is_some()
    }

    /// Returns [`WebSocketConfig::max_message_size`] as a number.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.websocket.max_message_size.unwrap_or(usize::MAX)
    }

    /// Returns the maximum bytes that a compressed message may inflate to.
    pub(crate) fn max_inflated_bytes(&self) -> usize {
        let chosen = self
            .deflate
            .as_ref()
            .and_then(|deflate| deflate.max_inflated_bytes);
        self.max_message_bytes().min(chosen.unwrap_or(usize::MAX))
    }

    /// Returns [`Limits::max_fragments`], or its default by the maximum message size.
    pub(crate) fn max_fragments(&self) -> usize {
        self.limits
            .max_fragments
            .unwrap_or_else(|| (self.max_message_bytes() / 64).max(1024))
    }
}

impl From<WebSocketConfig> for Options {
    fn from(websocket: WebSocketConfig) -> Self {
        Self::default().websocket(websocket)
    }
}

impl From<DeflateConfig> for Options {
    fn from(deflate: DeflateConfig) -> Self {
        Self::default().deflate(Some(deflate))
    }
}

impl From<Option<DeflateConfig>> for Options {
    fn from(deflate: Option<DeflateConfig>) -> Self {
        Self::default().deflate(deflate)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_fragments: None,
            unfinished_message_timeout: Some(Duration::from_secs(30)),
            min_progress_bytes: 1024,
            unfinished_memory: None,
            control_rate: HAS_CLOCK.then(ControlRate::default),
            head: HeadLimits::default(),
        }
    }
}

impl Limits {
    /// Sets [`Self::max_fragments`].
    pub fn max_fragments(mut self, max_fragments: Option<usize>) -> Self {
        self.max_fragments = max_fragments;
        self
    }

    /// Sets [`Self::unfinished_message_timeout`].
    pub fn unfinished_message_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.unfinished_message_timeout = timeout;
        self
    }

    /// Sets [`Self::min_progress_bytes`].
    pub fn min_progress_bytes(mut self, bytes: usize) -> Self {
        self.min_progress_bytes = bytes;
        self
    }

    /// Sets [`Self::unfinished_memory`].
    pub fn unfinished_memory(mut self, memory: Option<MemoryBudget>) -> Self {
        self.unfinished_memory = memory;
        self
    }

    /// Sets [`Self::control_rate`].
    pub fn control_rate(mut self, rate: Option<ControlRate>) -> Self {
        self.control_rate = rate;
        self
    }

    /// Sets [`Self::head`].
    pub fn head(mut self, head: HeadLimits) -> Self {
        self.head = head;
        self
    }
}
