//! Negotiation (RFC 7692 §7.1), as functions for programs that do the handshake themselves.
//!
//! A server gives every Sec-WebSocket-Extensions line of the request to [`accept_offers`]; a client sends [`offer`] and
//! gives every such line of the response to [`accept_response`].
//!
//! # Server: what is answered
//! The first acceptable offer is taken, over all lines in order. An offer with an unknown, repeated or misvalued
//! parameter is declined and the next one looked at; if none is left, the handshake goes on without the extension.
//! `config` is the server's own [`DeflateConfig`].
//!
//! | offer has | config | answer has | in force |
//! |---|---|---|---|
//! | `server_no_context_takeover` | any | `server_no_context_takeover` | server forgets |
//! | – | server forgets | `server_no_context_takeover` | server forgets |
//! | – | server keeps | – | server keeps |
//! | `client_no_context_takeover` | any | `client_no_context_takeover` | client forgets |
//! | – | client forgets, or [memory](DeflateConfig::memory) spent | `client_no_context_takeover` | client forgets |
//! | no `client_max_window_bits` | client window c < 15, by default 11 | `client_no_context_takeover` | client forgets |
//! | – | client keeps | – | client keeps |
//! | `server_max_window_bits=n`, n in 9 to 15 | server window s | `server_max_window_bits=min(n, s)` | the same |
//! | `server_max_window_bits=8` | any | offer declined: no compressor here can keep to 8 | |
//! | – | s < 15 | `server_max_window_bits=s` | s |
//! | – | s = 15 | – | 15 |
//! | `client_max_window_bits[=n]`, n in 8 to 15 | client window c, by default 11 | `client_max_window_bits=min(n, c)` if less than 15 | the same |
//! | the same, client forgets | no client window chosen | – | n, or 15 |
//! | – | any | – (RFC 7692 §7.1.2.2 forbids it) | 15 |
//!
//! # Client: what is offered
//! One offer, by default that of browsers: `permessage-deflate; client_max_window_bits`.
//!
//! | config | offer has |
//! |---|---|
//! | server forgets, or memory spent | `server_no_context_takeover` |
//! | client forgets | `client_no_context_takeover` |
//! | server window s < 15 | `server_max_window_bits=s` |
//! | client window c < 15 | `client_max_window_bits=c` |
//! | client window 15, or not chosen | `client_max_window_bits` |
//!
//! # Client: what is accepted
//! | response has | result |
//! |---|---|
//! | no extension | no compression |
//! | another extension, or permessage-deflate twice | error |
//! | an unknown, repeated or misvalued parameter | error |
//! | `server_no_context_takeover`, asked for or not (§7.1.1.1) | server forgets |
//! | no `server_no_context_takeover` although asked for | server keeps: it may just not know how to answer, and any server is decoded |
//! | `client_no_context_takeover`, asked for or not (§7.1.1.2) | client forgets |
//! | `server_max_window_bits=n`, n in 8 to 15, at most what was asked for | server window n |
//! | `server_max_window_bits=n` beyond what was asked for | error |
//! | no `server_max_window_bits` although asked for | server window 15: any is decoded |
//! | `client_max_window_bits=n`, n in 8 to what was offered | client window n |
//! | `client_max_window_bits` not offered, without value, or beyond what was offered | error |
//!
//! A client held to a window of 8 sends messages of more than 256 bytes uncompressed.

use super::config::{DEFAULT_WINDOW, DeflateConfig};
use super::parameters::{ClientWindow, ParameterError, Parameters, cut};
use super::ranges::WindowBits;
use super::received;
use crate::extensions::{self, GrammarError};

/// Parameters agreed for one connection (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server resets its compression context after each message (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client resets its compression context after each message (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's LZ77 window, 8 to 15 (§7.1.2.1).
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the client's LZ77 window, 8 to 15 (§7.1.2.2).
    pub client_max_window_bits: u8,
}

