//! See `targets::handshake::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::handshake::response(data));
