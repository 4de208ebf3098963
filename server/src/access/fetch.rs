//! Fetching one document over https.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};

use crate::https::{Https, Target};

/// A document behind an https URL, and how to get it.
#[derive(Debug)]
pub(super) struct Fetcher {
    url: Uri,
    https: Https,
}

impl Fetcher {
    /// Prepares to fetch `url` from a server that the authorities in the file `ca` vouch for, or else the system's.
    ///
    /// # Errors
    /// The URL or the authorities cannot be used. The text does not repeat the URL, which may hold a password.
    pub(super) fn new(url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
        Target::of(&url)?;
        let https = Https::new(ca, "--rooms-token-jwks-ca", timeout)?;
        Ok(Self { url, https })
    }

    /// The document; redirects are not followed, so that only the server of the URL is trusted.
    ///
    /// # Errors
    /// It could not be had within the time, or is too large; the text says why.
    pub(super) async fn fetch(&self) -> Result<Bytes, String> {
        let request = Request::get(self.url.clone())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Body::empty())
            .map_err(|error| error.to_string())?;
        let response = self.https.send(request).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("status {status}; redirects are not followed"));
        }
        if status != StatusCode::OK {
            return Err(format!("status {status}"));
        }
        Ok(response.into_body())
    }
}
