//! Target of a redirected request, and the fields that may go with it.

use super::settings::Settings;
use crate::error::ConnectError;
use crate::handshake::HandshakeFault;
use crate::sensitive::shown_target;

/// The URL that a redirect names.
pub(super) fn redirect_location(fault: &HandshakeFault) -> Option<String> {
    let response = fault.response.as_ref()?;
    matches!(response.status()?, 301 | 302 | 303 | 307 | 308).then(|| response.get("Location"))?
}

/// Makes the settings for the next hop by the library's rules; a client certificate and its name stay with the origin too.
pub(super) fn redirected(mut settings: Settings, location: &str) -> Result<Settings, ConnectError> {
    let from = shown_target(&settings.target.to_string()).into_owned();
    let refused = |reason: String| ConnectError::Redirect {
        from: from.clone(),
        reason,
    };
    let redirect = settings.target.redirect(location).map_err(&refused)?;
    let credentials = settings.target.credentials.take();
    settings.target = redirect.url().clone().try_into().map_err(refused)?;
    settings.headers = redirect.headers(&settings.headers);
    if redirect.is_same_origin() {
        settings.target.credentials = credentials;
    } else {
        settings.subprotocols.clear();
        settings.tls.client_certificate = None;
        settings.tls.server_name = None;
        settings.is_stripped = true;
        // The proxy may be one that the first target was exempt from.
        if settings.proxy_to_target().is_some() {
            settings.tls.local_ca = None;
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderValue, ORIGIN};

    use super::*;

    fn settings(url: &str) -> Settings {
        let mut settings = Settings::new(url.parse().unwrap());
        for line in ["Authorization: Bearer x", "Cookie: a=b", "X-Plain: c"] {
            crate::request::add_header(&mut settings.headers, line).unwrap();
        }
        settings.subprotocols = vec!["chat".into(), "bearer.x".into()];
        settings
    }

    #[test]
    fn redirect_keeps_credentials_within_origin_only() {
        let same = redirected(settings("wss://u:p@h/"), "/other").unwrap();
        assert!(same.target.credentials.is_some() && same.headers.len() == 3);
        for location in ["wss://g/", "wss://h:444/", "https://sub.h/"] {
            let other = redirected(settings("wss://u:p@h/"), location).unwrap();
            assert!(
                other.target.credentials.is_none() && other.headers.is_empty(),
                "{location}"
            );
            assert!(other.subprotocols.is_empty() && other.is_stripped);
        }
    }

    #[test]
    fn origin_goes_along_only_from_the_server_that_it_names() {
        for (origin, after) in [
            ("https://h", "https://h"),
            ("HTTPS://H", "HTTPS://H"),
            ("https://page.example", "null"),
            ("http://h", "null"),
            ("https://h:444", "null"),
        ] {
            let mut settings = settings("wss://h/");
            crate::request::add_header(&mut settings.headers, &format!("Origin: {origin}"))
                .unwrap();
            let same = redirected(settings.clone(), "/other").unwrap();
            assert_eq!(same.headers[ORIGIN], origin);
            let other = redirected(settings, "wss://g/").unwrap();
            assert_eq!(
                (other.headers.len(), &other.headers[ORIGIN]),
                (1, &HeaderValue::from_static(after))
            );
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
