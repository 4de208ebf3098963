//! Parts that the tests of the program share: the real server, the real binary, small servers that misbehave.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::must_use_candidate,
    reason = "helpers of tests"
)]
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

pub mod authority;
pub mod terminal;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tungstenite_deflate::WebSocketStream;

/// Longest time that one run of the program may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The real server on a free port, with a fresh CA in `certs` below `directory`.
pub struct RealServer {
    pub address: SocketAddr,
    pub directory: TempDir,
}

impl RealServer {
    /// The server of this test program.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<RealServer> = OnceLock::new();
        SERVER.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let mut config = server::Config::default();
            config.tls.certs = directory.path().join("certs");
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = server::Server::new(config).unwrap();
            let server = server::demonstrations::add(server);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime
                    .block_on(server.run(listener, std::future::pending()))
                    .unwrap();
            });
            RealServer { address, directory }
        })
    }

    /// A URL of this server by name.
    pub fn url(&self, path: &str) -> String {
        format!("wss://localhost:{}{path}", self.address.port())
    }

    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("certs/ca.crt")
    }

    /// The program, run where it finds the local CA.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = client(arguments);
        command.current_dir(self.directory.path());
        command
    }
}

/// The program in an environment of its own.
pub fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Result of a run.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program to its end.
pub fn run(command: &mut Command) -> Ended {
    finish(command.spawn().unwrap())
}

/// Runs the program with this on standard input.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end before it has read everything.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    finish(child)
}

/// Waits for the end, at most [`PATIENCE`].
pub fn finish(child: Child) -> Ended {
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    std::thread::spawn(move || drop(sender.send(child.wait_with_output())));
    let output: Output = receiver
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("process {id} did not end"))
        .unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// The run ended so, and told why in one line.
    #[track_caller]
    pub fn assert_refused(&self, status: i32, part: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.stderr
                .lines()
                .filter(|line| line.starts_with("client: "))
                .count(),
            1,
            "{self:?}"
        );
        assert!(self.stderr.contains(part), "{part} in {self:?}");
    }
}

/// A server on a free port that handles each connection in a thread.
pub fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = std::sync::Arc::new(handle);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let handle = std::sync::Arc::clone(&handle);
            std::thread::spawn(move || handle(stream));
        }
    });
    address
}

/// A plain `ws` server that hands each connection, after its handshake, to `handle`.
pub fn serve_websocket<F>(
    handle: impl Fn(WebSocketStream<tokio::net::TcpStream>) -> F + Send + Sync + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = serve(move |stream| {
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            if let Ok(stream) = tungstenite_deflate::accept_async(stream).await {
                handle(stream).await;
            }
        });
    });
    format!("ws://{address}/")
}

/// The same, with compression.
pub fn serve_deflating<F>(
    handle: impl Fn(WebSocketStream<tokio::net::TcpStream>) -> F + Send + Sync + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = serve(move |stream| {
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let options = tungstenite_deflate::Options::default()
                .deflate(Some(tungstenite_deflate::DeflateConfig::default()));
            if let Ok(stream) =
                tungstenite_deflate::accept_async_with_options(stream, options).await
            {
                assert!(stream.agreed().is_some());
                handle(stream).await;
            }
        });
    });
    format!("ws://{address}/")
}

/// Reads a request head; the text up to and with its blank line.
pub fn read_head(stream: &mut impl std::io::Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A header of a request head.
pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

/// A server that answers the handshake with this; `{accept}` is the right Sec-WebSocket-Accept.
pub fn serve_answer(answer: &str) -> String {
    let answer = answer.to_owned();
    let address = serve(move |mut stream| {
        let head = read_head(&mut stream);
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = stream.write_all(answer.replace("{accept}", &accept).as_bytes());
        // The client decides when it has read enough.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream.read(&mut [0; 64]);
    });
    format!("ws://{address}/")
}

/// A port on which nobody listens.
pub fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The `server` binary beside the client's. `cargo test --workspace` has built it; a test of this package alone
/// builds it if there is none.
pub fn server_binary() -> PathBuf {
    let directory = Path::new(env!("CARGO_BIN_EXE_client")).parent().unwrap();
    let binary = directory.join("server");
    if !binary.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "server", "--bin", "server"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg("--target-dir")
            .arg(directory.parent().unwrap());
        assert!(
            build.status().unwrap().success(),
            "the server did not build"
        );
    }
    binary
}
