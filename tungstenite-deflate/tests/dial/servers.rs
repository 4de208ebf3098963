//! Servers and proxies of the tests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;

/// Heads that a server or proxy received, one for each connection.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// Listens on a free port, and answers each connection by `serve`.
pub(crate) async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    address
}

/// Reads a head of HTTP/1.1.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    fields.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

/// A WebSocket server that redirects `GET /to?LOCATION` and accepts anything else, and notes each request.
pub(crate) async fn server() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let address = listen(move |mut socket| {
        let noted = Arc::clone(&noted);
        async move {
            let head = read_head(&mut socket).await;
            noted.lock().unwrap().push(head.clone());
            let target = head.split(' ').nth(1).unwrap_or_default();
            let response = if let Some((_, location)) = target.split_once("to?") {
                format!("HTTP/1.1 307 x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
            } else {
                let key = header(&head, "sec-websocket-key").unwrap_or_default();
                let accept = derive_accept_key(key.as_bytes());
                format!(
                    "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )
            };
            let _ = socket.write_all(response.as_bytes()).await;
            let _ = socket.read_u8().await;
        }
    })
    .await;
    (address, seen)
}

/// An HTTP proxy that wants Alice's password and notes each head.
pub(crate) async fn http_proxy() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let address = listen(move |mut socket| {
        let noted = Arc::clone(&noted);
        async move {
            let head = read_head(&mut socket).await;
            noted.lock().unwrap().push(head.clone());
            if header(&head, "proxy-authorization") != Some("Basic YWxpY2U6aHVudGVyMg==") {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                let _ = socket.write_all(refusal).await;
                return;
            }
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let mut server = TcpStream::connect(target).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
        }
    })
    .await;
    (address, seen)
}

/// A SOCKS5 proxy without authentication that connects to `server` whatever it is asked for, and notes what that was.
pub(crate) async fn socks_proxy(server: SocketAddr) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let address = listen(move |mut socket| {
        let noted = Arc::clone(&noted);
        async move {
            let mut greeting = [0; 3];
            socket.read_exact(&mut greeting).await.unwrap();
            socket.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 4];
            socket.read_exact(&mut request).await.unwrap();
            let length = match request[3] {
                1 => 4,
                3 => usize::from(socket.read_u8().await.unwrap()),
                other => panic!("address type {other}"),
            };
            let mut host = vec![0; length];
            socket.read_exact(&mut host).await.unwrap();
            let port = socket.read_u16().await.unwrap();
            let host = match request[3] {
                1 => format!("{}.{}.{}.{}", host[0], host[1], host[2], host[3]),
                _ => String::from_utf8(host).unwrap(),
            };
            noted.lock().unwrap().push(format!("{host}:{port}"));
            let mut server = TcpStream::connect(server).await.unwrap();
            let reply = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
            socket.write_all(&reply).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
        }
    })
    .await;
    (address, seen)
}

/// The typed error inside of an `Error::Io`.
pub(crate) fn inside<E: std::error::Error + 'static>(error: &Error) -> &E {
    let Error::Io(error) = error else {
        panic!("{error:?}")
    };
    let inner = error.get_ref().expect("an error inside");
    inner.downcast_ref().unwrap_or_else(|| panic!("{inner:?}"))
}
