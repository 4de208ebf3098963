//! New certificates while the server is busy (threats T13, T15).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use certs::Request;
use common::{connect, soon, start, start_with, status_of};
use futures_util::{SinkExt, StreamExt};
use rustls::crypto::aws_lc_rs;
use rustls::{AlertDescription, ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

/// The certificates that were ever in force, and which of them are known to be served.
#[derive(Debug, Default)]
struct History {
    /// In their order; the last may be about to be loaded.
    all: Mutex<Vec<Vec<u8>>>,
    /// Index of the last that is known to have been loaded.
    loaded: AtomicUsize,
    over: AtomicBool,
    handshakes: AtomicUsize,
}

impl History {
    /// A certificate that is about to be loaded.
    fn announce(&self, directory: &Path) {
        let chain = certs::load_certificates(&directory.join("server.crt")).unwrap();
        self.all.lock().unwrap().push(chain[0].to_vec());
    }

    /// It has been loaded.
    fn confirm(&self) {
        let last = self.all.lock().unwrap().len() - 1;
        self.loaded.store(last, Ordering::SeqCst);
    }

    /// Makes handshakes until the swaps are over; every one must succeed with a certificate that was in force meanwhile.
    async fn watch(&self, server: &common::Running) {
        while !self.over.load(Ordering::SeqCst) {
            let first = self.loaded.load(Ordering::SeqCst);
            let stream = server.tls(&[]).await;
            let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let all = self.all.lock().unwrap();
            assert!(
                all[first..].contains(&shown),
                "a certificate that was not in force since {first}"
            );
            self.handshakes.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Exchanges messages until the swaps are over; none may be lost.
    async fn converse(&self, mut client: common::Client) -> usize {
        let mut count = 0;
        while !self.over.load(Ordering::SeqCst) {
            let word = Message::text(format!("message {count}"));
            soon(client.send(word.clone())).await.unwrap();
            assert_eq!(soon(client.next()).await.unwrap().unwrap(), word);
            count += 1;
            tokio::task::yield_now().await;
        }
        count
    }
}

/// Spoils the pair in `directory` in one way or another, has it read, and puts it right again.
fn spoil(directory: &Path, foreign: &Path, number: usize, reload: &dyn Fn()) {
    let (certificate, key) = (directory.join("server.crt"), directory.join("server.key"));
    let good = (
        std::fs::read(&certificate).unwrap(),
        std::fs::read(&key).unwrap(),
    );
    match number % 3 {
        0 => std::fs::write(&certificate, &good.0[..good.0.len() / 2]).unwrap(),
        1 => {
            std::fs::write(&key, std::fs::read(foreign.join("server.key")).unwrap()).unwrap();
        }
        _ => std::fs::write(&key, b"").unwrap(),
    }
    reload();
    std::fs::write(&certificate, &good.0).unwrap();
    std::fs::write(&key, &good.1).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_a_hundred_swaps_under_load_lose_nothing() {
    const SWAPS: usize = 100;
    let server = Arc::new(start(&["--certificate-poll", "off"]).await);
    let foreign = tempfile::tempdir().unwrap();
    certs::ensure(foreign.path(), &Request::default()).unwrap();
    let history = Arc::new(History::default());
    history.announce(server.certs.path());
    let mut conversing = Vec::new();
    for _ in 0..20 {
        let (client, _) = server.open("/echo", &[]).await;
        let history = Arc::clone(&history);
        conversing.push(tokio::spawn(async move { history.converse(client).await }));
    }
    let watching: Vec<_> = (0..3)
        .map(|_| {
            let (history, server) = (Arc::clone(&history), Arc::clone(&server));
            tokio::spawn(async move { history.watch(&server).await })
        })
        .collect();
    let swapping = {
        let (history, server) = (Arc::clone(&history), Arc::clone(&server));
        tokio::task::spawn_blocking(move || {
            let renewal = Request {
                force: true,
                ..Request::default()
            };
            for swap in 0..SWAPS {
                if swap % 2 == 0 {
                    spoil(
                        server.certs.path(),
                        foreign.path(),
                        swap / 2,
                        &server.reload,
                    );
                }
                certs::ensure(server.certs.path(), &renewal).unwrap();
                history.announce(server.certs.path());
                (server.reload)();
                history.confirm();
            }
            history.over.store(true, Ordering::SeqCst);
        })
    };
    swapping.await.unwrap();
    for watching in watching {
        watching.await.unwrap();
    }
    for conversing in conversing {
        assert!(conversing.await.unwrap() > 0);
    }
    assert!(history.handshakes.load(Ordering::SeqCst) >= 50);
    let metrics = server.get("/metrics").await;
    for line in [
        "wss_certificate_reloads_total{result=\"loaded\"} 100",
        "wss_certificate_reloads_total{result=\"refused\"} 50",
        "wss_websocket_opened_total{route=\"/echo\",http=\"1.1\",deflate=\"no\"} 20",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(
        !metrics.contains("wss_tls_handshake_failures_total{"),
        "{metrics}"
    );
}

/// Returns the handshake of `config` once a request was answered; the alert if it was refused.
async fn request(
    server: &common::Running,
    config: &ClientConfig,
) -> Result<HandshakeKind, Option<AlertDescription>> {
    let asking = async {
        let mut stream = connect(server.address, config.clone(), "localhost").await?;
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer).await;
        if answer.is_empty() {
            read?;
        }
        assert_eq!(status_of(&answer), 200);
        Ok::<_, std::io::Error>(stream.get_ref().1.handshake_kind().unwrap())
    };
    soon(asking).await.map_err(
        |error| match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::AlertReceived(alert) => Some(*alert),
            _ => None,
        },
    )
}

#[tokio::test]
async fn t15_a_ticket_does_not_outlive_the_authority_that_it_was_given_under() {
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let client = Request {
            client: Some("alice".to_owned()),
            ..Request::default()
        };
        certs::ensure(ours.path(), &Request::default()).unwrap();
        let shown = certs::ensure(ours.path(), &client).unwrap();
        certs::ensure(theirs.path(), &Request::default()).unwrap();
        let trusted = ours.path().join("clients.crt");
        std::fs::copy(ours.path().join("ca.crt"), &trusted).unwrap();
        let trust = trusted.to_str().unwrap().to_owned();
        let flags = ["--client-auth", "required", "--client-ca", &trust];
        let server = start_with(ours, &flags, |server| server);
        let (chain, key) = certs::load_pair(&shown.certificate, &shown.key).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(certs::load_roots(&server.authority()).unwrap())
            .with_client_auth_cert(chain, key)
            .unwrap();
        assert_eq!(request(&server, &config).await, Ok(HandshakeKind::Full));
        assert_eq!(request(&server, &config).await, Ok(HandshakeKind::Resumed));
        // The same authority read again: a new handshake, with the certificate asked for again.
        (server.reload)();
        assert_eq!(request(&server, &config).await, Ok(HandshakeKind::Full));
        assert_eq!(request(&server, &config).await, Ok(HandshakeKind::Resumed));
        // Another authority: the ticket is worth nothing.
        std::fs::copy(theirs.path().join("ca.crt"), &trusted).unwrap();
        (server.reload)();
        let refused = request(&server, &config).await;
        assert!(matches!(refused, Err(Some(_))), "{refused:?}");
    }
}
