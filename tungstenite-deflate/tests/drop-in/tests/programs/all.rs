// Included once for each pair of `server` and `client`.

use std::collections::HashMap;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FusedStream;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use server::tungstenite::client::{ClientRequestBuilder, IntoClientRequest};
use server::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError, UrlError};
use server::tungstenite::handshake::derive_accept_key;
use server::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use server::tungstenite::http::{self, HeaderValue, StatusCode};
use server::tungstenite::protocol::frame::coding::CloseCode;
use server::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use server::tungstenite::{Error, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

type ServerSide<S> = server::WebSocketStream<S>;
type ClientSide<S> = client::WebSocketStream<S>;

/// Nothing here takes longer.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("an end within 20 s")
}

/// A listener whose connections are each given to `handle` in a task.
async fn serve<F, Fut>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// A connected pair over memory.
async fn pair() -> (ServerSide<DuplexStream>, ClientSide<DuplexStream>) {
    let (here, there) = tokio::io::duplex(1 << 16);
    let (server, client) =
        soon(futures_util::future::join(server::accept_async(there), client::client_async("ws://localhost/", here))).await;
    (server.unwrap(), client.unwrap().0)
}

async fn collect(mut connection: ServerSide<TcpStream>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = connection.next().await {
        messages.push(message.expect("no failure"));
    }
    messages
}

/// A server that collects what one client sends, and the client.
async fn collector() -> (JoinHandle<Vec<Message>>, ClientSide<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        collect(server::accept_async(stream).await.unwrap()).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, _) = soon(client::client_async(format!("ws://{address}/"), stream)).await.unwrap();
    (server, client)
}

#[tokio::test]
async fn messages_arrive_in_order_and_the_close_last() {
    let (server, mut client) = collector().await;
    for number in 0..9 {
        client.send(Message::text(number.to_string())).await.unwrap();
    }
    client.close(None).await.unwrap();
    let messages = soon(server).await.unwrap();
    assert_eq!(messages.len(), 10);
    assert_eq!(messages[8], Message::text("8"));
    assert_eq!(messages[9], Message::Close(None));
}

#[tokio::test]
async fn half_of_a_split_connection_sends_and_closes() {
    let (server, client) = collector().await;
    let (mut write, _read) = client.split();
    for number in 0..9 {
        write.send(Message::text(number.to_string())).await.unwrap();
    }
    write.close().await.unwrap();
    let messages = soon(server).await.unwrap();
    assert_eq!(messages.len(), 10);
    assert!(messages[9].is_close());
}

#[tokio::test]
async fn feed_send_all_and_flush_send() {
    let (server, mut client) = collector().await;
    client.feed(Message::text("fed")).await.unwrap();
    client.feed(Message::binary(vec![1, 2, 3])).await.unwrap();
    client.flush().await.unwrap();
    let mut more = futures_util::stream::iter(["a", "b", "c"]).map(|text| Ok(Message::text(text)));
    client.send_all(&mut more).await.unwrap();
    SinkExt::close(&mut client).await.unwrap();
    let messages = soon(server).await.unwrap();
    assert_eq!(messages.len(), 6, "{messages:?}");
    assert_eq!(messages[1], Message::binary(vec![1, 2, 3]));
}

/// Gives back text and binary messages.
async fn echo(stream: TcpStream) {
    let Ok(connection) = server::accept_async(stream).await else { return };
    let (write, read) = connection.split();
    let data = read.try_filter(|message| ready(message.is_text() || message.is_binary()));
    let _ = data.forward(write).await;
}

