//! poem 3: the request gives its upgrade away; the handshake is made of the library's parts.

use bytes::BytesMut;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Request, Response, Route, Server, handler};
use tungstenite_deflate::handshake::{Rejection, server};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, WebSocketStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
    let address = acceptor.local_addr().remove(0);
    println!(
        "listening on ws://{}/ws",
        address.as_socket_addr().expect("TCP")
    );
    Server::new_with_acceptor(acceptor)
        .run(Route::new().at("/ws", ws))
        .await
}

#[handler]
fn ws(request: &Request) -> Response {
    accept(request).unwrap_or_else(|rejection| {
        let (head, body) = rejection.response().into_parts();
        let mut response = Response::builder().status(head.status).body(body);
        response.headers_mut().extend(head.headers);
        response
    })
}

fn accept(request: &Request) -> Result<Response, Rejection> {
    let options = Options::default();
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.headers_mut() = request.headers().clone();
    let (response, agreed) = server::accept(&head, options.deflate.as_ref())?;
    let Ok(handle) = request.take_upgrade() else {
        return Ok(Response::builder()
            .status(http::StatusCode::UPGRADE_REQUIRED)
            .finish());
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = handle.await {
            let socket = WebSocketStream::with_options(
                upgraded,
                BytesMut::new(),
                Role::Server,
                options,
                agreed,
            );
            recipes::echo(socket).await;
        }
    });
    let (head, ()) = response.into_parts();
    let mut response = Response::builder().status(head.status).finish();
    response.headers_mut().extend(head.headers);
    Ok(response)
}
