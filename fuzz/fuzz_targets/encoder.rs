//! See `targets::encoder::encoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::encoder::encoder(data));
