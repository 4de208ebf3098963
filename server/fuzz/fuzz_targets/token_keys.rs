//! A file of keys for tokens; see `server::fuzzing::token_keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::token_keys(data);
});
