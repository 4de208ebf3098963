//! The program itself as a child of the test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Client, client_config, connect, soon};

/// The program while it runs; ended for good when dropped.
pub struct Program {
    pub child: Child,
    pub output: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub certs: tempfile::TempDir,
}

/// The program with `arguments` and none of our variables; `PROGRAM_UNDER_TEST` names another build of it.
pub fn command(arguments: &[&str]) -> Command {
    let built = env!("CARGO_BIN_EXE_server").into();
    let program = std::env::var_os("PROGRAM_UNDER_TEST").unwrap_or(built);
    let mut command = clean(Command::new(program));
    command.args(arguments);
    command
}

/// A shell with `script` and none of our variables.
fn shell(script: &str) -> Command {
    let mut command = clean(Command::new("sh"));
    command.args(["-c", script]);
    command
}

/// The command without our variables, its output to be read.
fn clean(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WSS_"))
    {
        command.env_remove(name);
    }
    command
}

/// Starts it on a free port and waits for its first line.
pub fn begin(flags: &[&str]) -> Program {
    begin_after("", flags)
}

/// The same after the shell has done `preparation`, such as `ulimit -n 256`.
pub fn begin_after(preparation: &str, flags: &[&str]) -> Program {
    begin_with(preparation, Stdio::null(), flags)
}

/// The same with `input` as the shell's standard input.
pub fn begin_with(preparation: &str, input: Stdio, flags: &[&str]) -> Program {
    let certs = tempfile::tempdir().unwrap();
    let fixed = [
        "--listen",
        "127.0.0.1:0",
        "--certs",
        certs.path().to_str().unwrap(),
    ];
    let mut command = command(&[&fixed, flags].concat());
    if !preparation.is_empty() {
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = shell(&format!("{preparation}; exec \"$0\" \"$@\""));
        command.arg(program).args(arguments);
    }
    let mut child = command.stdin(input).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let port = line
        .split("rodando na porta ")
        .nth(1)
        .and_then(|rest| rest.split("...").next());
    let port: u16 = port.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    Program {
        child,
        output,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        certs,
    }
}

impl Program {
    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Waits for the end; exit code, the rest of standard output, standard error.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.child.wait().unwrap().code(), output, errors)
    }

    /// A WebSocket on `path`.
    pub async fn open(&self, path: &str) -> Client {
        let url = format!("wss://localhost:{}{path}", self.address.port());
        self.open_with(url).await.unwrap()
    }

    /// A WebSocket as `request` asks for it.
    ///
    /// # Errors
    /// The handshake was refused.
    pub async fn open_with(
        &self,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<Client, Box<Error>> {
        let config = client_config(&self.certs.path().join("ca.crt"), &[]);
        let stream = soon(connect(self.address, config, "localhost"))
            .await
            .unwrap();
        let opened = soon(tokio_tungstenite::client_async(request, stream)).await;
        opened.map(|(client, _)| client).map_err(Box::new)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}