#[tokio::test]
async fn echo_server_answers_messages_of_all_sizes() {
    let address = serve(echo).await;
    let (mut client, response) = soon(client::connect_async(format!("ws://{address}/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    for bytes in [0, 1, 125, 126, 1000, 65_535, 65_536, 1_000_000] {
        for message in [Message::text("ä".repeat(bytes / 2)), Message::binary(vec![7; bytes])] {
            client.send(message.clone()).await.unwrap();
            let answer = soon(client.next()).await.unwrap().unwrap();
            assert!(answer == message, "{bytes} bytes");
        }
    }
    client.close(None).await.unwrap();
    while let Some(message) = soon(client.next()).await {
        assert!(message.unwrap().is_close());
    }
    assert!(client.is_terminated());
}

#[tokio::test]
async fn halves_in_two_tasks_are_put_together_again() {
    let address = serve(echo).await;
    let (client, _) = soon(client::connect_async(format!("ws://{address}/"))).await.unwrap();
    let (mut write, mut read) = client.split();
    let writer = tokio::spawn(async move {
        for number in 0..200_u32 {
            write.send(Message::binary(number.to_be_bytes().to_vec())).await.unwrap();
        }
        write
    });
    let reader = tokio::spawn(async move {
        for number in 0..200_u32 {
            let message = read.next().await.unwrap().unwrap();
            assert_eq!(message.into_data(), Bytes::copy_from_slice(&number.to_be_bytes()));
        }
        read
    });
    let (write, read) = (soon(writer).await.unwrap(), soon(reader).await.unwrap());
    let mut client = write.reunite(read).unwrap();
    client.close(None).await.unwrap();
}

#[tokio::test]
async fn chat_reaches_all_others() {
    type Peers = Arc<Mutex<HashMap<usize, mpsc::UnboundedSender<Message>>>>;

    async fn chat(stream: TcpStream, peers: Peers) {
        let (mut write, mut read) = server::accept_async(stream).await.unwrap().split();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let id = {
            let mut peers = peers.lock().unwrap();
            let id = peers.len();
            peers.insert(id, sender);
            id
        };
        loop {
            tokio::select! {
                message = read.next() => {
                    let Some(Ok(message @ Message::Text(_))) = message else { break };
                    let peers = peers.lock().unwrap();
                    for (_, peer) in peers.iter().filter(|(other, _)| **other != id) {
                        let _ = peer.send(message.clone());
                    }
                }
                Some(message) = receiver.recv() => write.send(message).await.unwrap(),
            }
        }
        peers.lock().unwrap().remove(&id);
    }

    let peers = Peers::default();
    let shared = peers.clone();
    let address = serve(move |stream| chat(stream, shared.clone())).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(soon(client::connect_async(format!("ws://{address}"))).await.unwrap().0);
    }
    soon(async {
        while peers.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for sender in 0..5 {
        let text = Message::text(format!("from {sender}"));
        clients[sender].send(text.clone()).await.unwrap();
        for (receiver, client) in clients.iter_mut().enumerate() {
            if receiver != sender {
                assert_eq!(soon(client.next()).await.unwrap().unwrap(), text);
            }
        }
    }
}

#[tokio::test]
async fn interval_and_messages_share_one_loop() {
    let address = serve(|stream| async move {
        let mut connection = server::accept_async(stream).await.unwrap();
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        let mut ticks = 0;
        loop {
            tokio::select! {
                message = connection.next() => match message {
                    Some(Ok(message)) if message.is_text() => connection.send(message).await.unwrap(),
                    Some(Ok(message)) if message.is_close() => break,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
                _ = interval.tick(), if ticks < 20 => {
                    ticks += 1;
                    connection.send(Message::binary(vec![ticks])).await.unwrap();
                }
            }
        }
    })
    .await;
    let (mut client, _) = soon(client::connect_async(format!("ws://{address}/"))).await.unwrap();
    let (mut ticks, mut texts) = (0, 0);
    while ticks < 20 || texts < 20 {
        match soon(client.next()).await.unwrap().unwrap() {
            Message::Binary(_) => {
                ticks += 1;
                client.send(Message::text("tick")).await.unwrap();
            }
            Message::Text(text) => {
                assert_eq!(text, "tick");
                texts += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    client.close(None).await.unwrap();
}

#[tokio::test]
async fn callback_reads_and_adds_headers() {
    let address = serve(|stream| async move {
        let callback = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/room");
            assert_eq!(request.headers()["x-token"], "secret");
            response.headers_mut().append("x-server", HeaderValue::from_static("here"));
            response.headers_mut().append("sec-websocket-protocol", HeaderValue::from_static("v2"));
            Ok(response)
        };
        let mut connection = server::accept_hdr_async(stream, callback).await.unwrap();
        while let Some(Ok(_)) = connection.next().await {}
    })
    .await;
    let request = ClientRequestBuilder::new(format!("ws://{address}/room").parse().unwrap())
        .with_header("X-Token", "secret")
        .with_sub_protocol("v1")
        .with_sub_protocol("v2");
    let (mut client, response) = soon(client::connect_async(request)).await.unwrap();
    assert_eq!(response.headers()["x-server"], "here");
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
    client.close(None).await.unwrap();

    let mut request = format!("ws://{address}/room").into_client_request().unwrap();
    request.headers_mut().insert("x-token", HeaderValue::from_static("secret"));
    let failed = soon(client::connect_async(request)).await;
    assert!(matches!(
        failed,
        Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::ServerSentSubProtocolNoneRequested)))
    ));
}

#[tokio::test]
async fn callback_refuses_with_status_and_body() {
    let (here, there) = tokio::io::duplex(4096);
    let refuse = |_: &Request, _: Response| {
        Err::<Response, ErrorResponse>(http::Response::builder().status(401).body(Some("who?".to_owned())).unwrap())
    };
    let server = server::accept_hdr_async_with_config(there, refuse, None);
    let (server, client) = soon(futures_util::future::join(server, client::client_async("ws://localhost/", here))).await;
    for failed in [server.map(drop), client.map(drop)] {
        match failed {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 401);
                assert_eq!(response.body().as_deref(), Some(&b"who?"[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn handshake_done_elsewhere_is_taken_over() {
    async fn upgrade(mut request: hyper::Request<hyper::body::Incoming>) -> Result<hyper::Response<Full<Bytes>>, hyper::Error> {
        let accept = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
        tokio::spawn(async move {
            let upgraded = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
            let mut connection = ServerSide::from_raw_socket(upgraded, Role::Server, None).await;
            while let Some(Ok(message)) = connection.next().await {
                if message.is_text() {
                    connection.send(message).await.unwrap();
                }
            }
        });
        let response = hyper::Response::builder()
            .status(101)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", accept.unwrap());
        Ok(response.body(Full::default()).unwrap())
    }
    let address = serve(|stream| async move {
        let service = hyper::service::service_fn(upgrade);
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let _ = connection.with_upgrades().await;
    })
    .await;
    let (mut client, _) = soon(client::connect_async(format!("ws://{address}/"))).await.unwrap();
    client.send(Message::text("through hyper")).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("through hyper"));
}

#[tokio::test]
async fn raw_and_partially_read_streams_become_connections() {
    let (here, there) = tokio::io::duplex(4096);
    let mut server = ServerSide::from_raw_socket(there, Role::Server, None).await;
    let part = b"\x81\x05Hello\x81\x02y".to_vec();
    let mut client = ClientSide::from_partially_read(here, part, Role::Client, None).await;
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("Hello"));
    server.get_mut().write_all(b"o").await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("yo"));
    client.send(Message::text("back")).await.unwrap();
    assert_eq!(soon(server.next()).await.unwrap().unwrap(), Message::text("back"));
    let mut stream = server.into_inner();
    stream.write_all(b"\x82\x00").await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::binary(Bytes::new()));
}

#[tokio::test]
async fn config_bounds_messages() {
    let config = WebSocketConfig::default().max_message_size(Some(1000)).max_frame_size(Some(800));
    let (here, there) = tokio::io::duplex(1 << 16);
    let (server, client) = soon(futures_util::future::join(
        server::accept_async_with_config(there, Some(config)),
        client::client_async_with_config("ws://localhost/", here, Some(WebSocketConfig::default())),
    ))
    .await;
    let (mut server, (mut client, _)) = (server.unwrap(), client.unwrap());
    assert_eq!(server.get_config().max_message_size, Some(1000));
    assert_eq!(server.get_config().max_frame_size, Some(800));
    client.send(Message::binary(vec![0; 700])).await.unwrap();
    assert_eq!(soon(server.next()).await.unwrap().unwrap().len(), 700);
    client.send(Message::binary(noise(2000))).await.unwrap();
    let failed = soon(server.next()).await.unwrap();
    assert!(matches!(failed, Err(Error::Capacity(CapacityError::MessageTooLong { .. }))), "{failed:?}");
    assert!(soon(server.next()).await.is_none());
}

/// Bytes that no compression makes shorter.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn close_is_echoed_and_ends_both_streams() {
    let (mut server, mut client) = pair().await;
    let frame = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    client.close(Some(frame.clone())).await.unwrap();
    assert_eq!(soon(server.next()).await.unwrap().unwrap(), Message::Close(Some(frame.clone())));
    assert!(soon(server.next()).await.is_none());
    assert!(soon(server.next()).await.is_none());
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::Close(Some(frame)));
    drop(server);
    assert!(soon(client.next()).await.is_none());
    assert!(client.is_terminated());
}

#[tokio::test]
async fn sending_after_the_close_is_an_error() {
    let (_server, mut client) = pair().await;
    client.close(None).await.unwrap();
    let failed = client.send(Message::text("late")).await;
    assert!(matches!(failed, Err(Error::Protocol(ProtocolError::SendAfterClosing))), "{failed:?}");
}

#[tokio::test]
async fn ping_is_seen_and_answered() {
    let (mut server, mut client) = pair().await;
    client.send(Message::Ping(Bytes::from_static(b"are you there"))).await.unwrap();
    assert_eq!(soon(server.next()).await.unwrap().unwrap(), Message::Ping(Bytes::from_static(b"are you there")));
    let server = tokio::spawn(async move { server.next().await });
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"are you there")));
    client.close(None).await.unwrap();
    assert!(soon(server).await.unwrap().unwrap().unwrap().is_close());
}

