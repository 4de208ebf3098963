//! Budgets of compression contexts (D16): each configuration may have its own.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tungstenite_deflate::deflate::{DeflateConfig, negotiate};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Compression, Connection, MemoryBudget, Options, ProtocolError};

/// Keeps both contexts, which count against `memory`.
fn keeping(memory: &MemoryBudget) -> DeflateConfig {
    DeflateConfig::default()
        .server_no_context_takeover(false)
        .client_no_context_takeover(false)
        .memory(memory.clone())
}

/// Returns the answer of a server with `config` to a plain offer.
fn answer(config: &DeflateConfig) -> (Agreed, String) {
    negotiate::accept_offers(["permessage-deflate"], config).expect("an offer")
}

#[test]
fn spent_budget_asks_the_peer_not_to_keep_its_context() {
    let (spent, left) = (MemoryBudget::new(0), MemoryBudget::new(1 << 20));
    // Two servers in one process do not meet each other.
    for _ in 0..2 {
        let (agreed, response) = answer(&keeping(&left));
        assert_eq!(
            (agreed.client_no_context_takeover, response.as_str()),
            (false, "permessage-deflate")
        );
        let (agreed, response) = answer(&keeping(&spent));
        assert_eq!(response, "permessage-deflate; client_no_context_takeover");
        // Our own direction needs no word: a compressor may forget whenever it likes.
        assert!(agreed.client_no_context_takeover && !agreed.server_no_context_takeover);
    }
    assert_eq!(
        negotiate::offer(&keeping(&spent)),
        "permessage-deflate; server_no_context_takeover"
    );
    assert_eq!(negotiate::offer(&keeping(&left)), "permessage-deflate");
    let shared = DeflateConfig::default();
    assert_eq!(shared.memory.limit(), 256 << 20);
    assert_eq!(shared, DeflateConfig::default(), "all share it");
}

/// Two thousand connections took 80 MiB with a budget of 16 MiB: the peer's contexts were taken past it.
#[test]
fn d16_promised_contexts_never_pass_their_budget() {
    let memory = MemoryBudget::new(1 << 20);
    let config = keeping(&memory);
    let now = Instant::now();
    let open = |role, agreed, config: &DeflateConfig| {
        let options = Options::default().deflate(Some(config.clone()));
        Connection::new(role, Arc::new(options), Some(agreed), now)
    };
    let mut servers = Vec::new();
    for number in 0..100 {
        let (agreed, _) = answer(&config);
        assert_eq!(agreed.client_no_context_takeover, number >= 32, "{number}");
        let mut server = open(Role::Server, agreed, &config);
        let mut client = open(Role::Client, agreed, &DeflateConfig::default());
        for round in 0..3 {
            let message = Message::binary(vec![round; 40_000]);
            client
                .send_with(message, Compression::Always, now)
                .expect("an open connection");
            let bytes = client.outgoing();
            let mut wire = BytesMut::from(&bytes.copy_to_bytes(bytes.remaining())[..]);
            assert!(matches!(server.receive(&mut wire, now), Ok(Some(_))));
            assert!(memory.used() <= memory.limit(), "{}", memory.used());
        }
        servers.push(server);
    }
    // One that was allowed to keep its context while others took what was left.
    let agreed = Agreed {
        client_no_context_takeover: false,
        ..answer(&config).0
    };
    let mut late = open(Role::Server, agreed, &config);
    let mut wire = BytesMut::from(&[0xc1, 0x81, 0, 0, 0, 0, 0x00][..]);
    let error = late.receive(&mut wire, now).expect_err("nothing is left");
    assert_eq!(error, ProtocolError::CompressionMemory { allowed: 1 << 20 });
    assert_eq!(error.close_code_number(), 1013);
    drop(servers);
    assert_eq!(memory.used(), 0);
}
