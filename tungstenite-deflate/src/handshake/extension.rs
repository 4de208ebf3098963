//! permessage-deflate in the headers of both sides.

use http::HeaderMap;
use http::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use crate::deflate::negotiate::{self, ResponseError, WrittenOffers};
use crate::deflate::{Agreed, DeflateConfig};

/// The server's side: what the offers in `headers` lead to, with the header for the response.
///
/// Offers that are malformed or cannot be met are passed over; without one that can, the connection is uncompressed.
pub(crate) fn answer(
    headers: &HeaderMap,
    config: Option<&DeflateConfig>,
) -> Option<(Agreed, HeaderValue)> {
    let (agreed, value) =
        negotiate::accept_offers(headers.get_all(SEC_WEBSOCKET_EXTENSIONS), config?)?;
    Some((agreed, HeaderValue::try_from(value).ok()?))
}

/// The client's side: what its request offers.
#[derive(Debug)]
pub(crate) struct Offers {
    config: Option<DeflateConfig>,
    /// Those that the caller wrote into the request.
    written: Option<WrittenOffers>,
}

impl Offers {
    /// The offer of `config`, unless the caller wrote one into the request's `headers`.
    pub(crate) fn new(headers: &HeaderMap, config: Option<&DeflateConfig>) -> Self {
        let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
        let has_lines = headers.contains_key(SEC_WEBSOCKET_EXTENSIONS);
        Self {
            config: config.cloned(),
            written: has_lines.then(|| WrittenOffers::read(lines)),
        }
    }

    /// The header to add to the request.
    pub(crate) fn header(&self) -> Option<String> {
        self.config
            .as_ref()
            .filter(|_| self.written.is_none())
            .map(negotiate::offer)
    }

    /// Returns the parameters that the response's headers agree to.
    ///
    /// # Errors
    /// They name what was not offered (RFC 6455 §4.1 item 5), or not as it was offered (RFC 7692 §5.1).
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Option<Agreed>, ResponseError> {
        let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
        match &self.written {
            Some(written) => written.accept_response(lines, self.config.as_ref()),
            None => negotiate::accept_response(lines, self.config.as_ref()),
        }
    }
}
