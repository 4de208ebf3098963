//! salvo: hyper's upgrade handle is among the request's extensions.

use hyper::upgrade::OnUpgrade;
use salvo_core::conn::{Acceptor, Listener, TcpListener};
use salvo_core::prelude::*;
use tungstenite_deflate::Options;
use tungstenite_deflate::hyper::upgrade;

#[tokio::main]
async fn main() {
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.holdings()[0]
        .local_addr
        .clone()
        .into_std()
        .expect("TCP");
    println!("listening on ws://{address}/ws");
    Server::new(acceptor)
        .serve(Router::with_path("ws").goal(ws))
        .await;
}

#[handler]
async fn ws(incoming: &mut Request, outgoing: &mut Response) {
    let mut request = http::Request::new(());
    *request.method_mut() = incoming.method().clone();
    *request.headers_mut() = incoming.headers().clone();
    if let Some(handle) = incoming.extensions_mut().remove::<OnUpgrade>() {
        request.extensions_mut().insert(handle);
    }
    match upgrade::<_, ()>(&mut request, Options::default()) {
        Ok((response, connection)) => {
            tokio::spawn(async move {
                if let Ok(socket) = connection.await {
                    recipes::echo(socket).await;
                }
            });
            outgoing.status_code(response.status());
            outgoing
                .headers_mut()
                .extend(response.into_parts().0.headers);
        }
        Err(rejection) => {
            let (head, body) = rejection.response().into_parts();
            outgoing.status_code(head.status);
            outgoing.headers_mut().extend(head.headers);
            let _ = outgoing.write_body(body);
        }
    }
}
