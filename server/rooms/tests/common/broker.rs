//! A real nats-server for tests.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this"
)]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rooms::Settings;
use rooms::backplane::{Nats, NatsCounts, NatsSettings};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A nats-server with `JetStream`, which can die and come back to the same port and store.
pub struct Broker {
    pub port: u16,
    store: TempDir,
    /// Further flags.
    pub flags: Vec<String>,
    child: Option<Child>,
}

impl Broker {
    /// A server that is yet to be started.
    pub fn absent() -> Self {
        Self {
            port: free_port(),
            store: tempfile::tempdir().unwrap(),
            flags: Vec::new(),
            child: None,
        }
    }

    pub async fn started() -> Self {
        let mut broker = Self::absent();
        broker.start().await;
        broker
    }

    pub async fn start(&mut self) {
        let port = self.port.to_string();
        let mut child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(self.store.path())
            .args(&self.flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        let address = ("127.0.0.1", self.port);
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, listening)
            .await
            .expect("nats-server listens");
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "another server has its port: {ended:?}");
        self.child = Some(child);
    }

    pub fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        kill_process(Pid::from_raw(id.cast_signed()).unwrap(), signal).unwrap();
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// As by kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn settings(&self) -> NatsSettings {
        let mut settings = NatsSettings::new(vec![
            format!("nats://127.0.0.1:{}", self.port).parse().unwrap(),
        ]);
        settings.timeout = Duration::from_secs(1);
        settings.heartbeat = Duration::from_millis(300);
        settings
    }

    pub fn backplane(&self) -> Nats {
        Self::backplane_with(self.settings(), NatsCounts::default())
    }

    pub fn backplane_with(settings: NatsSettings, counts: NatsCounts) -> Nats {
        Nats::new(settings, Settings::default(), counts).unwrap()
    }

    /// A client without anything of ours.
    pub async fn stranger(&self) -> async_nats::Client {
        async_nats::connect(format!("127.0.0.1:{}", self.port))
            .await
            .unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.child.is_some() {
            // A stopped process does not die of SIGTERM, but of this.
            self.kill();
        }
    }
}

/// A port for a server that is started later, maybe more than once: no other of this process gets it, though nobody
/// listens there meanwhile.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Time within which it has to listen.
const PATIENCE: Duration = Duration::from_secs(20);
