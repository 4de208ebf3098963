//! See `targets::negotiation::responses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::negotiation::responses(data));
