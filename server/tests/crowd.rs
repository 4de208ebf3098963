//! Thousands of members in one room, over real sockets to servers in processes of their own: everybody gets everything, and
//! what it costs is printed.
//!
//! `scripts/measure-rooms` runs this with a release build and 10,000 members; what it prints is what server/SCALE.md says.

#![allow(
    clippy::cast_precision_loss,
    clippy::large_futures,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../rooms/tests/common/broker.rs"]
mod broker;
mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker::Broker;
use common::program::{Program, begin_after};
use common::{PATIENCE, client_config, connect, soon, until};
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{DeflateConfig, Options, WebSocketStream, client_async_with_options};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Size of the crowd, by the environment: `CROWD_MEMBERS` and so on.
struct Size {
    members: u64,
    /// Servers; more than one need NATS.
    nodes: usize,
    /// True if NATS keeps the room.
    nats: bool,
    /// True if members offer permessage-deflate, as browsers do.
    deflate: bool,
    /// Messages in a row.
    messages: u64,
    /// Bytes of each text.
    bytes: usize,
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

impl Size {
    fn read() -> Self {
        let nodes = usize::try_from(setting("CROWD_NODES", 1)).unwrap();
        Self {
            members: setting("CROWD_MEMBERS", 2_000),
            nodes,
            nats: nodes > 1 || setting("CROWD_NATS", 0) > 0,
            deflate: setting("CROWD_DEFLATE", 1) > 0,
            messages: setting("CROWD_MESSAGES", 50),
            bytes: usize::try_from(setting("CROWD_BYTES", 200)).unwrap(),
        }
    }
}

/// Servers in processes of their own.
struct Servers {
    broker: Option<Broker>,
    programs: Vec<Program>,
}

impl Servers {
    async fn started(size: &Size) -> Self {
        let broker = if size.nats {
            Some(Broker::started().await)
        } else {
            None
        };
        let mut flags = vec![
            "--max-connections".to_owned(),
            "100000".to_owned(),
            "--max-connections-per-address".to_owned(),
            "100000".to_owned(),
            "--max-websockets".to_owned(),
            "100000".to_owned(),
            "--max-websockets-per-address".to_owned(),
            "100000".to_owned(),
            "--rooms-burst".to_owned(),
            "1000000".to_owned(),
            "--rooms-join-burst".to_owned(),
            "1000000".to_owned(),
        ];
        // Members take as much of this machine as servers do: who is late is not gone.
        for flag in ["--handshake-timeout", "--head-timeout", "--write-timeout"] {
            flags.extend([flag.to_owned(), "2m".to_owned()]);
        }
        flags.extend(["--ping-interval".to_owned(), "off".to_owned()]);
        if let Some(broker) = &broker {
            let url = format!("nats://127.0.0.1:{}", broker.port);
            flags.extend(["--nats".to_owned(), url]);
            let required = ["--nats-required-for-readiness", "on"];
            flags.extend(required.map(str::to_owned));
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let programs = (0..size.nodes).map(|_| begin_after("ulimit -n $(ulimit -Hn)", &flags));
        let servers = Self {
            programs: programs.collect(),
            broker,
        };
        servers.ready().await;
        servers
    }

    /// Bytes of memory that the servers have at the moment, without what the kernel has for their sockets.
    fn resident(&self) -> u64 {
        let ids = self.programs.iter().map(|program| program.child.id());
        ids.map(|id| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
            kilobytes.parse::<u64>().unwrap() * 1024
        })
        .sum()
    }

    /// Processor time that the servers have taken.
    fn busy(&self) -> Duration {
        let ids = self.programs.iter().map(|program| program.child.id());
        ids.map(busy).sum()
    }

    /// Processor time that NATS has taken.
    fn nats(&self) -> Duration {
        let broker = self.broker.as_ref();
        broker.map_or(Duration::ZERO, |broker| busy(broker.id()))
    }

