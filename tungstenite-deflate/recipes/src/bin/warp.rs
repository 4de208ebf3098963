//! warp 0.4: hyper's upgrade handle is among the request's extensions.

use http::{HeaderMap, Method, Request, Response};
use hyper::upgrade::OnUpgrade;
use tokio::net::TcpListener;
use tungstenite_deflate::Options;
use tungstenite_deflate::hyper::upgrade;
use warp::Filter;

#[tokio::main]
async fn main() {
    let route = warp::path!("ws")
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(accept);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!(
        "listening on ws://{}/ws",
        listener.local_addr().expect("a bound socket")
    );
    warp::serve(route).incoming(listener).run().await;
}

fn accept(method: Method, headers: HeaderMap, handle: Option<OnUpgrade>) -> Response<String> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    if let Some(handle) = handle {
        request.extensions_mut().insert(handle);
    }
    match upgrade(&mut request, Options::default()) {
        Ok((response, connection)) => {
            tokio::spawn(async move {
                if let Ok(socket) = connection.await {
                    recipes::echo(socket).await;
                }
            });
            response
        }
        Err(rejection) => rejection.response(),
    }
}