/// Cause for which a server's response fails the handshake (RFC 6455 §4.1, RFC 7692 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The header does not follow the grammar.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// An extension that was not offered.
    #[error("server answered with extension {name:?}, which was not offered (RFC 6455 §4.1)")]
    NotOffered {
        /// Its name, cut at 64 characters.
        name: String,
    },
    /// permessage-deflate stands there twice.
    #[error("server answered with permessage-deflate twice, at most once allowed (RFC 7692 §5.1)")]
    Repeated,
    /// A parameter of permessage-deflate is not valid.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// `client_max_window_bits` although the offer did not have it.
    #[error(
        "server answered with client_max_window_bits, which was not offered (RFC 7692 §7.1.2.2)"
    )]
    WindowNotOffered,
    /// A window larger than the offer allowed.
    #[error(
        "server answered with {parameter}={seen}, at most {offered} was offered (RFC 7692 §7.1.2)"
    )]
    WindowTooLarge {
        /// Name of the window's parameter.
        parameter: &'static str,
        /// Value in the server's response.
        seen: u8,
        /// Value in the offer.
        offered: u8,
    },
}

/// As a server: takes the first acceptable offer among the request's Sec-WebSocket-Extensions lines.
///
/// Gives what is in force and the value of the response's Sec-WebSocket-Extensions header, or `None` if the handshake
/// goes on without the extension. The module page has the truth table.
///
/// ```
/// use tungstenite_deflate::deflate::{DeflateConfig, negotiate};
///
/// let offers = ["permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits"];
/// let (agreed, response) = negotiate::accept_offers(offers, &DeflateConfig::default()).unwrap();
/// assert_eq!(response, "permessage-deflate; client_max_window_bits=11");
/// assert_eq!(agreed.server_max_window_bits, 15);
/// ```
pub fn accept_offers<I>(lines: I, config: &DeflateConfig) -> Option<(Agreed, String)>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    lines.into_iter().find_map(|line| {
        let offers = extensions::parse(line.as_ref())
            .flatten()
            .filter(|offer| offer.name == NAME);
        let mut readable = offers.filter_map(|offer| Parameters::of_offer(&offer).ok());
        readable.find_map(|offer| accept_offer(offer, config))
    })
}

/// As a client: the value of the request's Sec-WebSocket-Extensions header.
///
/// ```
/// use tungstenite_deflate::deflate::{DeflateConfig, negotiate};
///
/// assert_eq!(negotiate::offer(&DeflateConfig::default()), "permessage-deflate; client_max_window_bits");
/// let config = DeflateConfig::default().server_no_context_takeover(true);
/// assert_eq!(
///     negotiate::offer(&config),
///     "permessage-deflate; server_no_context_takeover; client_max_window_bits"
/// );
/// ```
pub fn offer(config: &DeflateConfig) -> String {
    format!("{NAME}{}", offered(config))
}

/// The parameters of the offer that `config` makes.
fn offered(config: &DeflateConfig) -> Parameters {
    let server = config.server_max_window_bits.get();
    // A window of 15 needs no value: it is what holds without one.
    let value = |bits| (bits < MAX_WINDOW_BITS).then_some(bits);
    Parameters {
        server_no_context_takeover: config.server_no_context_takeover
            || !config.memory.admits(received::window_bytes(server)),
        client_no_context_takeover: config.client_no_context_takeover,
        server_max_window_bits: value(server),
        client_max_window_bits: Some(
            value(client_window_limit(config)).map_or(ClientWindow::Any, ClientWindow::Bits),
        ),
    }
}

/// As a client: the offers that a request's own Sec-WebSocket-Extensions lines make.
///
/// Elements that follow neither grammar are no offers: a server passes them over too.
#[cfg(feature = "__handshake")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrittenOffers {
    /// Those of permessage-deflate, in order.
    deflate: Vec<Parameters>,
    /// Names of other extensions.
    others: Vec<String>,
}

