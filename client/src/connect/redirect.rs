//! Where an answer sends the request instead, and what may go with it.

use http::header::HeaderName;

use super::settings::Settings;
use crate::error::ConnectError;
use crate::handshake::{self, HandshakeFault};
use crate::target::Target;

/// The place that an answer names, if it is a redirect.
pub(super) fn redirect_location(fault: &HandshakeFault) -> Option<String> {
    let response = fault.response.as_ref()?;
    matches!(response.status()?, 301 | 302 | 303 | 307 | 308).then(|| response.get("Location"))?
}

/// The settings for the next hop: never from wss to ws, no credentials to another origin.
pub(super) fn redirected(mut settings: Settings, location: &str) -> Result<Settings, ConnectError> {
    let from = settings.target.to_string();
    let refused = |reason: String| ConnectError::Redirect {
        from: from.clone(),
        reason,
    };
    let next = settings.target.join(location).map_err(&refused)?;
    if settings.target.secure && !next.secure {
        return Err(refused("it leads from wss to unencrypted ws".into()));
    }
    let same_origin = settings.target.same_origin(&next);
    let credentials = settings.target.credentials.take();
    settings.target = Target {
        credentials: None,
        ..next
    };
    if same_origin {
        settings.target.credentials = credentials;
    } else {
        let secret: Vec<HeaderName> = settings
            .headers
            .keys()
            .filter(|name| handshake::is_credential(name))
            .cloned()
            .collect();
        for name in secret {
            settings.headers.remove(name);
        }
        settings.tls.client_certificate = None;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        let mut settings = Settings::new(url.parse().unwrap());
        handshake::add_header(&mut settings.headers, "Authorization: Bearer x").unwrap();
        handshake::add_header(&mut settings.headers, "Cookie: a=b").unwrap();
        handshake::add_header(&mut settings.headers, "X-Plain: c").unwrap();
        settings
    }

    #[test]
    fn redirect_keeps_credentials_within_origin_only() {
        let same = redirected(settings("wss://u:p@h/"), "/other").unwrap();
        assert!(same.target.credentials.is_some() && same.headers.len() == 3);
        for location in ["wss://g/", "wss://h:444/", "https://sub.h/"] {
            let other = redirected(settings("wss://u:p@h/"), location).unwrap();
            assert!(
                other.target.credentials.is_none() && other.headers.len() == 1,
                "{location}"
            );
            assert!(other.headers.contains_key("x-plain"));
        }
    }

    #[test]
    fn redirect_never_loses_encryption() {
        for location in ["ws://h/", "http://h/"] {
            assert!(
                matches!(
                    redirected(settings("wss://h/"), location),
                    Err(ConnectError::Redirect { .. })
                ),
                "{location}"
            );
        }
        assert!(
            redirected(settings("ws://h/"), "wss://h/")
                .unwrap()
                .target
                .secure
        );
        assert!(redirected(settings("wss://h/"), "javascript://x").is_err());
    }
}
