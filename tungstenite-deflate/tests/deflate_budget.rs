//! Budgets of compression contexts (D16): each configuration may have its own.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tungstenite_deflate::deflate::{DeflateConfig, WindowBits, negotiate};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Compression, Connection, MemoryBudget, Options};

/// Keeps both contexts, which count against `memory`.
fn keeping(memory: &MemoryBudget) -> DeflateConfig {
    DeflateConfig::default()
        .client_max_window_bits(WindowBits::MAX)
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
        "permessage-deflate; server_no_context_takeover; client_max_window_bits"
    );
    assert_eq!(
        negotiate::offer(&keeping(&left)),
        "permessage-deflate; client_max_window_bits"
    );
    let shared = DeflateConfig::default();
    assert_eq!(shared.memory.budget().limit(), 64 << 20);
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
    drop(servers);
    assert_eq!(memory.used(), 0);
}
