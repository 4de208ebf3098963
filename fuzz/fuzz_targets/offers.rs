//! See `targets::negotiation::offers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::negotiation::offers(data));
