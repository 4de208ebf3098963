//! The library's part in `scripts/interop`: `interop [blocking] client SCENARIOS.json` or
//! `interop [blocking] server [--demand JSON]`.
//!
//! Input and output of the programs are described in `interop/README.md`.

#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

#[path = "interop/blocking.rs"]
mod blocking;

use std::error::Error;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::tungstenite::handshake::server::{Request, Response};
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::{
    Agreed, DeflateConfig, Options, WebSocketStream, accept_hdr_async_with_options,
    client_async_with_options,
    tungstenite::{self, Message},
};

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["client", scenarios] => client(scenarios).await,
        ["server"] => server(&json!({})).await,
        ["server", "--demand", demand] => server(&serde_json::from_str(demand)?).await,
        ["blocking", "client", scenarios] => blocking::client(scenarios),
        ["blocking", "server"] => blocking::server(&json!({})),
        ["blocking", "server", "--demand", demand] => {
            blocking::server(&serde_json::from_str(demand)?)
        }
        _ => Err("usage: interop [blocking] client SCENARIOS.json | server [--demand JSON]".into()),
    }
}

/// Runs each scenario of the file and prints a line for it.
async fn client(scenarios: &str) -> Result<(), Box<dyn Error>> {
    let scenarios: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(scenarios)?)?;
    for scenario in &scenarios {
        let said = match tokio::time::timeout(TIMEOUT, run(scenario)).await {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => json!({ "error": error.to_string() }),
            Err(late) => json!({ "error": late.to_string() }),
        };
        println!("{said}");
    }
    Ok(())
}

/// Sends the scenario's messages, compares each echo, closes.
async fn run(scenario: &Value) -> Result<Value, Box<dyn Error>> {
    let url = scenario["url"].as_str().ok_or("no url")?;
    let authority = url
        .trim_start_matches("ws://")
        .split('/')
        .next()
        .unwrap_or_default();
    let stream = TcpStream::connect(authority).await?;
    let options = Options::from(deflate(&scenario["offer"])?);
    let (mut websocket, _) = client_async_with_options(url, stream, options).await?;
    for wanted in scenario["messages"].as_array().ok_or("no messages")? {
        let size = usize::try_from(wanted[1].as_u64().ok_or("no size")?)?;
        let sent = message(&wanted[0], size);
        websocket.send(sent.clone()).await?;
        if websocket.next().await.ok_or("closed before the echo")?? != sent {
            return Err(format!("{wanted} came back otherwise").into());
        }
    }
    if let Some(frame) = closing(scenario)? {
        websocket.send(Message::Close(Some(frame))).await?;
    }
    let agreed = agreed(websocket.agreed());
    let close = drain(&mut websocket).await?;
    Ok(json!({ "agreed": agreed, "close": close }))
}

/// The Close frame that a scenario sends.
fn closing(scenario: &Value) -> Result<Option<CloseFrame>, Box<dyn Error>> {
    let Some(code) = scenario["code"].as_u64() else {
        return Ok(None);
    };
    let reason = scenario["reason"].as_str().unwrap_or_default();
    Ok(Some(CloseFrame {
        code: u16::try_from(code)?.into(),
        reason: reason.to_owned().into(),
    }))
}

/// Serves until it is ended, and prints a line for each connection.
async fn server(demand: &Value) -> Result<(), Box<dyn Error>> {
    let options = Options::from(deflate(demand)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "listening": listener.local_addr()?.port() }));
    loop {
        let (stream, _) = listener.accept().await?;
        let options = options.clone();
        tokio::spawn(async move {
            let said = match serve(stream, options).await {
                Ok(said) => said,
                Err(error) => json!({ "error": error.to_string() }),
            };
            println!("{said}");
        });
    }
}

/// Echoes on one connection, or closes it at once if the path says so.
async fn serve(stream: TcpStream, options: Options) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let mut frame = None;
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let callback = |request: &Request, response: Response| {
        frame = close_asked_for(request);
        path = request.uri().to_string();
        Ok(response)
    };
    let mut websocket = accept_hdr_async_with_options(stream, callback, options).await?;
    let agreed = agreed(websocket.agreed());
    if frame.is_some() {
        websocket.send(Message::Close(frame)).await?;
    }
    let close = drain(&mut websocket).await?;
    Ok(json!({ "path": path, "agreed": agreed, "close": close }))
}

/// The Close frame that `/close?code=C&reason=R` asks for.
fn close_asked_for(request: &Request) -> Option<CloseFrame> {
    let query = request
        .uri()
        .query()
        .filter(|_| request.uri().path() == "/close")?;
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let code: u16 = value("code")?.parse().ok()?;
    Some(CloseFrame {
        code: code.into(),
        reason: percent_decoded(value("reason").unwrap_or_default()).into(),
    })
}

/// `text` with `%C3%A9` read as the bytes that it stands for.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Echoes what arrives until the end; code and reason of the peer's Close frame.
async fn drain(
    websocket: &mut WebSocketStream<TcpStream>,
) -> Result<Option<(u16, String)>, tungstenite::Error> {
    let mut outcome = Ok(None);
    while let Some(message) = websocket.next().await {
        match message {
            Ok(Message::Close(frame)) => {
                outcome = outcome
                    .map(|_| frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
            }
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                let fed = websocket.feed(message).await;
                outcome = outcome.and_then(|close| fed.map(|()| close));
            }
            Ok(_) => {}
            // Not `?`: the stream still writes its Close and ends the transport.
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

/// Compression of every message with the four parameters as asked for, and all freedom where nothing is.
fn deflate(asked: &Value) -> Result<DeflateConfig, Box<dyn Error>> {
    let flag = |name: &str| asked[name].as_bool().unwrap_or(false);
    let bits = |name: &str| -> Result<WindowBits, Box<dyn Error>> {
        let bits = u8::try_from(asked[name].as_u64().unwrap_or(15))?;
        Ok(WindowBits::new(bits)?)
    };
    Ok(DeflateConfig::default()
        .threshold(0)
        // As far back as was agreed, not the few kilobytes of the default, so that each window is tried to its end.
        .encoder_window_bits(WindowBits::MAX)
        .server_no_context_takeover(flag("server_no_context_takeover"))
        .client_no_context_takeover(flag("client_no_context_takeover"))
        .server_max_window_bits(bits("server_max_window_bits")?)
        .client_max_window_bits(bits("client_max_window_bits")?))
}

/// The four parameters in force.
fn agreed(agreed: Option<Agreed>) -> Option<Value> {
    let agreed = agreed?;
    Some(json!({
        "server_no_context_takeover": agreed.server_no_context_takeover,
        "client_no_context_takeover": agreed.client_no_context_takeover,
        "server_max_window_bits": agreed.server_max_window_bits,
        "client_max_window_bits": agreed.client_max_window_bits,
    }))
}

/// The message of one kind and size: text that compresses to about half, or bytes that do not compress.
fn message(kind: &Value, size: usize) -> Message {
    let mut state = u32::try_from(size).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(size + 16);
    while out.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match kind.as_str() {
            Some("text") => out.extend_from_slice(format!("{state:08x} olá ").as_bytes()),
            _ => out.extend_from_slice(&state.to_be_bytes()),
        }
    }
    out.truncate(size);
    match kind.as_str() {
        Some("text") => {
            if out.last() == Some(&0xc3) {
                out[size - 1] = b'.';
            }
            Message::text(String::from_utf8_lossy(&out).into_owned())
        }
        _ => Message::binary(out),
    }
}
