//! The same over the blocking API: a thread for each connection.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use tungstenite_deflate::Options;
use tungstenite_deflate::sync::client::client_with_options;
use tungstenite_deflate::sync::{self, Message, WebSocket, accept_hdr_with_options};
use tungstenite_deflate::tungstenite::handshake::server::{Request, Response};

use crate::{TIMEOUT, agreed, close_asked_for, closing, deflate, message};

/// Runs each scenario of the file and prints a line for it.
pub(crate) fn client(scenarios: &str) -> Result<(), Box<dyn Error>> {
    let scenarios: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(scenarios)?)?;
    for scenario in &scenarios {
        let said = run(scenario).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        println!("{said}");
    }
    Ok(())
}

/// Sends the scenario's messages, compares each echo, closes.
fn run(scenario: &Value) -> Result<Value, Box<dyn Error>> {
    let url = scenario["url"].as_str().ok_or("no url")?;
    let authority = url.trim_start_matches("ws://").split('/').next();
    let stream = TcpStream::connect(authority.unwrap_or_default())?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let options = Options::from(deflate(&scenario["offer"])?);
    let (mut websocket, _) =
        client_with_options(url, stream, options).map_err(|error| error.to_string())?;
    for wanted in scenario["messages"].as_array().ok_or("no messages")? {
        let size = usize::try_from(wanted[1].as_u64().ok_or("no size")?)?;
        let sent = message(&wanted[0], size);
        websocket.send(sent.clone())?;
        if websocket.read()? != sent {
            return Err(format!("{wanted} came back otherwise").into());
        }
    }
    if let Some(frame) = closing(scenario)? {
        websocket.close(Some(frame))?;
    }
    let agreed = agreed(websocket.agreed());
    let close = drain(&mut websocket)?;
    Ok(json!({ "agreed": agreed, "close": close }))
}

/// Serves until it is ended, and prints a line for each connection.
pub(crate) fn server(demand: &Value) -> Result<(), Box<dyn Error>> {
    let options = Options::from(deflate(demand)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", json!({ "listening": listener.local_addr()?.port() }));
    for stream in listener.incoming() {
        let (stream, options) = (stream?, options.clone());
        thread::spawn(move || {
            let said = serve(stream, options);
            println!(
                "{}",
                said.unwrap_or_else(|error| json!({ "error": error.to_string() }))
            );
        });
    }
    Ok(())
}

/// Echoes on one connection, or closes it at once if the path says so.
fn serve(stream: TcpStream, options: Options) -> Result<Value, Box<dyn Error>> {
    let mut frame = None;
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let callback = |request: &Request, response: Response| {
        frame = close_asked_for(request);
        path = request.uri().to_string();
        Ok(response)
    };
    let opened = accept_hdr_with_options(stream, callback, options);
    let mut websocket = opened.map_err(|error| error.to_string())?;
    let agreed = agreed(websocket.agreed());
    if frame.is_some() {
        websocket.close(frame)?;
    }
    let close = drain(&mut websocket)?;
    Ok(json!({ "path": path, "agreed": agreed, "close": close }))
}

/// Echoes what arrives until the end; code and reason of the peer's Close frame.
fn drain(websocket: &mut WebSocket<TcpStream>) -> Result<Option<(u16, String)>, sync::Error> {
    let mut close = None;
    loop {
        match websocket.read() {
            Ok(Message::Close(frame)) => {
                close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            }
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                if websocket.can_write() {
                    websocket.send(message)?;
                }
            }
            Ok(_) => {}
            Err(sync::Error::ConnectionClosed) => return Ok(close),
            Err(error) => return Err(error),
        }
    }
}
