//! permessage-deflate in the headers of both sides.

use http::HeaderMap;
use http::header::HeaderValue;

use crate::deflate::{Agreed, DeflateConfig};

/// The server's side: what the offers in `headers` lead to, with the header for the response.
///
/// Offers that are malformed or cannot be met are passed over; without one that can, the connection is uncompressed.
pub(crate) fn answer(
    _headers: &HeaderMap,
    _config: Option<&DeflateConfig>,
) -> Option<(Agreed, HeaderValue)> {
    None
}
