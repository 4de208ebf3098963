//! The description of rooms, `proto/chat_v2.proto`, in Rust.

tonic::include_proto!("chat.v2");
