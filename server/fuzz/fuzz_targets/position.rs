//! A position in a room's history; see `server::fuzzing::position`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::position(data);
});
