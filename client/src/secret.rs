//! Text that must not be printed.

use std::fmt;

/// A password or token: `Debug` shows that there is one and nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A name and its password, as HTTP Basic and proxies use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password, possibly empty.
    pub password: Secret,
}

impl Credentials {
    /// The value of an `Authorization` or `Proxy-Authorization` header (RFC 7617 §2).
    pub fn basic(&self) -> Secret {
        use base64::Engine as _;
        let pair = format!("{}:{}", self.user, self.password.reveal());
        Secret::new(format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_secret() {
        let credentials = Credentials {
            user: "Alice".into(),
            password: Secret::new("hunter2"),
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
        assert_eq!(credentials.basic().reveal(), "Basic QWxpY2U6aHVudGVyMg==");
    }
}
