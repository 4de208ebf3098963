//! Threat D17 (CRIME): the size of a compressed message tells what a secret in the same context has in common with it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Compression, Connection, DeflateConfig, MemoryBudget, Options};

const HEX: &[u8; 16] = b"0123456789abcdef";
const TOKENS: usize = 10;
const LENGTH: usize = 24;

/// Bytes on the wire of an echo of `text` on a connection that sent `secret` before.
fn echoed(
    secret: &str,
    choice: Compression,
    takeover: bool,
    text: &[u8],
    memory: &MemoryBudget,
) -> usize {
    let now = Instant::now();
    let agreed = Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let config = DeflateConfig::default().memory(memory.clone());
    let options = Options::default().deflate(Some(config));
    let mut server = Connection::new(Role::Server, Arc::new(options), Some(agreed), now);
    let message = Message::text(format!(r#"{{"user":"alice","token":"{secret}"}}"#));
    server
        .send_with(message, choice, now)
        .expect("an open connection");
    let outgoing = server.outgoing();
    outgoing.advance(outgoing.remaining());
    server
        .send_with(Message::binary(text.to_vec()), Compression::Always, now)
        .expect("an open connection");
    server.outgoing().remaining()
}

/// Guesses each character of a token from those before, by which of 16 texts takes the fewest bytes, and returns the
/// number of right guesses. A text is sent behind 0 to 7 bytes of 9 bits, so that single bits show in the bytes.
fn right_guesses(token: &str, choice: Compression, takeover: bool) -> usize {
    let memory = MemoryBudget::new(usize::MAX);
    let is_right = |at: &usize| {
        let guess = HEX.iter().min_by_key(|&&candidate| {
            let bytes = (0..8).map(|padding| {
                let mut text: Vec<u8> = (0..padding).map(|byte| 0xa0 + 7 * byte).collect();
                text.extend_from_slice(format!(r#""token":"{}"#, &token[..*at]).as_bytes());
                text.push(candidate);
                echoed(token, choice, takeover, &text, &memory)
            });
            bytes.sum::<usize>()
        });
        guess == token.as_bytes().get(*at)
    };
    (0..LENGTH).filter(is_right).count()
}

#[test]
fn d17_sizes_tell_a_secret_in_a_shared_context_only() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let tokens: Vec<String> = (0..TOKENS)
        .map(|_| {
            let characters = (0..LENGTH).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                char::from(HEX[usize::try_from(state >> 60).expect("below 16")])
            });
            characters.collect()
        })
        .collect();
    let all = TOKENS * LENGTH;
    for (choice, takeover, is_told) in [
        (Compression::Auto, true, true),
        (Compression::Never, true, false),
        (Compression::Isolated, true, false),
        (Compression::Auto, false, false),
    ] {
        let right = tokens
            .iter()
            .map(|token| right_guesses(token, choice, takeover));
        let right: usize = right.sum();
        println!(
            "{choice:?}, takeover {takeover}: {right} of {all} characters, {} by chance",
            all / 16
        );
        if is_told {
            assert!(right > all * 9 / 10, "{right} of {all}");
        } else {
            // Four standard deviations above chance.
            assert!(right < all / 16 + 16, "{choice:?}: {right} of {all}");
        }
    }
}
