//! See `targets::engine::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::engine::client(data));