#[tokio::test]
async fn end_without_close_is_told_once() {
    let (mut server, client) = pair().await;
    drop(client.into_inner());
    let failed = soon(server.next()).await.unwrap();
    assert!(matches!(failed, Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))), "{failed:?}");
    assert!(soon(server.next()).await.is_none());
    assert!(server.is_terminated());
}

#[tokio::test]
async fn violations_are_tungstenites_errors() {
    for (bytes, expected) in [
        (&b"\x81\x05Hello"[..], ProtocolError::UnmaskedFrameFromClient),
        (b"\xa1\x80\0\0\0\0", ProtocolError::NonZeroReservedBits),
        (b"\x80\x80\0\0\0\0", ProtocolError::UnexpectedContinueFrame),
        (b"\x09\x80\0\0\0\0", ProtocolError::FragmentedControlFrame),
    ] {
        let (mut server, client) = pair().await;
        let mut stream = client.into_inner();
        stream.write_all(bytes).await.unwrap();
        match soon(server.next()).await.unwrap() {
            Err(Error::Protocol(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    let (mut server, client) = pair().await;
    client.into_inner().write_all(b"\x81\x82\0\0\0\0\xc3\x28").await.unwrap();
    let failed = soon(server.next()).await.unwrap();
    assert!(matches!(failed, Err(Error::Utf8(_))), "{failed:?}");
}

#[tokio::test]
async fn connect_gives_a_plain_stream_whose_socket_can_be_set() {
    let address = serve(echo).await;
    for disable_nagle in [false, true] {
        let connected = client::connect_async_with_config(format!("ws://{address}/"), None, disable_nagle);
        let (client, _) = soon(connected).await.unwrap();
        match client.get_ref() {
            client::MaybeTlsStream::Plain(stream) => assert_eq!(stream.nodelay().unwrap(), disable_nagle),
            _ => panic!("TLS"),
        }
    }
    for url in ["ws://localhost", "ws://127.0.0.1"] {
        let url = format!("{url}:{}", address.port());
        soon(client::connect_async(url)).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_urls_are_tungstenites_errors() {
    for (url, expected) in [
        ("http://localhost/", UrlError::UnsupportedUrlScheme),
        ("/only/a/path", UrlError::NoHostName),
    ] {
        match soon(client::connect_async(url)).await {
            Err(Error::Url(error)) => assert_eq!(error, expected, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
    let plain = client::connect_async_tls_with_config(
        format!("wss://{}/", serve(echo).await),
        None,
        false,
        Some(client::Connector::Plain),
    );
    let failed = soon(plain).await;
    assert!(matches!(failed, Err(Error::Url(UrlError::TlsFeatureNotEnabled))), "{failed:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failed = soon(client::connect_async(format!("ws://{nobody}/"))).await;
    assert!(matches!(failed, Err(Error::Io(_))), "{failed:?}");
}

#[tokio::test]
async fn response_other_than_101_is_given_to_the_caller() {
    let address = serve(|mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nlate").await;
        let _ = stream.read(&mut request).await;
    })
    .await;
    match soon(client::connect_async(format!("ws://{address}/"))).await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "5");
            assert_eq!(response.body().as_deref(), Some(&b"late"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn request_that_is_no_handshake_is_tungstenites_error() {
    for (request, expected) in [
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", ProtocolError::WrongHttpMethod),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", ProtocolError::WrongHttpVersion),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n", ProtocolError::MissingUpgradeWebSocketHeader),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", ProtocolError::MissingConnectionUpgradeHeader),
    ] {
        let (mut here, there) = tokio::io::duplex(4096);
        here.write_all(request.as_bytes()).await.unwrap();
        match soon(server::accept_async(there)).await {
            Err(Error::Protocol(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    let (here, there) = tokio::io::duplex(4096);
    drop(here);
    let failed = soon(server::accept_async(there)).await;
    assert!(matches!(failed, Err(Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::Io(_))), "{failed:?}");
}

/// A TLS server on loopback with a certificate of its own, and a client that trusts it.
async fn tls_echo() -> (SocketAddr, Arc<rustls::ClientConfig>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let server = rustls::ServerConfig::builder().with_no_client_auth();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server.with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = server::accept_async(stream).await else { return };
            while let Some(Ok(message)) = connection.next().await {
                if message.is_text() && connection.send(message).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

#[tokio::test]
async fn wss_goes_through_the_connector() {
    let (address, config) = tls_echo().await;
    let url = format!("wss://localhost:{}/", address.port());
    let connector = client::Connector::Rustls(config);
    let connected = client::connect_async_tls_with_config(&url, None, true, Some(connector.clone()));
    let (mut client, _) = soon(connected).await.unwrap();
    assert!(matches!(client.get_ref(), client::MaybeTlsStream::Rustls(_)));
    assert!(client.get_ref().get_ref().nodelay().unwrap());
    client.send(Message::text("secret")).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("secret"));
    client.close(None).await.unwrap();

    let stream = TcpStream::connect(address).await.unwrap();
    let opened = client::client_async_tls_with_config(&url, stream, None, Some(connector));
    let (mut client, _) = soon(opened).await.unwrap();
    client.send(Message::text("again")).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("again"));

    let stream = TcpStream::connect(address).await.unwrap();
    let failed = soon(client::client_async_tls(url, stream)).await;
    assert!(matches!(failed, Err(Error::Io(_))), "not trusted: {failed:?}");
    let stream = TcpStream::connect(serve(echo).await).await.unwrap();
    let (client, _) = soon(client::client_async_tls("ws://localhost/", stream)).await.unwrap();
    assert!(matches!(client.get_ref(), client::MaybeTlsStream::Plain(_)));
}