    /// Waits until all are connected to NATS, if there is one.
    async fn ready(&self) {
        for program in &self.programs {
            let config = client_config(&program.certs.path().join("ca.crt"), &["http/1.1"]);
            until(async || is_ready(program.address, config.clone()).await).await;
        }
    }
}

/// Returns true if the server at `address` reports that it is ready.
async fn is_ready(address: SocketAddr, config: ClientConfig) -> bool {
    let mut stream = connect(address, config, "localhost").await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer.starts_with(b"HTTP/1.1 200")
}

/// Processor time of a process and its threads.
fn busy(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // Behind the name, which may hold spaces: state is field 3, user time 14, system time 15, in hundredths.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// State that all members share.
#[derive(Default)]
struct Crowd {
    delivered: AtomicU64,
    /// Messages that were out of order, missing or came twice; connections that were lost.
    wrong: Mutex<Vec<String>>,
}

impl Crowd {
    fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 10 {
            wrong.push(what);
        }
    }

    /// Waits until so many deliveries were counted.
    async fn delivered(&self, wanted: u64) {
        let waiting = async {
            while self.delivered.load(Ordering::Relaxed) < wanted {
                let wrong = self.wrong.lock().unwrap().clone();
                assert!(wrong.is_empty(), "{wrong:?}");
                sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = timeout(PATIENCE * 6, waiting).await.is_ok();
        let delivered = self.delivered.load(Ordering::Relaxed);
        assert!(in_time, "{delivered} of {wanted} deliveries");
    }
}

/// Ways to the servers.
struct Doors {
    doors: Vec<(SocketAddr, TlsConnector)>,
    options: Options,
}

impl Doors {
    fn new(servers: &Servers, size: &Size) -> Self {
        let doors = servers.programs.iter().map(|program| {
            let mut config = client_config(&program.certs.path().join("ca.crt"), &["http/1.1"]);
            // Everybody makes the whole handshake, as strangers do.
            config.resumption = Resumption::disabled();
            (program.address, TlsConnector::from(Arc::new(config)))
        });
        let websocket = WebSocketConfig::default().read_buffer_size(4096);
        let options = Options::default()
            .websocket(websocket)
            .deflate(size.deflate.then(DeflateConfig::default));
        Self {
            doors: doors.collect(),
            options,
        }
    }

    /// A member of `chat.v1.json` that has joined.
    async fn join(&self, number: u64) -> Socket {
        let index = usize::try_from(number).unwrap() % self.doors.len();
        let (address, connector) = &self.doors[index];
        let url = format!(
            "wss://localhost:{}/chat/crowd?name=m{number}",
            address.port()
        );
        let mut request = url.into_client_request().unwrap();
        let protocol = "chat.v1.json".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let name = "localhost".try_into().unwrap();
        let stream = patient(TcpStream::connect(*address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = patient(connector.connect(name, stream)).await.unwrap();
        let opening = client_async_with_options(request, stream, self.options.clone());
        let (mut socket, _) = patient(opening).await.unwrap();
        let first = patient(socket.next()).await.unwrap().unwrap();
        let text = first.to_text().unwrap();
        assert!(text.starts_with(r#"{"type":"joined""#), "{text}");
        socket
    }
}

/// Waits as long as the servers would.
async fn patient<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE * 6, future).await.expect("in two minutes")
}

/// The digits after `key` in a JSON text.
fn number(text: &str, key: &str) -> Option<u64> {
    let digits = text.split_once(key)?.1;
    let end = digits
        .find(|digit: char| !digit.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// Reads as a member until the connection ends, and looks whether everything comes, once and in order.
async fn listen(crowd: Arc<Crowd>, mut socket: Socket) {
    let (mut wanted, mut last) = (0, 0);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        if !text.starts_with(r#"{"type":"message""#) {
            if text.starts_with(r#"{"type":"gap""#) {
                crowd.wrong(text.to_string());
            }
            continue;
        }
        let (offset, index) = (number(&text, r#""offset":"#), number(&text, r#""text":""#));
        if index != Some(wanted) || offset.is_none_or(|offset| offset <= last) {
            crowd.wrong(format!(
                "message {index:?} at {offset:?}, expected {wanted} behind {last}"
            ));
        }
        wanted += 1;
        last = offset.unwrap_or(last);
        crowd.delivered.fetch_add(1, Ordering::Relaxed);
    }
    crowd.wrong(format!("a connection ended: {:?}", socket.closed()));
}

/// Lets everybody in, so many at once.
async fn fill(doors: &Doors, size: &Size, crowd: &Arc<Crowd>) {
    futures_util::stream::iter(0..size.members)
        .for_each_concurrent(64, |number| async move {
            let socket = doors.join(number).await;
            tokio::spawn(listen(Arc::clone(crowd), socket));
        })
        .await;
}

/// Sender beside the members; it does not read.
struct Sender {
    say: futures_util::stream::SplitSink<Socket, Message>,
    sent: u64,
    bytes: usize,
}

impl Sender {
    async fn new(doors: &Doors, size: &Size) -> Self {
        let (say, mut hear) = doors.join(size.members).await.split();
        tokio::spawn(async move { while let Some(Ok(_)) = hear.next().await {} });
        Self {
            say,
            sent: 0,
            bytes: size.bytes,
        }
    }

    async fn send(&mut self) {
        // Words, so that compression has something to do, but not the same ones each time.
        let mut text = format!("{} ", self.sent);
        while text.len() < self.bytes {
            text.push_str(WORDS[rand::random_range(0..WORDS.len())]);
        }
        let message = serde_json::json!({"type": "message", "text": text}).to_string();
        soon(self.say.send(Message::text(message))).await.unwrap();
        self.sent += 1;
    }
}

const WORDS: [&str; 8] = [
    "the ", "room ", "olá ", "tea ", "is ", "ready ", "at ", "seven ",
];

/// Messages that may be on their way to the slowest member.
const WINDOW: u64 = 32;

/// Messages that are sent one by one.
const SINGLE: u64 = 9;

/// Measured figures.
struct Figures {
    joining: Duration,
    /// Processor time of the servers for all joins.
    joined: Duration,
    /// Bytes that the servers have more than before.
    memory: u64,
    /// From the sending of one message to its arrival at the last member; sorted.
    single: Vec<Duration>,
    /// Processor time of the servers for those.
    alone: Duration,
    /// For all messages in a row, by the clock and of the processor.
    took: Duration,
    servers: Duration,
    nats: Duration,
}

impl Figures {
    fn print(&self, size: &Size) {
        let members = size.members as f64;
        let deliveries = size.messages as f64 * members;
        let took = self.took.as_secs_f64();
        println!(
            "{} members, {} server{}, {}, {}, texts of {} bytes",
            size.members,
            size.nodes,
            if size.nodes == 1 { "" } else { "s" },
            if size.nats { "NATS" } else { "memory" },
            if size.deflate {
                "permessage-deflate"
            } else {
                "uncompressed"
            },
            size.bytes,
        );
        let joins = self.joined.as_secs_f64() * 1e3 / members;
        let each = self.memory as f64 / 1024.0 / members;
        let single = self.single[self.single.len() / 2].as_secs_f64();
        let worked = self.servers.as_secs_f64();
        for (what, figure) in [
            ("joins per second", members / self.joining.as_secs_f64()),
            ("ms of the servers' processor for a join", joins),
            ("KiB of the servers' memory for a member", each),
            ("s for one message to reach the last member", single),
            ("messages per second", size.messages as f64 / took),
            ("deliveries per second", deliveries / took),
            (
                "deliveries per second of the servers' processor, one message at a time",
                SINGLE as f64 * members / self.alone.as_secs_f64().max(0.01),
            ),
            (
                "deliveries per second of the servers' processor, many messages",
                deliveries / worked.max(0.01),
            ),
            ("cores that the servers take", worked / took),
            ("cores that NATS takes", self.nats.as_secs_f64() / took),
        ] {
            println!("{figure:>14.2}  {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "large; needs nats-server for more than one server"]
async fn everybody_in_a_crowd_gets_everything() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let size = Size::read();
    let servers = Servers::started(&size).await;
    let doors = Doors::new(&servers, &size);
    let crowd = Arc::new(Crowd::default());
    let mut sender = Sender::new(&doors, &size).await;
    let (empty, idle, began) = (servers.resident(), servers.busy(), Instant::now());
    fill(&doors, &size, &crowd).await;
    let joining = began.elapsed();
    let joined = servers.busy().saturating_sub(idle);
    let memory = servers.resident().saturating_sub(empty);
    let (mut single, idle) = (Vec::new(), servers.busy());
    for _ in 0..SINGLE {
        let began = Instant::now();
        sender.send().await;
        crowd.delivered(sender.sent * size.members).await;
        single.push(began.elapsed());
    }
    single.sort();
    let alone = servers.busy().saturating_sub(idle);
    let (busy, nats, began) = (servers.busy(), servers.nats(), Instant::now());
    for _ in 0..size.messages {
        sender.send().await;
        let settled = sender.sent.saturating_sub(WINDOW) * size.members;
        crowd.delivered(settled).await;
    }
    crowd.delivered(sender.sent * size.members).await;
    let figures = Figures {
        joining,
        joined,
        memory,
        single,
        alone,
        took: began.elapsed(),
        servers: servers.busy().saturating_sub(busy),
        nats: servers.nats().saturating_sub(nats),
    };
    // Nothing comes that was not sent.
    sleep(Duration::from_millis(200)).await;
    let delivered = crowd.delivered.load(Ordering::Relaxed);
    assert_eq!(delivered, sender.sent * size.members);
    assert_eq!(*crowd.wrong.lock().unwrap(), Vec::<String>::new());
    figures.print(&size);
}
