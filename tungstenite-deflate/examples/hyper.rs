//! A hyper server that takes its sockets back. `cargo run -p tungstenite-deflate --features hyper --example hyper [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::hyper::Upgrade;

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001")).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection.with_upgrades());
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (response, pending) = match Upgrade::from_request(&mut request) {
        Ok(upgrade) => upgrade.accept(),
        Err(rejection) => return Ok(rejection.response().map(Full::from)),
    };
    tokio::spawn(async move {
        // The socket as it was given to hyper, with what hyper had read of it: hyper is gone from the path.
        if let Ok(Ok(socket)) = pending.connect_as::<TcpStream>().await {
            echo(socket).await;
        }
    });
    Ok(response.map(|()| Full::default()))
}

async fn echo(mut socket: WebSocketStream<TcpStream>) {
    // To the end, past an error too: the stream still writes its Close and ends the transport.
    while let Some(message) = socket.next().await {
        match message {
            Ok(data) if data.is_text() || data.is_binary() => {
                // What a failed one means is reported by `next`.
                let _ = socket.feed(data).await;
            }
            Ok(_) => {}
            Err(error) => println!("{error}"),
        }
    }
    println!("{:?}", socket.closed());
}