#[cfg(feature = "__handshake")]
impl WrittenOffers {
    pub(crate) fn read<I>(lines: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut offers = Self::default();
        for line in lines {
            for extension in extensions::parse(line.as_ref()).flatten() {
                if extension.name == NAME {
                    offers.deflate.extend(Parameters::of_offer(&extension));
                } else {
                    offers.others.push(extension.name.to_owned());
                }
            }
        }
        offers
    }

    /// As [`accept_response`], for these offers. permessage-deflate is agreed as the first offer that the response
    /// corresponds to allows; other extensions are left to whoever offered them. Without `config` all are.
    ///
    /// # Errors
    /// As for [`accept_response`].
    pub(crate) fn accept_response<I>(
        &self,
        lines: I,
        config: Option<&DeflateConfig>,
    ) -> Result<Option<Agreed>, ResponseError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        accept(lines, &self.deflate, &self.others, config)
    }
}

/// As a client: what a response's Sec-WebSocket-Extensions lines put in force, `None` if the server did not take the
/// extension. `config` is what [`offer`] was made from, or `None` if nothing was offered.
///
/// # Errors
/// The response does not correspond to the offer: fail the handshake. The module page has the truth table.
pub fn accept_response<I>(
    lines: I,
    config: Option<&DeflateConfig>,
) -> Result<Option<Agreed>, ResponseError>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    accept(lines, config.map(offered).as_slice(), &[], config)
}

/// Judges a response against the offers that were sent.
fn accept<I>(
    lines: I,
    deflate: &[Parameters],
    others: &[String],
    config: Option<&DeflateConfig>,
) -> Result<Option<Agreed>, ResponseError>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let (mut is_answered, mut agreed) = (false, None);
    for line in lines {
        for extension in extensions::parse(line.as_ref()) {
            let extension = extension?;
            if others.iter().any(|name| name == extension.name) {
                continue;
            }
            if extension.name != NAME || deflate.is_empty() {
                let name = cut(extension.name);
                return Err(ResponseError::NotOffered { name });
            }
            if std::mem::replace(&mut is_answered, true) {
                return Err(ResponseError::Repeated);
            }
            let response = Parameters::of_response(&extension)?;
            agreed = first_fitting(response, deflate, config)?;
        }
    }
    Ok(agreed)
}

/// Returns what a response puts in force by the first offer that it corresponds to; the first offer's error if there is none.
fn first_fitting(
    response: Parameters,
    offers: &[Parameters],
    config: Option<&DeflateConfig>,
) -> Result<Option<Agreed>, ResponseError> {
    let mut refusal = None;
    for &offer in offers {
        match check_windows(response, offer) {
            Ok(()) => return Ok(config.map(|config| in_force(response, config))),
            Err(error) => _ = refusal.get_or_insert(error),
        }
    }
    refusal.map_or(Ok(None), Err)
}

/// A server's decision about the context of a client.
struct ClientContext {
    forgets: bool,
    /// Base-2 logarithm of the window in force.
    window: u8,
    /// The same as it is asked for, if it is.
    asked: Option<u8>,
}

impl ClientContext {
    fn of(offer: Parameters, config: &DeflateConfig) -> Self {
        let chosen = config.client_max_window_bits;
        let limit = chosen.unwrap_or(DEFAULT_WINDOW).get();
        // The hint of a client holds without an answer too (RFC 7692 §7.1.2.2).
        let (is_permitted, hint) = match offer.client_max_window_bits {
            Some(ClientWindow::Bits(hint)) => (true, hint),
            Some(ClientWindow::Any) => (true, MAX_WINDOW_BITS),
            None => (false, MAX_WINDOW_BITS),
        };
        let kept = if is_permitted { hint.min(limit) } else { hint };
        let forgets = offer.client_no_context_takeover
            || config.client_no_context_takeover
            || kept > limit
            || !config.memory.admits(received::window_bytes(kept));
        // Asked for where it bounds a context, or by choice.
        let is_asked = is_permitted && (chosen.is_some() || !forgets);
        let window = if is_asked { kept } else { hint };
        Self {
            forgets,
            window,
            asked: (is_asked && window < MAX_WINDOW_BITS).then_some(window),
        }
    }
}

