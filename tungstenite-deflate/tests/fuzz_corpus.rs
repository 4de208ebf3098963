//! The fuzz targets on their committed seeds, and on a few hundred mutations of each.
#![cfg(feature = "handshake")]

use std::path::Path;

#[expect(unreachable_pub, reason = "shared with the server's tests")]
mod mutations;
#[expect(unreachable_pub, reason = "a crate of its own in fuzz/")]
mod targets;

#[test]
fn every_target_holds_on_its_seeds_and_their_mutations() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    mutations::run(&seeds, targets::TARGETS);
}
