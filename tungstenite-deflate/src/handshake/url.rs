//! WebSocket URLs (RFC 6455 §3): from text to request target, Host and the address to connect to.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::header;
use http::uri::Authority;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::credentials::Credentials;
use super::host::HostPort;
use super::invalid_url::InvalidUrl;
use crate::tungstenite::Error;
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::error::UrlError;
use crate::tungstenite::handshake::client::Request;

/// A WebSocket URL, in the parts that a client needs.
///
/// Every function of this crate that takes a URL reads it here. Its [`path_and_query`](Self::path_and_query) can always be
/// sent, and its [`authority`](Self::authority) is always a Host header.
///
/// | part | rule |
/// |---|---|
/// | scheme | `ws`, `wss`, in any case; from text also `http` and `https`, which mean them (as browsers, WHATWG WebSockets §3.1) |
/// | user information | kept aside: [`user_info`](Self::user_info). It is part of neither target nor Host (RFC 9110 §4.2.4) |
/// | host and port | see [`HostPort`]; the scheme's own port is left out of Host (RFC 6455 §4.1, request item 4) |
/// | path | at least `/`, also before a query (RFC 9112 §3.2.1); dot segments are removed (RFC 3986 §5.2.4) |
/// | path and query | percent-encoding stays as it is; characters that RFC 3986 §3.3 and §3.4 do not have are encoded as UTF-8, as is a `%` without two hexadecimal digits |
/// | fragment | refused (RFC 6455 §3); of a redirect's `Location` it is dropped |
/// | control characters anywhere, white space around the URL, `\` before the path | refused: parsers differ about them |
///
/// ```
/// use tungstenite_deflate::handshake::WebSocketUrl;
///
/// let url = "wss://bücher.example?name=João".parse::<WebSocketUrl>()?;
/// assert_eq!(url.path_and_query(), "/?name=Jo%C3%A3o");
/// assert_eq!((url.host(), url.port()), ("xn--bcher-kva.example", 443));
/// assert_eq!(url.join("../a?to=ws://b")?.to_string(), "wss://xn--bcher-kva.example/a?to=ws://b");
/// # Ok::<(), tungstenite_deflate::handshake::InvalidUrl>(())
/// ```
///
/// It may be given to [`client_async`](crate::client_async) and its like in place of text. Text goes through
/// [`http::Uri`] there, as with tungstenite, which takes no name that is not ASCII, no space and no `<` or `>`, and drops
/// a fragment; parse it as `WebSocketUrl` where it comes from people.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketUrl {
    is_secure: bool,
    user_info: Option<String>,
    at: HostPort,
    path_and_query: String,
}

