//! The PROXY protocol; see `server::fuzzing::proxy_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::proxy_header(data);
});
