//! Hundreds of PEM files as people really have them: each is read or refused in one clear line, never a panic.
//!
//! The keys in `tests/data` were made for this test and open nothing.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml excepts only the tests themselves"
)]
#![allow(unreachable_pub, reason = "a test has no outside")]

mod damaged;
mod forms;
mod good;
mod pairs;
mod paths;

use certs::load_pair;
use good::Good;

/// A name, the content of both files of a pair, and a part of the line that must come of it; `None` when it must be accepted.
type Case = (&'static str, Vec<u8>, Vec<u8>, Option<&'static str>);

#[test]
fn each_file_is_read_or_refused_by_name() {
    let good = Good::new();
    for (name, certificate, key, expected) in
        forms::cases(&good).into_iter().chain(pairs::cases(&good))
    {
        let certificate = good.write("server.crt", &certificate);
        let key = good.write("server.key", &key);
        match (load_pair(&certificate, &key), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                let line = error.to_string();
                assert!(line.contains(expected), "{name}: {line}");
                assert!(line.contains("server."), "{name} names the file: {line}");
                assert!(
                    line.lines().count() == 1 && line.len() < 400,
                    "{name}: {line}"
                );
            }
            (Ok(_), Some(expected)) => panic!("{name}: accepted, expected \"{expected}\""),
            (Err(error), None) => panic!("{name}: {error}"),
        }
    }
}
