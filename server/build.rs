//! Makes Rust out of the services' descriptions, without protoc, and keeps the descriptions for reflection.

use std::path::PathBuf;

use prost_types::FileDescriptorSet;
use tonic_prost_build::manual;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .open_files(["proto/chat.proto", "proto/chat_v2.proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    // Generated code has the comments of the description as its documentation.
    compiler.include_source_info(true);
    let all = compiler.file_descriptor_set();
    let of = |package: &str| FileDescriptorSet {
        file: all
            .file
            .iter()
            .filter(|file| file.package() == package)
            .cloned()
            .collect(),
    };
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(of("chat"))?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_server(false)
        .compile_fds(of("chat.v2"))?;
    manual::Builder::new()
        .build_client(false)
        .build_transport(false)
        .compile(&[rooms()]);
    Ok(())
}

/// The server's side of `chat.v2.ChatService`: as described, but events go out as bytes that are encoded already.
fn rooms() -> manual::Service {
    let method = |name: &str, route: &str, input: &str| {
        manual::Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::grpc::proto_v2::{input}"))
    };
    let events = |method: manual::MethodBuilder| {
        method
            .output_type("crate::grpc::EncodedEvent")
            .codec_path("crate::grpc::EncodedCodec")
            .server_streaming()
    };
    manual::Service::builder()
        .name("ChatService")
        .package("chat.v2")
        .method(
            method("send", "Send", "SendRequest")
                .output_type("crate::grpc::proto_v2::SendResponse")
                .codec_path("tonic_prost::ProstCodec")
                .build(),
        )
        .method(events(method("subscribe", "Subscribe", "SubscribeRequest")).build())
        .method(
            events(method("converse", "Converse", "ConverseRequest").client_streaming()).build(),
        )
        .build()
}
