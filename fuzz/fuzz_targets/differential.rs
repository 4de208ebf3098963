//! See `targets::differential::differential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::differential::differential(data));
