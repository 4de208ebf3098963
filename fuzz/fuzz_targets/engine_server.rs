//! See `targets::engine::server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::engine::server(data));