/// Agrees to one well-formed offer, unless its window is one we cannot keep to.
fn accept_offer(offer: Parameters, config: &DeflateConfig) -> Option<(Agreed, String)> {
    if offer
        .server_max_window_bits
        .is_some_and(|bits| bits < MIN_WINDOW_BITS)
    {
        return None;
    }
    let server_window = offer
        .server_max_window_bits
        .unwrap_or(MAX_WINDOW_BITS)
        .min(config.server_max_window_bits.get());
    let client = ClientContext::of(offer, config);
    let agreed = Agreed {
        server_no_context_takeover: offer.server_no_context_takeover
            || config.server_no_context_takeover,
        client_no_context_takeover: client.forgets,
        server_max_window_bits: server_window,
        client_max_window_bits: client.window,
    };
    let says_server_window =
        offer.server_max_window_bits.is_some() || server_window < MAX_WINDOW_BITS;
    let response = Parameters {
        server_no_context_takeover: agreed.server_no_context_takeover,
        client_no_context_takeover: agreed.client_no_context_takeover,
        server_max_window_bits: says_server_window.then_some(server_window),
        client_max_window_bits: client.asked.map(ClientWindow::Bits),
    };
    Some((agreed, format!("{NAME}{response}")))
}

/// Reports whether a response keeps to the windows of an offer (RFC 7692 §7.1.2).
fn check_windows(response: Parameters, offer: Parameters) -> Result<(), ResponseError> {
    let client_seen = match response.client_max_window_bits {
        Some(ClientWindow::Bits(bits)) => Some(bits),
        Some(ClientWindow::Any) | None => None,
    };
    let client_offered = match offer.client_max_window_bits {
        Some(ClientWindow::Bits(bits)) => bits,
        None if client_seen.is_some() => return Err(ResponseError::WindowNotOffered),
        Some(ClientWindow::Any) | None => MAX_WINDOW_BITS,
    };
    let server_offered = offer.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
    let windows = [
        (
            "server_max_window_bits",
            response.server_max_window_bits,
            server_offered,
        ),
        ("client_max_window_bits", client_seen, client_offered),
    ];
    for (parameter, seen, offered) in windows {
        if let Some(seen) = seen.filter(|&seen| seen > offered) {
            return Err(ResponseError::WindowTooLarge {
                parameter,
                seen,
                offered,
            });
        }
    }
    Ok(())
}

/// Returns what an answer to one's own offer puts in force; `config` may hold the client's own compressor to less.
fn in_force(response: Parameters, config: &DeflateConfig) -> Agreed {
    let client_most = client_window_limit(config);
    let client_window = match response.client_max_window_bits {
        Some(ClientWindow::Bits(bits)) => bits.min(client_most),
        Some(ClientWindow::Any) | None => client_most,
    };
    Agreed {
        server_no_context_takeover: response.server_no_context_takeover,
        client_no_context_takeover: response.client_no_context_takeover
            || config.client_no_context_takeover,
        server_max_window_bits: response.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS),
        client_max_window_bits: client_window,
    }
}

/// Returns the maximum window that a client compresses with.
fn client_window_limit(config: &DeflateConfig) -> u8 {
    let bits = config.client_max_window_bits.unwrap_or(WindowBits::MAX);
    bits.get()
}

/// Smallest window that a server of ours can compress with.
const MIN_WINDOW_BITS: u8 = WindowBits::MIN.get();
/// Window that holds where none was said (RFC 7692 §7.1.2).
const MAX_WINDOW_BITS: u8 = WindowBits::MAX.get();
/// The extension's registered name (RFC 7692 §7).
const NAME: &str = "permessage-deflate";
