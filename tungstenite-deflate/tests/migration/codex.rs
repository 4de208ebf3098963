//! A client of a language model's API as codex of `OpenAI` has it, retyped: a connector of its own, the proxy that the environment
//! names, context takeover, a turn of 400 token events.

use std::process::Command;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tungstenite_deflate::dial::{Dial, Proxy, ProxyChoice};
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::handshake::client::{Request, Response};
use tungstenite_deflate::tungstenite::handshake::server;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{
    Connector, Options, WebSocketStream, accept_hdr_async_with_options,
    client_async_tls_with_config, client_async_tls_with_options, connect_async_tls_with_config,
    connect_async_tls_with_options,
};

use crate::bytes::{fork_bytes, recipe, session};
use crate::events;
use crate::servers::{http_proxy, listen};

const TOKEN: &str = "Bearer sk-test";

/// A server with TLS and a certificate of its own, and the connector that trusts it. Returns its URL.
async fn api() -> (String, Connector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = listen(move |socket| serve(acceptor.clone(), socket)).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = format!("wss://localhost:{}/v1/responses", address.port());
    (url, Connector::Rustls(Arc::new(config)))
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream) {
    let Ok(stream) = acceptor.accept(socket).await else {
        return;
    };
    #[allow(clippy::result_large_err, reason = "tungstenite's signature")]
    let check = |request: &server::Request, response: server::Response| {
        if request
            .headers()
            .get("authorization")
            .is_some_and(|value| value == TOKEN)
        {
            return Ok(response);
        }
        let mut refusal = server::ErrorResponse::new(Some("who are you".to_owned()));
        *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    let options = Options::default().deflate(Some(recipe()));
    let Ok(mut socket) = accept_hdr_async_with_options(stream, check, options).await else {
        return;
    };
    let create = socket.next().await.unwrap().unwrap();
    assert!(create.into_text().unwrap().contains("response.create"));
    for event in session() {
        socket.feed(Message::text(event)).await.unwrap();
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
}

fn request(url: &str, token: &str) -> Request {
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", token.parse().unwrap());
    headers.insert(
        "openai-beta",
        "responses_websockets=2026-02-06".parse().unwrap(),
    );
    request
}

fn options(proxy: ProxyChoice) -> Options {
    Options::default()
        .websocket(WebSocketConfig::default())
        .deflate(Some(recipe()))
        .dial(Dial::default().proxy(proxy))
}

/// One turn; returns the payload bytes that its events had on the wire.
async fn turn<S>((mut socket, response): (WebSocketStream<S>, Response)) -> u64
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    assert_eq!(response.status(), 101);
    let create = r#"{"type":"response.create","model":"test"}"#;
    socket.send(Message::text(create)).await.unwrap();
    assert_eq!(events(&mut socket).await, session());
    socket
        .statistics()
        .expect("compression")
        .received
        .wire_bytes
}

/// The bytes of the fork, and five in a hundred more.
fn allowed() -> u64 {
    u64::try_from(fork_bytes(&session())).unwrap() * 105 / 100
}

#[tokio::test]
async fn turn_takes_the_bytes_of_the_fork() {
    let (url, connector) = api().await;
    let connect = |token| {
        let request = request(&url, token);
        let options = options(ProxyChoice::Direct);
        connect_async_tls_with_options(request, options, false, Some(connector.clone()))
    };
    let bytes = turn(connect(TOKEN).await.unwrap()).await;
    assert!(bytes <= allowed(), "{bytes} of {}", allowed());
    match connect("Bearer wrong").await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 401);
            assert_eq!(response.body().as_deref(), Some(&b"who are you"[..]));
        }
        other => panic!("{other:?}"),
    }
    // The call as it was, with the defaults of this crate.
    let config = Some(WebSocketConfig::default());
    let request = request(&url, TOKEN);
    let as_it_was = connect_async_tls_with_config(request, config, false, Some(connector)).await;
    turn(as_it_was.unwrap()).await;
}

/// The kind of stream that codex passes.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

#[tokio::test]
async fn boxed_stream_is_enough() {
    let (url, connector) = api().await;
    let (proxy, tunnels) = http_proxy().await;
    let port = url
        .rsplit(':')
        .next()
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    for tunnelled in [false, true] {
        let stream: Box<dyn Io> = if tunnelled {
            let proxy: Proxy = format!("http://alice:hunter2@{proxy}").parse().unwrap();
            let socket = TcpStream::connect((proxy.host.as_str(), proxy.port))
                .await
                .unwrap();
            Box::new(proxy.tunnel(socket, "localhost", port).await.unwrap())
        } else {
            Box::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap())
        };
        let (request, connector) = (request(&url, TOKEN), Some(connector.clone()));
        if tunnelled {
            let options = options(ProxyChoice::Direct);
            let opened = client_async_tls_with_options(request, stream, options, connector).await;
            let bytes = turn(opened.unwrap()).await;
            assert!(bytes <= allowed(), "{bytes}");
        } else {
            let opened = client_async_tls_with_config(request, stream, None, connector).await;
            turn(opened.unwrap()).await;
        }
        assert_eq!(tunnels.lock().unwrap().len(), usize::from(tunnelled));
    }
}

#[tokio::test]
async fn environment_names_the_proxy() {
    let (proxy, tunnels) = http_proxy().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "codex::child_takes_a_turn", "--ignored"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env_remove("wss_proxy")
        .env_remove("WSS_PROXY")
        .env("https_proxy", format!("http://alice:hunter2@{proxy}"));
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    let tunnels = tunnels.lock().unwrap();
    assert_eq!(tunnels.len(), 1);
    assert!(tunnels[0].starts_with("CONNECT localhost:"), "{tunnels:?}");
}

#[tokio::test]
#[ignore = "run by environment_names_the_proxy with variables"]
async fn child_takes_a_turn() {
    let (url, connector) = api().await;
    let options = options(ProxyChoice::Environment);
    let opened =
        connect_async_tls_with_options(request(&url, TOKEN), options, false, Some(connector)).await;
    turn(opened.unwrap()).await;
}
