//! Members of a room of every kind that there is.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use serde_json::{Value, json};
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::converse_request::Kind as Asked;
use server::grpc::proto_v2::event::Kind as Told;
use server::grpc::proto_v2::{ConverseRequest, Event, Say, SubscribeRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::common::soon;
use crate::node::NodeAddress;

/// Event that a member has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `epoch:offset`, where this kind of member gets it.
    pub(crate) position: Option<String>,
    pub(crate) text: String,
}

/// Everything that a member has received, in its order.
pub(crate) type Record = Arc<Mutex<Vec<Received>>>;

/// A member of the room `tea`.
pub(crate) struct Member {
    pub(crate) kind: &'static str,
    pub(crate) record: Record,
    /// Source of its messages; none if it only listens.
    say: Option<mpsc::UnboundedSender<String>>,
    child: Option<Child>,
}

impl Member {
    fn new(kind: &'static str) -> (Self, Record, mpsc::UnboundedReceiver<String>) {
        let (say, lines) = mpsc::unbounded_channel();
        let record = Record::default();
        let member = Self {
            kind,
            record: Arc::clone(&record),
            say: Some(say),
            child: None,
        };
        (member, record, lines)
    }

    /// Lets it say something, if it can.
    pub(crate) fn say(&self, text: String) -> bool {
        self.say.as_ref().is_some_and(|say| say.send(text).is_ok())
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.record.lock().unwrap().clone()
    }

