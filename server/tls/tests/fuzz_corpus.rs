//! The fuzz target on its committed seeds, and on a few hundred mutations of each.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

use std::path::Path;

#[expect(unreachable_pub, reason = "shared with the library's tests")]
#[path = "../../../tungstenite-deflate/tests/mutations/mod.rs"]
mod mutations;
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests over the reference"
)]
mod support;
#[expect(unreachable_pub, reason = "shared with fuzz/")]
mod targets;

#[test]
fn target_holds_on_its_seeds_and_their_mutations() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    mutations::run(&seeds, &[("tls_records", targets::tls_records)]);
}
