//! The recipe of MIGRATING.md for programs that come from a fork: as few bytes as the fork sent.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, FlushCompress};
use tungstenite_deflate::deflate::{Level, negotiate};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Connection, DeflateConfig, Options};

/// Token events as a client of a language model's API exchanges them.
pub(crate) fn session() -> Vec<String> {
    let words = [
        "the", "of", "context", "to", "takeover", "and", "compress", "a", "is", "window",
        "message", "that", "stream", "for", "token", "it", "as", "small", "with", "event",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..400)
        .map(|number| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let word = words[usize::try_from(state >> 40).expect("24 bits") % words.len()];
            format!(
                r#"{{"type":"response.output_text.delta","event_id":"event_{:012x}","response_id":"resp_68d1f0aa93c481","item_id":"msg_68d1f0ab5e7c81","output_index":0,"content_index":0,"delta":" {word}","sequence_number":{number}}}"#,
                state >> 16,
            )
        })
        .collect()
}

/// The configuration that MIGRATING.md gives to programs that come from a fork.
pub(crate) fn recipe() -> DeflateConfig {
    DeflateConfig::default().level(Level::new(6).expect("1 to 9"))
}

/// Payload bytes of zlib at level 6 with all of 32 KiB, as the forks compress.
pub(crate) fn fork_bytes(session: &[String]) -> usize {
    let mut zlib = Compress::new_with_window_bits(Compression::new(6), false, 15);
    let mut out = Vec::with_capacity(4_096);
    let lengths = session.iter().map(|text| {
        out.clear();
        zlib.compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
            .expect("room for a message");
        out.len() - 4
    });
    lengths.sum()
}

/// Payload bytes of a session that goes up and comes down again, as the mean of both directions.
fn our_bytes(config: &DeflateConfig, session: &[String]) -> usize {
    let now = Instant::now();
    // The fork at the other end keeps its context and asks for no window.
    let agreed = negotiate::accept_response(["permessage-deflate"], Some(config))
        .expect("an answer to the offer")
        .expect("permessage-deflate");
    let mut ends = [Role::Client, Role::Server].map(|role| {
        let options = Options::default().deflate(Some(config.clone()));
        Connection::new(role, Arc::new(options), Some(agreed), now)
    });
    for text in session {
        for _ in 0..2 {
            ends[0]
                .send(Message::text(text.clone()), now)
                .expect("an open connection");
            let outgoing = ends[0].outgoing();
            let mut wire = BytesMut::from(&outgoing.copy_to_bytes(outgoing.remaining())[..]);
            let received = ends[1].receive(&mut wire, now).expect("a valid message");
            assert_eq!(received, Some(Message::text(text.clone())));
            ends.swap(0, 1);
        }
    }
    let sent = ends.map(|end| {
        let sent = end.statistics().expect("compression").sent;
        assert_eq!(sent.messages, 400, "all are compressed");
        usize::try_from(sent.wire_bytes).expect("a few thousand")
    });
    sent[0].midpoint(sent[1])
}

#[test]
fn recipe_of_migrating_gives_the_bytes_of_the_fork() {
    let session = session();
    let fork = fork_bytes(&session);
    let plain: usize = session.iter().map(String::len).sum();
    let recipe = recipe();
    let (small, default) = (
        our_bytes(&recipe, &session),
        our_bytes(&DeflateConfig::default(), &session),
    );
    println!("{plain} bytes: fork {fork}, recipe {small}, default {default}");
    assert!(small * 100 <= fork * 105, "{small} against {fork}");
    assert!(default * 4 <= plain, "{default} of {plain}");
}
