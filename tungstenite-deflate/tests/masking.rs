//! F19: the masking key of each frame is fresh and cannot be foretold (RFC 6455 §5.3).

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Connection, Options};

const FRAMES: usize = 100_000;

/// The keys of so many frames in a row.
fn keys() -> Vec<[u8; 4]> {
    let mut client = Connection::new(
        Role::Client,
        Arc::new(Options::default()),
        None,
        Instant::now(),
    );
    let mut keys = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        client
            .send(Message::binary(b"x".as_slice()), Instant::now())
            .unwrap();
        let bytes = client.outgoing().copy_to_bytes(7);
        assert_eq!(bytes[..2], [0x82, 0x81]);
        keys.push(bytes[2..6].try_into().unwrap());
    }
    keys
}

#[test]
fn f19_keys_are_spread_evenly_and_repeat_no_more_than_chance() {
    let keys = keys();
    // n²/2³³ = 1.2 repeats are expected among 100,000 of 2³² keys; 20 come by chance less than once in 10¹⁶ runs.
    let distinct: HashSet<_> = keys.iter().collect();
    assert!(FRAMES - distinct.len() < 20, "{} distinct", distinct.len());
    // χ² with 255 degrees of freedom: 400 is passed by chance less than once in 10⁷ runs, 150 not reached as rarely.
    for byte in 0..4 {
        let mut counts = [0_u32; 256];
        for key in &keys {
            counts[usize::from(key[byte])] += 1;
        }
        let expected = 100_000.0 / 256.0;
        let chi: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - expected).powi(2) / expected)
            .sum();
        assert!((150.0..400.0).contains(&chi), "χ² of byte {byte}: {chi}");
    }
    // Neighbours share nothing: half of the bits differ.
    let differing: u32 = keys
        .windows(2)
        .map(|pair| (u32::from_be_bytes(pair[0]) ^ u32::from_be_bytes(pair[1])).count_ones())
        .sum();
    let share = f64::from(differing) / (32.0 * 99_999.0);
    assert!(
        (0.498..0.502).contains(&share),
        "{share} of the bits differ"
    );
}
