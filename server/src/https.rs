//! Requests of this server to others over https: verified, bounded in size and time, without redirects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// A client for https; each request has a connection of its own.
#[derive(Clone)]
pub(crate) struct Https {
    tls: TlsConnector,
    timeout: Duration,
}

/// The server that a URL names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    host: String,
    port: u16,
    name: ServerName<'static>,
    authority: HeaderValue,
}

impl Target {
    /// The server of `url`.
    ///
    /// # Errors
    /// The URL is not https, or names no server. The text does not repeat the URL, which may hold a password.
    pub(crate) fn of(url: &Uri) -> Result<Self, String> {
        if url.scheme() != Some(&Scheme::HTTPS) {
            return Err("it must begin with https://".to_owned());
        }
        let authority = url.authority().ok_or("it names no server")?;
        if authority.as_str().contains('@') {
            return Err("it must hold neither user nor password".to_owned());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone());
        let written = HeaderValue::from_str(authority.as_str());
        Ok(Self {
            name: name.map_err(|_| "it names no valid server".to_owned())?,
            authority: written.map_err(|_| "it names no valid server".to_owned())?,
            port: authority.port_u16().unwrap_or(443),
            host,
        })
    }
}

impl Https {
    /// A client that trusts the authorities in the file `ca`, or else the system's; `setting` names the option for them.
    ///
    /// `timeout` is the maximum time for a request with its response.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub(crate) fn new(ca: Option<&Path>, setting: &str, timeout: Duration) -> Result<Self, String> {
        let mut tls = ClientConfig::builder()
            .with_root_certificates(roots(ca, setting)?)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            timeout,
        })
    }

    /// Sends `request`, whose URI is a whole URL, and returns the whole response.
    ///
    /// # Errors
    /// The response could not be had within the time, or is too large; the text says why.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Bytes>, String> {
        let sent = tokio::time::timeout(self.timeout, self.exchange(request));
        sent.await
            .map_err(|_| format!("no answer within {:?}", self.timeout))?
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Bytes>, String> {
        let target = Target::of(request.uri())?;
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
        request.headers_mut().insert(header::HOST, target.authority);
        let connecting = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = connecting.map_err(|error| format!("connection: {error}"))?;
        let stream = self.tls.connect(target.name, stream).await;
        let stream = stream.map_err(|error| format!("TLS: {error}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| http(&error))?;
        // Dropped with this future, whatever ends it.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|error| http(&error))?.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await;
        let body = body.map_err(|error| format!("content: {error}, at most {MAX_BYTES} bytes"))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Https")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn http(error: &hyper::Error) -> String {
    format!("HTTP: {error}")
}

/// The authorities of the file, or of the system.
fn roots(ca: Option<&Path>, setting: &str) -> Result<RootCertStore, String> {
    if let Some(path) = ca {
        return certs::load_roots(path).map_err(|error| error.to_string());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(format!(
            "the system has no authorities; name some with {setting}"
        ));
    }
    Ok(roots)
}

/// Maximum size of a response's content: 1 MiB, as of files of keys. A set of 100 RSA keys has about 40 KiB.
const MAX_BYTES: usize = 1 << 20;
