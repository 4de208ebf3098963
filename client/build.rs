//! Makes Rust out of the chat service's description, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The contract lives with the server; the client is built from the same words.
    println!("cargo::rerun-if-changed=../server/proto");
    let descriptors = protox::compile(["../server/proto/chat.proto"], ["../server/proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