impl WebSocketUrl {
    /// `wss` rather than `ws`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// `ws` or `wss`.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure { "wss" } else { "ws" }
    }

    /// The part before the `@`, still percent-encoded: often `user:password`.
    pub fn user_info(&self) -> Option<&str> {
        self.user_info.as_deref()
    }

    /// Returns the name and password before the `@`, decoded.
    ///
    /// # Errors
    /// [`InvalidUrl::Credentials`]; see [`Credentials::from_user_info`].
    pub fn credentials(&self) -> Result<Option<Credentials>, InvalidUrl> {
        self.user_info()
            .map(Credentials::from_user_info)
            .transpose()
    }

    /// Returns true if scheme, host and port are the same: a request to `other` may carry what was given for this URL
    /// (RFC 6454 §5).
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.is_secure == other.is_secure
            && self.host() == other.host()
            && self.port() == other.port()
    }

    /// The host to connect to; see [`HostPort::host`].
    pub fn host(&self) -> &str {
        self.at.host()
    }

    /// The host to verify the certificate for; see [`HostPort::server_name`].
    pub fn server_name(&self) -> &str {
        self.at.server_name()
    }

    /// The port to connect to: the URL's, else 443 for `wss` and 80 for `ws` (RFC 6455 §3).
    pub fn port(&self) -> u16 {
        self.at.port().unwrap_or(default_port(self.is_secure))
    }

    /// The value of the Host header, without the scheme's own port.
    pub fn authority(&self) -> String {
        self.at.to_string()
    }

    /// The request target in origin form (RFC 9112 §3.2.1).
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The URL that `reference`, such as a `Location` header, names when it is read in a response from this one
    /// (RFC 3986 §5.2.2). A fragment is dropped (RFC 9110 §10.2.2); user information is not passed on.
    ///
    /// # Errors
    /// The result is no WebSocket URL.
    pub fn join(&self, reference: &str) -> Result<Self, InvalidUrl> {
        let reference = reference.split('#').next().unwrap_or_default();
        refuse_characters(reference)?;
        if scheme_of(reference).is_some() {
            return reference.parse();
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::of_text(self.is_secure, rest);
        }
        let path = self.path_and_query.split('?').next().unwrap_or("/");
        let joined = match reference.as_bytes().first() {
            None => self.path_and_query.clone(),
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => {
                let directory = path.rfind('/').map_or("/", |slash| &path[..=slash]);
                format!("{directory}{reference}")
            }
        };
        Self::new(self.is_secure, None, self.at.clone(), &joined)
    }

    pub(super) fn without_user_info(mut self) -> Self {
        self.user_info = None;
        self
    }

    /// `http::Uri`'s form, without user information.
    pub(crate) fn to_uri(&self) -> Result<Uri, InvalidUrl> {
        self.to_string().parse().map_err(|_| InvalidUrl::TooLong)
    }

    /// Reads what follows `scheme://`.
    fn of_text(is_secure: bool, rest: &str) -> Result<Self, InvalidUrl> {
        let (authority, path_and_query) =
            rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user_info, at) = match authority.rsplit_once('@') {
            Some((user_info, at)) => (Some(user_info), at),
            None => (None, authority),
        };
        if authority.contains('\\') {
            return Err(InvalidUrl::Backslash);
        }
        // A password with `/` or `?` in it ends the authority early: what then looks like host and port is a secret.
        let conceal = |fault| match fault {
            InvalidUrl::Host { .. } | InvalidUrl::Port { .. } if rest.contains('@') => {
                InvalidUrl::UserInfo
            }
            other => other,
        };
        let at = at.parse().map_err(conceal)?;
        Self::new(is_secure, user_info, at, path_and_query)
    }

    fn new(
        is_secure: bool,
        user_info: Option<&str>,
        at: HostPort,
        path_and_query: &str,
    ) -> Result<Self, InvalidUrl> {
        let at = at.without_port(default_port(is_secure));
        let url = Self {
            is_secure,
            user_info: user_info.map(str::to_owned),
            path_and_query: target(path_and_query),
            at,
        };
        Authority::try_from(url.authority()).map_err(|_| InvalidUrl::host(url.host()))?;
        url.to_uri()?;
        Ok(url)
    }
}

impl FromStr for WebSocketUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        refuse_characters(text)?;
        if text.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let scheme = scheme_of(text).ok_or(InvalidUrl::NoScheme)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(InvalidUrl::scheme(scheme)),
        };
        let rest = text[scheme.len()..]
            .strip_prefix("://")
            .ok_or(InvalidUrl::NoHost)?;
        Self::of_text(is_secure, rest)
    }
}

impl TryFrom<&Uri> for WebSocketUrl {
    type Error = InvalidUrl;

    /// As from text, but `http` and `https` are refused, as by tungstenite.
    fn try_from(uri: &Uri) -> Result<Self, InvalidUrl> {
        match uri.scheme_str() {
            None => Err(InvalidUrl::NoScheme),
            Some(scheme)
                if !["ws", "wss"]
                    .iter()
                    .any(|known| scheme.eq_ignore_ascii_case(known)) =>
            {
                Err(InvalidUrl::scheme(scheme))
            }
            Some(_) => uri.to_string().parse(),
        }
    }
}

