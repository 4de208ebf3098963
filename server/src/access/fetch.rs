//! Fetching one document over https: verified, bounded in size and time, without redirects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// A document behind an https URL, and how to get it.
pub(super) struct Fetcher {
    url: Uri,
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
    timeout: Duration,
}

impl Fetcher {
    /// Prepares to fetch `url` from a server that the authorities in the file `ca` vouch for, or else the system's.
    ///
    /// # Errors
    /// The URL or the authorities cannot be used. The text does not repeat the URL, which may hold a password.
    pub(super) fn new(url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
        if url.scheme() != Some(&Scheme::HTTPS) {
            return Err("it must begin with https://".to_owned());
        }
        let authority = url.authority().ok_or("it names no server")?;
        if authority.as_str().contains('@') {
            return Err("it must hold neither user nor password".to_owned());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone());
        let name = name.map_err(|_| "it names no valid server".to_owned())?;
        let port = authority.port_u16().unwrap_or(443);
        let mut tls = ClientConfig::builder()
            .with_root_certificates(roots(ca)?)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            host,
            port,
            name,
            tls: TlsConnector::from(Arc::new(tls)),
            timeout,
            url,
        })
    }

    /// The document; redirects are not followed, so that only the server of the URL is trusted.
    ///
    /// # Errors
    /// It could not be had within the time, or is too large; the text says why.
    pub(super) async fn fetch(&self) -> Result<Bytes, String> {
        let fetched = tokio::time::timeout(self.timeout, self.request());
        fetched
            .await
            .map_err(|_| format!("no answer within {:?}", self.timeout))?
    }

    async fn request(&self) -> Result<Bytes, String> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = connecting.map_err(|error| format!("connection: {error}"))?;
        let stream = self.tls.connect(self.name.clone(), stream).await;
        let stream = stream.map_err(|error| format!("TLS: {error}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| http(&error))?;
        // Dropped with this future, whatever ends it.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let response = sender
            .send_request(self.head()?)
            .await
            .map_err(|error| http(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("status {status}; redirects are not followed"));
        }
        if status != StatusCode::OK {
            return Err(format!("status {status}"));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| format!("content: {error}, at most {MAX_BYTES} bytes"))?;
        Ok(body.to_bytes())
    }

    fn head(&self) -> Result<Request<Body>, String> {
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        Request::get(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Body::empty())
            .map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn http(error: &hyper::Error) -> String {
    format!("HTTP: {error}")
}

/// The authorities of the file, or of the system.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    if let Some(path) = ca {
        return certs::load_roots(path).map_err(|error| error.to_string());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "the system has no authorities; name some with --rooms-token-jwks-ca".to_owned(),
        );
    }
    Ok(roots)
}

/// Maximum size of the document: 1 MiB, as of files of keys. A set of 100 RSA keys has about 40 KiB.
const MAX_BYTES: usize = 1 << 20;
