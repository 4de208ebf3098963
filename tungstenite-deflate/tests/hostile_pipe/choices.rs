//! Options and messages that a seed chooses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tungstenite_deflate::deflate::Level;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{DeflateConfig, Keepalive, Limits, Options};

use super::pipe::Harm;
use super::random::Random;

pub(super) const MAX_FRAME: usize = 32 * 1024;

pub(super) const MAX_QUEUED: usize = 96 * 1024;

pub(super) fn options(random: &mut Random, harm: Harm, fragments: bool) -> Arc<Options> {
    let mut websocket = WebSocketConfig::default();
    websocket.max_message_size = Some(MAX_FRAME);
    websocket.max_frame_size = Some(MAX_FRAME);
    websocket.write_buffer_size = 1024;
    websocket.max_write_buffer_size = MAX_QUEUED;
    let threshold = [0, 200][random.below(2)];
    let level = 1 + u8::try_from(random.below(6)).expect("below 6");
    let deflate = DeflateConfig::default()
        .threshold(threshold)
        .level(Level::new(level).expect("1 to 6"));
    // Longer than any delay of the pipe, so that only harm can make them pass.
    let keepalive = (random.below(2) == 0).then(|| {
        Keepalive::default()
            .ping_interval(Duration::from_secs(3600))
            .pong_timeout(Duration::from_secs(3600))
    });
    let unfinished = Duration::from_secs(if harm == Harm::None { 36_000 } else { 3600 });
    let options = Options::from(websocket)
        .deflate(Some(deflate))
        .keepalive(keepalive)
        .close_timeout(Some(Duration::from_secs(3600)))
        .limits(Limits::default().unfinished_message_timeout(Some(unfinished)))
        .fragment_bytes(fragments.then(|| 64 + random.below(2000)));
    Arc::new(options)
}

pub(super) fn message(random: &mut Random) -> Message {
    let length = match random.below(10) {
        0 => 0,
        1..=5 => random.below(200),
        6..=8 => random.below(3000),
        _ => random.below(20_000),
    };
    match random.below(12) {
        0 => Message::Ping(Bytes::from(vec![7; length.min(125)])),
        1 => Message::Pong(Bytes::from(vec![8; length.min(125)])),
        2..=6 => {
            let words = [
                "Olá, ",
                "servidor ",
                "WebSocket! ",
                "日本 ",
                "🦀 ",
                "Retorno ",
            ];
            let mut text = String::new();
            while text.len() < length {
                text.push_str(words[random.below(words.len())]);
            }
            Message::text(text)
        }
        7..=9 => Message::binary(vec![u8::try_from(length % 256).expect("a byte"); length]),
        _ => Message::binary(
            (0..length)
                .map(|_| u8::try_from(random.below(256)).expect("a byte"))
                .collect::<Vec<_>>(),
        ),
    }
}
