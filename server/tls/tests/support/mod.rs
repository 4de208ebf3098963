//! A transport in memory, a client of rustls, and either of two servers between them.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, SupportedProtocolVersion};
use tls_stream::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

/// The versions of TLS that both sides speak.
pub const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// The two servers that must do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// [`TlsStream`].
    Ours,
    /// `tokio_rustls::server::TlsStream`.
    Reference,
}

/// A TLS stream of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A byte stream whose other end is the test.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Ends>>);

/// The state of a [`Wire`].
#[derive(Default)]
pub struct Ends {
    pub arriving: VecDeque<u8>,
    /// Nothing comes after what arrives.
    pub over: bool,
    pub departed: Vec<u8>,
    /// Calls of write.
    pub writes: usize,
    /// Bytes that may still be written.
    pub window: usize,
    /// The server has ended its side.
    pub shut: bool,
    /// The connection was reset.
    pub broken: bool,
}

impl Wire {
    pub fn new() -> Self {
        let wire = Self::default();
        wire.ends().window = usize::MAX;
        wire
    }

    pub fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ends = self.ends();
        if ends.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if ends.arriving.is_empty() && !ends.over {
            return Poll::Pending;
        }
        let length = buffer.remaining().min(ends.arriving.len());
        buffer.put_slice(&ends.arriving.drain(..length).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut ends = self.ends();
        ends.writes += 1;
        if ends.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if ends.window == 0 {
            return Poll::Pending;
        }
        let length = bytes.len().min(ends.window);
        ends.window -= length;
        ends.departed.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = Vec::new();
        for slice in slices {
            let window = self.ends().window.saturating_sub(bytes.len());
            bytes.extend_from_slice(&slice[..slice.len().min(window)]);
        }
        self.poll_write(context, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ends().shut = true;
        Poll::Ready(Ok(()))
    }
}

/// Polls once; the test knows by itself when to do it again.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The configuration of both sides.
#[derive(Clone)]
pub struct Setup {
    pub server: ServerConfig,
    pub client: ClientConfig,
}

impl Setup {
    /// A client of `versions`, a server of all.
    pub fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        certs::ensure(directory.path(), &certs::Request::default()).unwrap();
        let file = |name: &str| directory.path().join(name);
        let (chain, key) = certs::load_pair(&file("server.crt"), &file("server.key")).unwrap();
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(certs::load_roots(&file("ca.crt")).unwrap())
            .with_no_client_auth();
        Self { server, client }
    }

    /// A client before its handshake.
    pub fn client(&self) -> ClientConnection {
        let name = "localhost".try_into().unwrap();
        ClientConnection::new(Arc::new(self.client.clone()), name).unwrap()
    }

    /// The handshake of `server` over `wire`.
    pub fn accept(&self, server: Server, wire: Wire) -> Accepting<Box<dyn Stream>> {
        let config = self.server.clone();
        match server {
            Server::Ours => {
                let stream = accept_ours(config, wire);
                Box::pin(async move { Ok(Box::new(stream.await?) as Box<dyn Stream>) })
            }
            Server::Reference => Box::pin(async move {
                let stream = TlsAcceptor::from(Arc::new(config)).accept(wire).await?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            }),
        }
    }

    /// Both sides after their handshake.
    pub fn connected(&self, server: Server) -> Connected<Box<dyn Stream>> {
        let wire = Wire::new();
        self.finish(wire.clone(), self.accept(server, wire))
    }

    /// [`Connected`] to our own stream as such.
    pub fn ours(&self) -> Connected<TlsStream<Wire>> {
        let wire = Wire::new();
        let accepting = Box::pin(accept_ours(self.server.clone(), wire.clone()));
        self.finish(wire, accepting)
    }

