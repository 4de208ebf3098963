//! The rules of HTTP/2 at our port: RFC 9113 and RFC 7541 restated as bytes and what may come of them.
//!
//! The coverage is that of h2spec's generic, http2 and hpack parts, and more. Where the RFC leaves a choice every
//! allowed answer is accepted; where the server does something else the case is marked as a deviation, with the reason.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod case;
#[path = "../common/mod.rs"]
mod common;
mod flow;
mod frames;
mod hpack;
mod messages;
mod settings;
mod streams;
mod wire;

use case::{Case, check, deviations};

#[tokio::test]
async fn frames_are_read_as_rfc_9113_asks() {
    check(frames::cases()).await;
}

#[tokio::test]
async fn streams_pass_through_their_states_alone() {
    check(streams::cases()).await;
}

#[tokio::test]
async fn settings_pings_and_goaways_follow_the_rules() {
    check(settings::cases()).await;
}

#[tokio::test]
async fn windows_are_kept_to() {
    check(flow::cases()).await;
}

#[tokio::test]
async fn malformed_requests_reach_no_handler() {
    check(messages::cases()).await;
}

#[tokio::test]
async fn header_blocks_are_read_as_rfc_7541_asks() {
    check(hpack::cases()).await;
}

/// h2spec has 146.
#[test]
fn rules_are_no_fewer_than_h2specs() {
    let groups = [
        frames::cases,
        streams::cases,
        settings::cases,
        flow::cases,
        messages::cases,
        hpack::cases,
    ];
    let cases: Vec<Case> = groups.iter().flat_map(|cases| cases()).collect();
    let kept = cases.len() - deviations(&cases);
    println!("{kept} rules of HTTP/2 are kept");
    assert!(kept >= 146, "{kept}");
}