impl IntoClientRequest for WebSocketUrl {
    fn into_client_request(self) -> Result<Request, Error> {
        (&self).into_client_request()
    }
}

impl IntoClientRequest for &WebSocketUrl {
    /// The request's URI has no user information; [`Options::url_credentials`](crate::Options::url_credentials) finds it
    /// among the extensions.
    fn into_client_request(self) -> Result<Request, Error> {
        let mut request = self.to_uri()?.into_client_request()?;
        if let Some(user_info) = &self.user_info {
            request.extensions_mut().insert(UserInfo(user_info.clone()));
        }
        Ok(request)
    }
}

/// The user information of a request's URL, kept out of the URI, which `Debug` prints.
#[derive(Clone)]
struct UserInfo(String);

/// Inserts `Authorization` for the credentials of the request's URL, unless the caller wrote one.
pub(crate) fn insert_credentials(request: &mut Request) -> Result<(), InvalidUrl> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let credentials = match request.extensions().get::<UserInfo>() {
        Some(UserInfo(text)) => Some(Credentials::from_user_info(text)?),
        None => WebSocketUrl::try_from(request.uri())?.credentials()?,
    };
    if let Some(credentials) = credentials {
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, credentials.basic());
    }
    Ok(())
}

impl fmt::Display for WebSocketUrl {
    /// Without user information.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at, path_and_query, ..
        } = self;
        write!(f, "{}://{at}{path_and_query}", self.scheme())
    }
}

impl fmt::Debug for WebSocketUrl {
    /// Without user information, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocketUrl({self})")
    }
}

/// Turns what a caller passed as URL or request into a request, as tungstenite does.
///
/// # Errors
/// As tungstenite's, but [`Error::Url`] for every URL that cannot be read.
pub(crate) fn client_request<R: IntoClientRequest>(request: R) -> Result<Request, Error> {
    request.into_client_request().map_err(|error| match error {
        Error::HttpFormat(error) if error.is::<http::uri::InvalidUri>() => {
            // The text itself is not to be had here: tungstenite's impl for `&str` has taken it apart.
            Error::Url(UrlError::UnableToConnect(format!(
                "this URL: {error}; pass a `WebSocketUrl`, which takes names that are not ASCII, and spaces"
            )))
        }
        other => other,
    })
}

fn default_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

/// `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`, up to a colon (RFC 3986 §3.1).
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_inner);
    is_scheme.then_some(scheme)
}

fn refuse_characters(text: &str) -> Result<(), InvalidUrl> {
    let at_an_end = [text.chars().next(), text.chars().next_back()];
    let space = at_an_end
        .into_iter()
        .flatten()
        .find(|end| end.is_whitespace());
    match text
        .chars()
        .find(|character| character.is_control())
        .or(space)
    {
        Some(character) => Err(InvalidUrl::Character { character }),
        None => Ok(()),
    }
}

/// Path and query as a request target.
fn target(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut target = encoded(&without_dot_segments(path));
    if let Some(query) = query {
        target.push('?');
        target.push_str(&encoded(query));
    }
    target
}

/// RFC 3986 §5.2.4. `path` is empty or begins with a slash; the result does.
fn without_dot_segments(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Percent-encodes what neither path nor query has; a `%` before two hexadecimal digits stays.
fn encoded(text: &str) -> String {
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let mut pieces = text.split('%');
    let mut encoded = String::with_capacity(text.len());
    encoded.extend(utf8_percent_encode(
        pieces.next().unwrap_or_default(),
        NOT_IN_TARGETS,
    ));
    for piece in pieces {
        encoded.push_str(if is_escape(piece) { "%" } else { "%25" });
        encoded.extend(utf8_percent_encode(piece, NOT_IN_TARGETS));
    }
    encoded
}

/// ASCII that is no `pchar`, `/` or `?` (RFC 3986 §3.3, §3.4), but for `%`.
const NOT_IN_TARGETS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