    fn finish<S: Stream>(&self, wire: Wire, mut accepting: Accepting<S>) -> Connected<S> {
        let client = self.client();
        let mut peer = Peer { wire, client };
        let stream = loop {
            peer.send();
            let done = poll(accepting.as_mut());
            peer.receive().unwrap();
            if let Poll::Ready(stream) = done {
                break stream.unwrap();
            }
        };
        let mut connected = Connected { stream, peer };
        assert_eq!(connected.flush(), Poll::Ready(Ok(())));
        connected.peer.receive().unwrap();
        connected
    }
}

/// A handshake under way.
pub type Accepting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

async fn accept_ours(config: ServerConfig, wire: Wire) -> io::Result<TlsStream<Wire>> {
    let mut stream = TlsStream::new(&config, wire)?;
    stream.handshake().await?;
    Ok(stream)
}

/// The client and its end of the wire.
pub struct Peer {
    pub wire: Wire,
    pub client: ClientConnection,
}

impl Peer {
    /// Takes the records that the client has to send.
    pub fn records(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Sends them.
    pub fn send(&mut self) {
        let bytes = self.records();
        self.wire.ends().arriving.extend(bytes);
    }

    /// Seals `text` at the client.
    pub fn sealed(&mut self, text: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(text).unwrap();
        self.records()
    }

    /// Gives the client what the server has sent; returns the plaintext in it.
    pub fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let departed = std::mem::take(&mut self.wire.ends().departed);
        let (mut departed, mut text) = (&departed[..], Vec::new());
        while !departed.is_empty() {
            self.client.read_tls(&mut departed).unwrap();
            let state = self.client.process_new_packets()?;
            let mut part = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut part).unwrap();
            text.extend(part);
        }
        Ok(text)
    }

    /// True once the server's `close_notify` has come.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.client.reader().read(&mut [0]), Ok(0))
    }
}

/// Both sides after their handshake.
pub struct Connected<S> {
    pub stream: S,
    pub peer: Peer,
}

/// The result of one read.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Data(Vec<u8>),
    End,
    Failed(io::ErrorKind),
    Pending,
}

impl<S: Stream> Connected<S> {
    /// Reads once, up to `length` bytes.
    pub fn read(&mut self, length: usize) -> Outcome {
        let mut bytes = vec![0; length];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Outcome::End,
            Poll::Ready(Ok(())) => Outcome::Data(buffer.filled().to_vec()),
            Poll::Ready(Err(error)) => Outcome::Failed(error.kind()),
            Poll::Pending => Outcome::Pending,
        }
    }

    /// Reads until there is no data, up to `length` bytes at a time; returns what came and what ended it.
    pub fn read_all(&mut self, length: usize) -> (Vec<u8>, Outcome) {
        let mut bytes = Vec::new();
        loop {
            match self.read(length) {
                Outcome::Data(part) => bytes.extend(part),
                other => return (bytes, other),
            }
        }
    }

    /// Writes once.
    pub fn write(&mut self, bytes: &[u8]) -> Poll<Result<usize, io::ErrorKind>> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_write(&mut context, bytes)
            .map_err(|error| error.kind())
    }

    /// Writes once from `slices`.
    pub fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut self.stream).poll_write_vectored(&mut context, slices);
        let Poll::Ready(Ok(written)) = written else {
            panic!("{written:?}");
        };
        written
    }

    /// Writes everything and flushes it; the wire takes it all.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut written = 0;
        while written < bytes.len() {
            let Poll::Ready(part) = self.write(&bytes[written..]) else {
                panic!("the wire takes everything");
            };
            written += part.unwrap();
        }
        assert_eq!(self.flush(), Poll::Ready(Ok(())));
    }

    pub fn flush(&mut self) -> Poll<Result<(), io::ErrorKind>> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_flush(&mut context)
            .map_err(|error| error.kind())
    }

    pub fn shutdown(&mut self) -> Poll<Result<(), io::ErrorKind>> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_shutdown(&mut context)
            .map_err(|error| error.kind())
    }

    /// Lets `bytes` arrive at the server.
    pub fn arrive(&mut self, bytes: &[u8]) {
        self.peer.wire.ends().arriving.extend(bytes);
    }
}
