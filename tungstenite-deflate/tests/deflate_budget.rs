//! The process-wide budget of compression contexts, in a process of its own since it is one for all.

use tungstenite_deflate::deflate::{DeflateConfig, budget, negotiate};

#[test]
fn spent_budget_asks_the_peer_not_to_keep_its_context() {
    let keeps = DeflateConfig::default()
        .server_no_context_takeover(false)
        .client_no_context_takeover(false);
    assert_eq!((budget::used(), budget::limit()), (0, 256 << 20));
    assert_eq!(negotiate::offer(&keeps), "permessage-deflate");
    let (agreed, response) =
        negotiate::accept_offers(["permessage-deflate"], &keeps).expect("an offer");
    assert_eq!(
        (agreed.client_no_context_takeover, response.as_str()),
        (false, "permessage-deflate")
    );

    budget::set_limit(0);
    assert_eq!(
        negotiate::offer(&keeps),
        "permessage-deflate; server_no_context_takeover"
    );
    let (agreed, response) =
        negotiate::accept_offers(["permessage-deflate"], &keeps).expect("an offer");
    assert_eq!(response, "permessage-deflate; client_no_context_takeover");
    // Our own direction needs no word: a compressor may forget whenever it likes.
    assert_eq!(
        (
            agreed.client_no_context_takeover,
            agreed.server_no_context_takeover
        ),
        (true, false)
    );

    budget::set_limit(1 << 20);
    assert_eq!(negotiate::offer(&keeps), "permessage-deflate");
}
