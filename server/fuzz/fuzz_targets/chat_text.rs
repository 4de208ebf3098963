//! A text on its way to members without JSON; see `server::fuzzing::chat_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    server::fuzzing::chat_text(data);
});
