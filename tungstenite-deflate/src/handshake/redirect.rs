//! Redirects of the opening handshake: where one leads, and what may go along.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::invalid_url::InvalidUrl;
use super::url::WebSocketUrl;
#[cfg(feature = "__dial")]
use crate::tungstenite::Error;
#[cfg(feature = "__dial")]
use crate::tungstenite::client::IntoClientRequest;
#[cfg(feature = "__dial")]
use crate::tungstenite::handshake::client::Request;

/// A redirect of an opening handshake (RFC 6455 §4.1, RFC 9110 §15.4).
///
/// `connect_async_with_options` follows redirects if `Dial::max_redirects` says so. A client that opens its connections
/// itself applies the same rules by this type:
///
/// - From `wss` it never leads to `ws`.
/// - Credentials in `Location` are dropped.
/// - Another scheme, host or port is another origin (RFC 6454 §4). No header that the caller chose goes there, nor do
///   subprotocols, which often carry tokens. Of these only `Origin` is passed on, as `null` unless it names the server
///   that redirects (Fetch standard, "HTTP-redirect fetch").
///
/// ```
/// use tungstenite_deflate::handshake::Redirect;
///
/// let from = "wss://example.com/chat".parse()?;
/// let response = http::Response::builder().status(307).header("location", "wss://eu.example.com/chat").body(())?;
/// let redirect = Redirect::of(&from, &response).expect("status 307")?;
/// assert_eq!(redirect.url().host(), "eu.example.com");
/// assert!(!redirect.is_same_origin());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    url: WebSocketUrl,
    /// The origin of the pages of the server that redirects.
    from_origin: String,
    is_same_origin: bool,
}

/// The reason for which a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// `Location` names no WebSocket URL.
    #[error(transparent)]
    Location(#[from] InvalidUrl),
    /// It leads from `wss` to `ws`.
    #[error("it leads from wss to unencrypted ws")]
    Unencrypted,
    /// More were met than are followed.
    #[error("it would be redirect number {}, at most {limit} are followed", .limit + 1)]
    TooMany {
        /// The number that is followed.
        limit: usize,
    },
    /// It leads to another origin, and the connector may hold a client certificate that cannot be taken out of it.
    #[error("it leads to another origin, which must not see the connector's client certificate")]
    ClientCertificate,
}

impl Redirect {
    /// Reads the redirect in the response to a request for `from`; `None` if it is none: another status than 301, 302, 303,
    /// 307 or 308, or no `Location`.
    ///
    /// # Errors
    /// See [`Redirect::to`].
    pub fn of<B>(
        from: &WebSocketUrl,
        response: &http::Response<B>,
    ) -> Option<Result<Self, RedirectError>> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = response.headers().get(header::LOCATION)?;
        let location = String::from_utf8_lossy(location.as_bytes());
        Some(Self::to(from, &location))
    }

    /// Makes the redirect from `from` to what its response's `Location` names.
    ///
    /// # Errors
    /// [`RedirectError::Location`], [`RedirectError::Unencrypted`].
    pub fn to(from: &WebSocketUrl, location: &str) -> Result<Self, RedirectError> {
        let url = from.join(location)?.without_user_info();
        if from.is_secure() && !url.is_secure() {
            return Err(RedirectError::Unencrypted);
        }
        let scheme = if from.is_secure() { "https" } else { "http" };
        Ok(Self {
            is_same_origin: from.is_same_origin(&url),
            from_origin: format!("{scheme}://{}", from.authority()),
            url,
        })
    }

    /// Returns the URL to connect to, without credentials.
    pub fn url(&self) -> &WebSocketUrl {
        &self.url
    }

    /// Returns true if credentials, headers, subprotocols and a client certificate may go along.
    pub fn is_same_origin(&self) -> bool {
        self.is_same_origin
    }

    /// Returns those of the first request's headers that the next request may carry.
    pub fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        if self.is_same_origin {
            return headers.clone();
        }
        let kept = headers.iter().filter_map(|(name, value)| {
            if name == header::ORIGIN {
                Some((name.clone(), self.origin(value)))
            } else {
                OF_THE_HANDSHAKE
                    .contains(name)
                    .then(|| (name.clone(), value.clone()))
            }
        });
        kept.collect()
    }

    /// Makes the request that follows one which was redirected, with a key of its own.
    #[cfg(feature = "__dial")]
    pub(crate) fn request(&self, request: &Request) -> Result<Request, Error> {
        let mut next = self.url().into_client_request()?;
        let made = std::mem::take(next.headers_mut());
        let mut headers = self.headers(request.headers());
        if !self.is_same_origin() {
            headers.remove(header::HOST);
        }
        headers.remove(header::SEC_WEBSOCKET_KEY);
        for (name, value) in &made {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        *next.headers_mut() = headers;
        Ok(next)
    }

    /// `Origin` on the other side: the server that redirects can vouch for no other origin than its own.
    fn origin(&self, origin: &HeaderValue) -> HeaderValue {
        if origin
            .as_bytes()
            .eq_ignore_ascii_case(self.from_origin.as_bytes())
        {
            origin.clone()
        } else {
            HeaderValue::from_static("null")
        }
    }
}

/// Headers that say nothing about the caller. Host and the key are made anew for each request.
const OF_THE_HANDSHAKE: [HeaderName; 4] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
];
