//! The TLS handshake of a connection: in its turn, within its deadline, with its alert when it fails.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::{AlertDescription, InvalidMessage};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Acceptor;
use crate::linger::linger;
use crate::log::failure;
use crate::metrics::CauseLabel;
use crate::peer::Peer;
use crate::plain_http::{self, Opening, PlainHttp};
use crate::socket::Socket;
use crate::tls::{TlsStream, TlsTransport};

impl Acceptor {
    /// TLS within its deadline, the wait for a turn included.
    ///
    /// A peer whose handshake fails has its alert when this returns, or has had its time to take it.
    pub(crate) async fn handshake(&self, stream: Socket, peer: Peer) -> Option<TlsTransport> {
        let deadline = self.config.network.handshake_timeout.into();
        let (cause, farewell) = match timeout(deadline, self.open(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(Failed { error, farewell })) => {
                let cause = cause(&error);
                peer.span().in_scope(|| match cause {
                    // Probes of balancers and scanners of ports do that all day.
                    "disconnected" => failure!(DEBUG, %error, cause, "TLS handshake failed"),
                    _ => failure!(INFO, %error, cause, "TLS handshake failed"),
                });
                (cause, farewell)
            }
            Err(_) => {
                peer.span().in_scope(|| {
                    failure!(INFO, "TLS handshake not done within its deadline");
                });
                ("timeout", None)
            }
        };
        self.metrics
            .handshake_failures
            .get_or_create(&CauseLabel { cause })
            .inc();
        if let Some(farewell) = farewell {
            // A peer that does not take it is closed all the same.
            let _ = timeout(self.linger(), farewell).await;
        }
        None
    }

    /// TLS, or the refusal of what is none.
    async fn open(&self, stream: Socket) -> Result<TlsTransport, Failed> {
        match plain_http::receive(stream).await? {
            Opening::Tls(stream) => self.accept_tls(stream).await,
            Opening::Http(request) => Err(Failed {
                error: request.error(),
                farewell: Some(request.refuse(self.linger()).boxed()),
            }),
            // It fails, and tells the peer by its alert.
            Opening::Other(stream) => {
                let mut stream = TlsStream::new(&self.tls.current(), stream)?;
                Err(match stream.handshake().await {
                    Ok(()) => io::Error::from(io::ErrorKind::InvalidData).into(),
                    Err(error) => Failed::tls(error, stream, self.linger()),
                })
            }
        }
    }

    /// TLS in its turn.
    async fn accept_tls(&self, stream: Socket) -> Result<TlsTransport, Failed> {
        let mut stream = TlsStream::new(&self.tls.current(), stream)?;
        match self.in_turn(stream.handshake()).await {
            Ok(()) => Ok(stream),
            Err(error) => Err(Failed::tls(error, stream, self.linger())),
        }
    }

    /// Runs a handshake while it holds a permit.
    async fn in_turn<T>(&self, handshake: impl Future<Output = T>) -> T {
        // A turn is for work, not for waiting: silence takes none, and who stalls within the handshake gives it back.
        // The semaphore is never closed; without a permit the handshake would only be less bounded.
        let turn = self.handshakes.acquire().await;
        let mut handshake = pin!(handshake);
        if let Ok(done) = timeout(TURN, handshake.as_mut()).await {
            return done;
        }
        drop(turn);
        handshake.await
    }
}

/// A handshake that failed.
struct Failed {
    error: io::Error,
    /// Tells the peer and ends the connection.
    farewell: Option<BoxFuture<'static, io::Result<()>>>,
}

impl Failed {
    /// Keeps the `stream` on which the alert for `error` is still to arrive, within `time`.
    fn tls<S>(error: io::Error, mut stream: TlsStream<S>, time: Duration) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let farewell = async move {
            stream.shutdown().await?;
            linger(stream.get_mut(), time).await;
            Ok(())
        };
        Self {
            error,
            farewell: Some(farewell.boxed()),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            farewell: None,
        }
    }
}

/// One word for why a handshake failed.
fn cause(error: &io::Error) -> &'static str {
    use rustls::Error as Tls;
    let inner = error.get_ref();
    if inner
        .and_then(|inner| inner.downcast_ref::<PlainHttp>())
        .is_some()
    {
        return "plain_http";
    }
    let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Tls>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => "disconnected",
            _ => "io",
        };
    };
    match error {
        Tls::InvalidMessage(InvalidMessage::InvalidContentType) => "not_tls",
        Tls::InvalidMessage(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. } => "malformed",
        Tls::PeerIncompatible(_) => "incompatible",
        Tls::PeerMisbehaved(_) => "misbehaved",
        Tls::NoApplicationProtocol => "alpn",
        Tls::NoCertificatesPresented => "no_client_certificate",
        Tls::InvalidCertificate(_) => "client_certificate",
        Tls::AlertReceived(AlertDescription::UnknownCA | AlertDescription::BadCertificate) => {
            "client_distrusts_us"
        }
        Tls::AlertReceived(_) => "alert",
        Tls::General(text) if text.contains("no server certificate chain") => "unknown_name",
        _ => "other",
    }
}

/// Time after which a handshake that is still going on makes room for another one; it waits for its client.
const TURN: Duration = Duration::from_millis(100);
