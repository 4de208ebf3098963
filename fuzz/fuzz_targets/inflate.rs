//! See `targets::inflate::inflate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::inflate::inflate(data));
