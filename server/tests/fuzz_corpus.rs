//! Readers of strangers' bytes, on committed seeds and a few hundred mutations of each.

use std::path::Path;

use mutations::Target;
use server::fuzzing;

#[expect(unreachable_pub, reason = "shared with the library's tests")]
#[path = "../../tungstenite-deflate/tests/mutations/mod.rs"]
mod mutations;

/// As `server/fuzz/fuzz_targets` and `server/fuzz/seeds` name them.
const TARGETS: &[(&str, Target)] = &[
    ("chat_request", |bytes| _ = fuzzing::chat_request(bytes)),
    ("chat_text", fuzzing::chat_text),
    ("config_file", |bytes| _ = fuzzing::config_file(bytes)),
    ("drone_command", fuzzing::drone_command),
    ("envelope", fuzzing::envelope),
    ("position", fuzzing::position),
    ("proxy_header", |bytes| _ = fuzzing::proxy_header(bytes)),
    ("token", fuzzing::token),
    ("token_keys", |bytes| _ = fuzzing::token_keys(bytes)),
];

#[test]
fn every_target_holds_on_its_seeds_and_their_mutations() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    mutations::run(&seeds, TARGETS);
}
