//! actix-web 4: the request's body is what the client sends, the response's body is what the server sends.

use std::io;

use actix_web::web::{Payload, get};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use bytes::BytesMut;
use futures_util::TryStreamExt;
use http::{HeaderName, HeaderValue};
use tokio_util::io::{ReaderStream, StreamReader};
use tungstenite_deflate::handshake::{Rejection, server};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, WebSocketStream};

#[actix_web::main]
async fn main() -> io::Result<()> {
    let server = HttpServer::new(|| App::new().route("/ws", get().to(ws))).bind("127.0.0.1:0")?;
    println!("listening on ws://{}/ws", server.addrs()[0]);
    server.run().await
}

async fn ws(request: HttpRequest, payload: Payload) -> HttpResponse {
    accept(&request, payload).unwrap_or_else(|rejection| {
        let (head, body) = rejection.response().into_parts();
        let status = actix_web::http::StatusCode::from_u16(head.status.as_u16()).expect("a status");
        HttpResponse::build(status).body(body)
    })
}

fn accept(request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Rejection> {
    let options = Options::default();
    let (head, agreed) = server::accept(&with_headers(request), options.deflate.as_ref())?;
    let incoming = StreamReader::new(payload.map_err(io::Error::other));
    let (outgoing, body) = tokio::io::duplex(64 << 10);
    let transport = tokio::io::join(incoming, outgoing);
    rt::spawn(async move {
        let socket = WebSocketStream::with_options(
            transport,
            BytesMut::new(),
            Role::Server,
            options,
            agreed,
        );
        recipes::echo(socket).await;
    });
    let mut response = HttpResponse::SwitchingProtocols();
    response.upgrade("websocket");
    for (name, value) in head.headers() {
        // `upgrade` has set these.
        if !["connection", "upgrade"].contains(&name.as_str()) {
            response.insert_header((name.as_str(), value.as_bytes()));
        }
    }
    Ok(response.streaming(ReaderStream::new(body)))
}

/// The request with the types of http 1, where actix-web 4 has those of http 0.2.
fn with_headers(request: &HttpRequest) -> http::Request<()> {
    let mut copy = http::Request::new(());
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).expect("a name");
        copy.headers_mut().append(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    copy
}
