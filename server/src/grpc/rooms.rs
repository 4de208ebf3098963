//! The server's side of `proto/chat_v2.proto`, as `build.rs` describes it.

include!(concat!(env!("OUT_DIR"), "/chat.v2.ChatService.rs"));
