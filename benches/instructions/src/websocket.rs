//! Messages through `WebSocketStream` as a server with the library's default protections.

use bytes::BytesMut;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, DeflateConfig, Options, WebSocketStream};

use crate::corpus::{MESSAGES, deflated, json, long_json, text};
use crate::path::Path;
use crate::wire::{COMPRESSED_TEXT, TEXT, Wire, frame};

/// Text of `size` bytes comes in and goes out.
pub(crate) fn echo(size: usize) -> Path {
    echoes(server(vec![frame(TEXT, text(size).as_bytes())], None))
}

/// The same, both ways compressed, without context takeover.
pub(crate) fn echo_compressed(size: usize) -> Path {
    let payload = deflated(&[text(size)], false, 15).remove(0);
    echoes(server(
        vec![frame(COMPRESSED_TEXT, &payload)],
        Some(agreed(false)),
    ))
}

/// JSON of 1 KiB comes in and goes out, compressed both ways; with takeover by the windows of the default.
pub(crate) fn echo_json(takeover: bool) -> Path {
    let window_bits = if takeover { 11 } else { 15 };
    let payloads = deflated(&long_json(), takeover, window_bits);
    let frames = payloads
        .iter()
        .map(|payload| frame(COMPRESSED_TEXT, payload));
    let agreed = Agreed {
        client_max_window_bits: window_bits,
        ..agreed(takeover)
    };
    let mut path = echoes(server(frames.collect(), Some(agreed)));
    path.times = MESSAGES;
    path
}

fn echoes(mut socket: WebSocketStream<Wire>) -> Path {
    Path::new(256, move || {
        let message = now(socket.next()).expect("the wire never ends");
        now(socket.send(message.expect("the frame is valid"))).expect("the wire takes everything");
    })
}

/// Messages of the corpus go out, compressed.
pub(crate) fn encoder(takeover: bool) -> Path {
    let mut socket = server(Vec::new(), Some(agreed(takeover)));
    let messages: Vec<_> = json().into_iter().map(Message::text).collect();
    let mut next = (0..messages.len()).cycle();
    Path::new(MESSAGES, move || {
        let message = next.next().map(|next| messages[next].clone());
        let message = message.expect("a cycle never ends");
        now(socket.send(message)).expect("the wire takes everything");
    })
}

/// Messages of the corpus come in, compressed.
pub(crate) fn inflater(takeover: bool) -> Path {
    let payloads = deflated(&json(), takeover, 15);
    let frames = payloads
        .iter()
        .map(|payload| frame(COMPRESSED_TEXT, payload));
    receives(MESSAGES, server(frames.collect(), Some(agreed(takeover))))
}

/// A message of 1 KiB comes in sixteen frames.
pub(crate) fn fragments() -> Path {
    let text = text(1 << 10);
    let pieces: Vec<_> = text.as_bytes().chunks(64).collect();
    let last = pieces.len() - 1;
    let frames = pieces.iter().enumerate().map(|(index, piece)| {
        let opcode = u8::from(index == 0);
        let is_final = if index == last { 0x80 } else { 0 };
        frame(is_final | opcode, piece)
    });
    receives(256, server(frames.collect(), None))
}

fn receives(times: u32, mut socket: WebSocketStream<Wire>) -> Path {
    Path::new(times, move || {
        let message = now(socket.next()).expect("the wire never ends");
        message.expect("the frames are valid");
    })
}

/// A Ping comes in; its Pong goes out with the next one.
pub(crate) fn pings() -> Path {
    receives(64, server(vec![frame(0x89, b"are you there?")], None))
}

fn server(frames: Vec<bytes::Bytes>, agreed: Option<Agreed>) -> WebSocketStream<Wire> {
    let options = Options::default().deflate(Some(DeflateConfig::default()));
    WebSocketStream::with_options(
        Wire::new(frames),
        BytesMut::new(),
        Role::Server,
        options,
        agreed,
    )
}

pub(crate) fn agreed(takeover: bool) -> Agreed {
    Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    }
}

/// The output of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the wire is always ready")
}
