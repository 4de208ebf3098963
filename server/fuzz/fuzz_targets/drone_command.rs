//! A command for the drone, in both dialects; see `server::fuzzing::drone_command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::drone_command(data);
});