    /// As by kill -9; only for those that are processes.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// `chat.v1.json` over HTTP/1.1.
pub(crate) async fn json(node: &NodeAddress, name: &str) -> Member {
    let (member, record, lines) = Member::new("json");
    let mut request = format!("wss://{}/chat/tea?name={name}", node.authority())
        .into_client_request()
        .unwrap();
    let protocol = "chat.v1.json".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let stream = node.http1().await.unwrap();
    let (socket, _) = soon(tokio_tungstenite::client_async(request, stream))
        .await
        .unwrap();
    tokio::spawn(talk(socket, true, record, lines));
    member
}

/// Lines of text over HTTP/1.1.
pub(crate) async fn text(node: &NodeAddress, name: &str) -> Member {
    let (member, record, lines) = Member::new("text");
    let url = format!("wss://{}/chat/tea?name={name}", node.authority());
    let stream = node.http1().await.unwrap();
    let (socket, _) = soon(tokio_tungstenite::client_async(url, stream))
        .await
        .unwrap();
    tokio::spawn(talk(socket, false, record, lines));
    member
}

/// `chat.v1.json` over HTTP/2 (RFC 8441).
pub(crate) async fn http2(node: &NodeAddress, name: &str) -> Member {
    let (member, record, lines) = Member::new("http2");
    let stream = TokioIo::new(node.http2().await.unwrap());
    let (mut sender, connection) = soon(http2::handshake(TokioExecutor::new(), stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = soon(async {
        loop {
            let request = Request::builder()
                .method(Method::CONNECT)
                .uri(format!("https://{}/chat/tea?name={name}", node.authority()))
                .version(Version::HTTP_2)
                .header("sec-websocket-version", "13")
                .header("sec-websocket-protocol", "chat.v1.json")
                .extension(Protocol::from_static("websocket"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            match sender.send_request(request).await {
                Ok(response) => return response,
                // The server's SETTINGS, which allow this, may be still on their way.
                Err(error) => assert!(error.is_user(), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(response.status(), 200);
    let upgraded = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    tokio::spawn(async move {
        talk(socket, true, record, lines).await;
        drop(sender);
    });
    member
}

/// Passes lines and messages between a member and its socket.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    is_json: bool,
    record: Record,
    mut lines: mpsc::UnboundedReceiver<String>,
) {
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) if is_json => hear_json(&record, &text),
                Some(Ok(Message::Text(text))) => hear_line(&record, &text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            line = lines.recv() => {
                let Some(line) = line else { return };
                let line = if is_json { json!({"type": "message", "text": line}).to_string() } else { line };
                if socket.send(Message::text(line)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn hear_json(record: &Record, text: &str) {
    let event: Value = serde_json::from_str(text).unwrap();
    match event["type"].as_str().unwrap() {
        "message" if event["provisional"] != true => {
            let epoch = event["epoch"].as_str().unwrap();
            let position = format!("{epoch}:{}", event["offset"]);
            hear(record, Some(position), event["text"].as_str().unwrap());
        }
        "gap" | "error" => panic!("{event}"),
        _ => {}
    }
}

fn hear_line(record: &Record, line: &str) {
    let (name, text) = line.split_once(": ").unwrap();
    assert!(!name.starts_with(['!', '*']), "{line}");
    hear(record, None, text.trim_end());
}

fn hear(record: &Record, position: Option<String>, text: &str) {
    let text = text.to_owned();
    record.lock().unwrap().push(Received { position, text });
}

fn hear_event(record: &Record, event: Event) {
    match event.kind.unwrap() {
        Told::Message(message) if !message.provisional => {
            hear(record, Some(message.position), &message.text);
        }
        event @ (Told::Gap(_) | Told::Error(_)) => panic!("{event:?}"),
        _ => {}
    }
}

fn wish(name: &str) -> SubscribeRequest {
    SubscribeRequest {
        room: "tea".to_owned(),
        name: name.to_owned(),
        since: String::new(),
    }
}

/// gRPC, both ways.
pub(crate) async fn converse(node: &NodeAddress, name: &str) -> Member {
    let (member, record, mut lines) = Member::new("converse");
    let mut client = ChatServiceClient::new(node.channel().await.unwrap());
    let join = ConverseRequest {
        kind: Some(Asked::Join(wish(name))),
    };
    let says = futures_util::stream::poll_fn(move |context| lines.poll_recv(context));
    let says = says.map(|text| ConverseRequest {
        kind: Some(Asked::Say(Say {
            text,
            id: String::new(),
        })),
    });
    let requests = futures_util::stream::iter([join]).chain(says);
    let mut events = soon(client.converse(requests)).await.unwrap().into_inner();
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.message().await {
            hear_event(&record, event);
        }
    });
    member
}

/// gRPC, listening.
pub(crate) async fn subscribe(node: &NodeAddress, name: &str) -> Member {
    let (mut member, record, _) = Member::new("subscribe");
    member.say = None;
    let mut client = ChatServiceClient::new(node.channel().await.unwrap());
    let mut events = soon(client.subscribe(wish(name)))
        .await
        .unwrap()
        .into_inner();
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.message().await {
            hear_event(&record, event);
        }
    });
    member
}

/// gRPC-Web over HTTP/1.1, listening, as a page would.
pub(crate) async fn grpc_web(node: &NodeAddress, name: &str) -> Member {
    let (mut member, record, _) = Member::new("grpc-web");
    member.say = None;
    let stream = TokioIo::new(node.http1().await.unwrap());
    let (mut sender, connection) = soon(http1::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    let message = wish(name).encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let request = Request::post("/chat.v2.ChatService/Subscribe")
        .header("host", node.authority())
        .header("origin", format!("https://{}", node.authority()))
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    tokio::spawn(async move {
        let mut buffer = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
            while let Some(prefix) = buffer.first_chunk::<5>() {
                let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
                if buffer.len() < 5 + length {
                    break;
                }
                assert_eq!(prefix[0], 0, "no trailers before the end");
                buffer.advance(5);
                let event = buffer.split_to(length).freeze();
                hear_event(&record, Event::decode(event).unwrap());
            }
        }
        drop(sender);
    });
    member
}

/// The workspace's own client in a pipe: lines of text.
pub(crate) fn terminal(node: &NodeAddress, name: &str) -> Member {
    let program = Path::new(env!("CARGO_BIN_EXE_server")).with_file_name("client");
    assert!(
        program.exists(),
        "{} is missing; build it: cargo build --workspace --bins",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .arg(format!("wss://{}/chat/tea?name={name}", node.authority()))
        .args(["--idle", "0", "--ca"])
        .arg(node.certs.join("ca.crt"));
    process("client", &mut command, |record, line| {
        hear_line(record, line);
    })
}

/// gRPC's own Python client.
pub(crate) fn python(node: &NodeAddress, name: &str) -> Member {
    let python = std::env::var_os("GRPC_PYTHON")
        .map(PathBuf::from)
        .expect("GRPC_PYTHON names a Python with grpcio: run scripts/nats-test");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/grpc/member.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args(["--room", "tea", "--name", name])
        .args(["--tls", &node.authority(), "--trust"])
        .arg(node.certs.join("server.crt"));
    process("grpcio", &mut command, |record, line| {
        let (position, text) = line.split_once('\t').unwrap();
        hear(record, Some(position.to_owned()), text);
    })
}

/// A member that is a process: lines in, lines out.
fn process(
    kind: &'static str,
    command: &mut Command,
    hear: impl Fn(&Record, &str) + Send + 'static,
) -> Member {
    let (mut member, record, mut lines) = Member::new(kind);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    member.child = Some(child);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            hear(&record, &line);
        }
    });
    std::thread::spawn(move || {
        while let Some(line) = lines.blocking_recv() {
            if writeln!(input, "{line}")
                .and_then(|()| input.flush())
                .is_err()
            {
                return;
            }
        }
    });
    member
}
