//! The chat service over gRPC, on the same dialler, TLS and proxies as a WebSocket.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;

use crate::connect::{Opening, Settings, open_transport, request_headers};
use crate::error::ConnectError;
use crate::meter::{Meter, Metered};
use crate::phase::Phase;
use crate::target::Target;
use crate::timeouts::Timeouts;
use crate::tls::{Fault, TlsReport, TlsSettings};
use proto::Message;
use proto::chat_service_client::ChatServiceClient;

mod status;

pub(crate) use status::CallError;

/// Code generated from the service's description.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "made by tonic"
)]
mod proto {
    tonic::include_proto!("chat");
}

/// An HTTP/2 connection to a chat service. Clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    service: ChatServiceClient<Sender>,
    metadata: MetadataMap,
    timeouts: Timeouts,
    target: Target,
    tls: TlsSettings,
    fault: Fault,
}

/// Facts about an open gRPC connection.
#[derive(Clone, Debug)]
pub(crate) struct ChatDetails {
    /// URL without credentials.
    pub url: String,
    /// The other end of the TCP connection: the server, or the proxy.
    pub address: Option<SocketAddr>,
    /// Result of the TLS handshake.
    pub tls: Option<TlsReport>,
    /// Duration of each phase.
    pub timings: Vec<(Phase, Duration)>,
    /// Bytes inside TLS.
    pub meter: Meter,
}

/// Opens a connection to the chat service of the settings' target. Cancel safe.
///
/// # Errors
/// As for a WebSocket, and [`ConnectError::NoHttp2`].
pub(crate) async fn open(settings: &Settings) -> Result<(Chat, ChatDetails), ConnectError> {
    let target = &settings.target;
    let peer = target.host_and_port();
    let metadata = metadata(settings)?;
    let Opening {
        transport,
        address,
        tls,
        mut timings,
        fault,
    } = open_transport(settings, &["h2"]).await?;
    let no_http2 = |reason: String| ConnectError::NoHttp2 {
        peer: peer.clone(),
        reason,
    };
    // A server that ignores ALPN leaves it open what it speaks (RFC 7301 §3.2); gRPC wants it said.
    if tls
        .as_ref()
        .is_some_and(|tls| tls.alpn.as_deref() != Some("h2"))
    {
        return Err(no_http2("it did not choose h2 by ALPN".into()));
    }
    let started = Instant::now();
    let meter = Meter::of_bytes();
    let io = TokioIo::new(Metered::new(transport, meter.clone()));
    let handshake = async {
        Builder::new(TokioExecutor::new())
            .handshake(io)
            .await
            .map_err(|error| no_http2(error.to_string()))
    };
    let (sender, connection) = settings
        .timeouts
        .limit(Phase::Http, &peer, handshake)
        .await?;
    // Its errors reach the calls as well.
    tokio::spawn(connection);
    timings.push((Phase::Http, started.elapsed()));
    let scheme = if target.secure { "https" } else { "http" };
    let url = format!("{scheme}://{}", target.authority());
    let origin = Uri::try_from(&url).map_err(|error| ConnectError::Settings(error.to_string()))?;
    let limit = settings
        .options
        .websocket
        .max_message_size
        .unwrap_or(usize::MAX);
    let chat = Chat {
        service: ChatServiceClient::with_origin(Sender(sender), origin)
            .max_decoding_message_size(limit),
        metadata,
        timeouts: settings.timeouts,
        target: target.clone(),
        tls: settings.tls.clone(),
        fault,
    };
    let details = ChatDetails {
        url,
        address,
        tls,
        timings,
        meter,
    };
    Ok((chat, details))
}

/// The headers of the settings as gRPC metadata, less what HTTP/2 does otherwise.
fn metadata(settings: &Settings) -> Result<MetadataMap, ConnectError> {
    let mut headers = request_headers(settings);
    if headers.contains_key(header::HOST) {
        return Err(ConnectError::Settings(
            "Host cannot be set over HTTP/2; dial elsewhere with --connect-to".into(),
        ));
    }
    headers.remove(header::CONNECTION);
    Ok(MetadataMap::from_headers(headers))
}

impl Chat {
    /// Calls `SendMessage` and gives its reply.
    ///
    /// The reply time-out is the call's deadline; the server gets it (`grpc-timeout`).
    ///
    /// # Errors
    /// Returns the server's error, or that the connection was lost.
    pub(crate) async fn send(&mut self, sender: &str, text: &str) -> Result<String, CallError> {
        let mut request = tonic::Request::new(Message {
            sender: sender.to_owned(),
            text: text.to_owned(),
        });
        *request.metadata_mut() = self.metadata.clone();
        let deadline = self.timeouts.get(Phase::Reply);
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let call = self.service.send_message(request);
        let answer = match deadline {
            None => call.await,
            Some(deadline) => tokio::time::timeout(deadline, call)
                .await
                .map_err(|_| CallError::deadline(&self.target.host_and_port(), deadline))?,
        };
        match answer {
            Ok(response) => Ok(response.into_inner().reply),
            Err(status) => Err(match self.fault.get() {
                Some(fault) => CallError::Tls(Box::new(self.tls.explain(&self.target, fault))),
                None => CallError::from_status(&self.target.host_and_port(), &status),
            }),
        }
    }
}

/// hyper's sending half as the service that tonic's client calls.
#[derive(Clone, Debug)]
struct Sender(SendRequest<Body>);

impl Service<http::Request<Body>> for Sender {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // hyper is ready as long as it is connected. That it is not any more is for the call to say: tonic makes an
        // unknown status without a cause of what this returns.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
