//! The tutorial's description, `proto/chat.proto`, in Rust.

tonic::include_proto!("chat");
