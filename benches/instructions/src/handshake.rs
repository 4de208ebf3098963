//! The opening handshake.

use futures_util::future::join;
use tungstenite_deflate::{Options, accept_async_with_options, client_async_with_options};

use crate::path::Path;
use crate::room::runtime;

/// A client's request and the server's response, both written and read, with permessage-deflate agreed.
pub(crate) fn both_sides() -> Path {
    let runtime = runtime();
    Path::new(128, move || {
        runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(4 << 10);
            let client = client_async_with_options("ws://localhost/chat", ours, Options::default());
            let server = accept_async_with_options(theirs, Options::default());
            let (client, server) = join(client, server).await;
            let (client, _) = client.expect("the response is valid");
            let server = server.expect("the request is valid");
            assert!(client.agreed().is_some() && server.agreed().is_some());
        });
    })
}
