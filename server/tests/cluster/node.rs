//! Server processes that share one NATS server, and the ways to reach them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::broker::Broker;
use crate::common::program::{Program, begin};
use crate::common::{client_config, connect, until};

/// Address of a server, and its authority. It stays good when the process is gone.
#[derive(Clone, Debug)]
pub(crate) struct NodeAddress {
    pub(crate) address: SocketAddr,
    /// Directory with its certificates, while the process lives.
    pub(crate) certs: PathBuf,
    http1: ClientConfig,
    http2: ClientConfig,
}

impl NodeAddress {
    fn new(program: &Program) -> Self {
        let certs = program.certs.path().to_owned();
        let config = |protocol| client_config(&certs.join("ca.crt"), &[protocol]);
        Self {
            address: program.address,
            http1: config("http/1.1"),
            http2: config("h2"),
            certs,
        }
    }

    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    pub(crate) async fn http1(&self) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.address, self.http1.clone(), "localhost").await
    }

    pub(crate) async fn http2(&self) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.address, self.http2.clone(), "localhost").await
    }

    /// A gRPC channel.
    pub(crate) async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let node = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let node = node.clone();
            async move { node.http2().await.map(TokioIo::new) }
        });
        // tonic wants `http` here: it is the connector that brings TLS.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.authority()));
        endpoint.unwrap().connect_with_connector(connector).await
    }

    /// One request over a connection of its own; what comes back until the server closes.
    pub(crate) async fn request(&self, head: &str, body: &str) -> std::io::Result<String> {
        let mut stream = self.http1().await?;
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The figure after `name` in the metrics.
    pub(crate) async fn figure(&self, name: &str) -> Option<u64> {
        let metrics = self.request("GET /metrics", "").await.ok()?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line?.trim().parse().ok()
    }
}

/// Addresses of the servers by number; one that was started anew has another address.
pub(crate) type NodeAddresses = Arc<Mutex<Vec<NodeAddress>>>;

/// Servers that share one NATS server.
pub(crate) struct Cluster {
    pub(crate) broker: Broker,
    nodes: Vec<Option<Program>>,
    pub(crate) addresses: NodeAddresses,
}

impl Cluster {
    /// So many servers, all connected.
    pub(crate) async fn started(nodes: usize) -> Self {
        let broker = Broker::started().await;
        let programs: Vec<_> = (0..nodes).map(|_| program(&broker)).collect();
        let addresses: Vec<_> = programs.iter().map(NodeAddress::new).collect();
        let cluster = Self {
            broker,
            nodes: programs.into_iter().map(Some).collect(),
            addresses: Arc::new(Mutex::new(addresses)),
        };
        for number in 0..nodes {
            cluster.ready(number).await;
        }
        cluster
    }

    pub(crate) fn node(&self, number: usize) -> NodeAddress {
        self.addresses.lock().unwrap()[number].clone()
    }

    /// As by kill -9.
    pub(crate) fn kill(&mut self, number: usize) {
        let mut program = self.nodes[number].take().unwrap();
        let ended = program.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
        // Dropping it is SIGKILL.
        drop(program);
    }

    /// Starts a server that was killed, on another port and with other certificates.
    pub(crate) async fn revive(&mut self, number: usize) {
        let program = program(&self.broker);
        self.addresses.lock().unwrap()[number] = NodeAddress::new(&program);
        self.nodes[number] = Some(program);
        self.ready(number).await;
    }

    async fn ready(&self, number: usize) {
        let node = self.node(number);
        until(async || {
            let answer = node.request("GET /readyz", "").await;
            answer.is_ok_and(|answer| answer.contains("200 OK"))
        })
        .await;
    }

    /// Waits until the servers have so many members together.
    pub(crate) async fn members(&self, wanted: u64) {
        until(async || self.count("wss_rooms_members ").await == wanted).await;
    }

    /// A figure of all servers together.
    pub(crate) async fn count(&self, name: &str) -> u64 {
        let addresses = self.addresses.lock().unwrap().clone();
        let mut sum = 0;
        for node in addresses {
            sum += node.figure(name).await.unwrap_or_default();
        }
        sum
    }

    /// Every server is the process that it was.
    pub(crate) fn all_live(&mut self) {
        for program in self.nodes.iter_mut().flatten() {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none(), "a server ended by itself: {ended:?}");
        }
    }
}

fn program(broker: &Broker) -> Program {
    let url = format!("nats://127.0.0.1:{}", broker.port);
    begin(&[
        "--nats",
        &url,
        "--nats-timeout",
        "1s",
        "--nats-required-for-readiness",
        "on",
        "--rooms-history-messages",
        "20000",
        "--rooms-history-bytes",
        "16MiB",
    ])
}
