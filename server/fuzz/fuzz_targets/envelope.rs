//! A message that another node wrote into NATS; see `server::fuzzing::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::envelope(data);
});
