//! gRPC calls that are right, and then changed: whoever made one knows the status that it asks for (threat R17).
//!
//! The same in every run; `scripts/bad-inputs` adds up what the tests print. Each call is judged by the first of what is
//! wrong with it: its head, the prefixes of its messages, their fields, what they ask for. The connection goes on after
//! it, and at the end somebody new is served.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod call;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod heads;
mod judge;
mod prefixes;
#[path = "../../../tungstenite-deflate/tests/bad_inputs/random.rs"]
mod random;
mod rooms;
mod sender;
mod web;

use call::{Call, Protocol};
use judge::judge;

/// Seed of the generators.
const SEED: u64 = 0x0067_5250_4300;

#[tokio::test]
async fn r17_fields_that_cannot_be_read_are_internal() {
    let make = |random: &mut _| Call::tutorial(fields::message(random));
    judge("messages of gRPC", Protocol::Http2, 2_000, make).await;
}

#[tokio::test]
async fn r17_prefixes_that_lie_are_told_so() {
    judge("prefixes of gRPC", Protocol::Http2, 1_500, prefixes::call).await;
}

#[tokio::test]
async fn r17_heads_of_calls_are_judged_by_their_parts() {
    judge("heads of gRPC calls", Protocol::Http2, 1_500, heads::call).await;
}

#[tokio::test]
async fn r17_requests_for_rooms_are_judged_by_what_they_ask_for() {
    judge("requests for rooms", Protocol::Http2, 1_500, rooms::call).await;
}

#[tokio::test]
async fn r17_conversations_end_where_they_go_wrong() {
    let make = rooms::conversation;
    judge("conversations over gRPC", Protocol::Http2, 1_000, make).await;
}

#[tokio::test]
async fn r17_pages_calls_are_judged_as_others() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let make = |random: &mut _| web::call(random, protocol);
        judge("calls of gRPC-Web", protocol, 1_000, make).await;
    }
}
