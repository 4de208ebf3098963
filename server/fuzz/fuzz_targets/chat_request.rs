//! A message of a client of `chat.v1.json`; see `server::fuzzing::chat_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::chat_request(data);
});
