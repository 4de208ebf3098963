//! Records of a TLS client: arbitrary ones cut anywhere, and those of a valid session that are mangled.
#![no_main]

#[expect(dead_code, reason = "shared with the tests over the reference")]
#[path = "../../server/tls/tests/support/mod.rs"]
mod support;
#[path = "../../server/tls/tests/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::tls_records(data));
