//! A name with its password, as HTTP Basic and proxies use them (RFC 7617, RFC 1929).

use std::fmt;

use data_encoding::BASE64;
use http::HeaderValue;
use percent_encoding::percent_decode_str;

use super::invalid_url::InvalidUrl;

/// A name with its password. `Debug` hides the password.
///
/// ```
/// use tungstenite_deflate::handshake::Credentials;
///
/// let credentials = Credentials::from_user_info("Aladdin:open%20sesame")?;
/// assert_eq!(credentials.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// # Ok::<(), tungstenite_deflate::handshake::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Takes both as they are, not percent-encoded.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    /// Reads `user:password`, as it stands before the `@` of a URL, percent-encoded (RFC 3986 §3.2.1). A missing password
    /// is empty.
    ///
    /// # Errors
    /// [`InvalidUrl::Credentials`]: it is not UTF-8, has control characters, or a colon in the name, which HTTP Basic
    /// cannot carry (RFC 7617 §2).
    pub fn from_user_info(text: &str) -> Result<Self, InvalidUrl> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let user = decoded(user)?;
        if user.contains(':') {
            return Err(InvalidUrl::Credentials);
        }
        Ok(Self::new(user, decoded(password)?))
    }

    /// Returns the name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the value of `Authorization` or `Proxy-Authorization`, marked as sensitive (RFC 7617 §2).
    #[expect(clippy::missing_panics_doc, reason = "it never panics")]
    pub fn basic(&self) -> HeaderValue {
        let pair = format!("{}:{}", self.user, self.password);
        let value = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let mut value = HeaderValue::try_from(value).expect("base64 is ASCII");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

fn decoded(text: &str) -> Result<String, InvalidUrl> {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.chars().any(char::is_control) => Ok(decoded.into_owned()),
        _ => Err(InvalidUrl::Credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let credentials = Credentials::new("Aladdin", "open sesame");
        assert!(!format!("{credentials:?}").contains("sesame"));
        assert!(!format!("{:?}", credentials.basic()).contains("QWxhZGRpb"));
    }
}
