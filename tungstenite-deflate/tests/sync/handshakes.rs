//! Opening handshakes: requests, refusals, redirects.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tungstenite_deflate::sync::accept_with_options;
use tungstenite_deflate::sync::client::client_with_options;
use tungstenite_deflate::sync::handshake::server::{ErrorResponse, Request, Response};
use tungstenite_deflate::sync::{
    Error, HandshakeError, Message, accept, accept_hdr, client, connect,
};
use tungstenite_deflate::{DeflateConfig, Options};

/// A server that answers one connection with `response`, and gives the request.
fn answering(response: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = head(&mut stream);
        stream.write_all(response.as_bytes()).unwrap();
        request
    });
    (url, serving)
}

fn head(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the request is cut off");
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

#[test]
fn connect_opens_a_compressed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/chat", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let mut path = String::new();
        let callback = |request: &Request, response: Response| {
            request.uri().path().clone_into(&mut path);
            Ok::<Response, ErrorResponse>(response)
        };
        let mut socket = accept_hdr(listener.accept().unwrap().0, callback).unwrap();
        let message = socket.read().unwrap();
        socket.send(message).unwrap();
        assert!(socket.agreed().is_some());
        path
    });
    let (mut socket, response) = connect(url).unwrap();
    assert_eq!(response.status(), 101);
    assert!(socket.agreed().is_some());
    socket.send(Message::text("Olá")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("Olá"));
    assert_eq!(serving.join().unwrap(), "/chat");
}

#[test]
fn compression_is_a_choice_of_both_sides() {
    for (client_on, server_on) in [(true, true), (true, false), (false, true)] {
        let options = |on: bool| Options::default().deflate(on.then(DeflateConfig::default));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            accept_with_options(listener.accept().unwrap().0, options(server_on)).unwrap()
        });
        let stream = TcpStream::connect(address).unwrap();
        let url = format!("ws://{address}/");
        let (client, _) = client_with_options(url, stream, options(client_on)).unwrap();
        let server = serving.join().unwrap();
        assert_eq!(client.agreed().is_some(), client_on && server_on);
        assert_eq!(server.agreed(), client.agreed());
    }
}

#[test]
fn a_request_that_is_no_handshake_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || accept(listener.accept().unwrap().0).unwrap_err());
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 426 "), "{response}");
    assert!(matches!(
        serving.join().unwrap(),
        HandshakeError::Failure(_)
    ));
}

#[test]
fn a_callback_refuses_with_its_response() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let callback = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(Some("not today".to_owned()));
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            Err::<Response, _>(response)
        };
        accept_hdr(listener.accept().unwrap().0, callback).unwrap_err()
    });
    let stream = TcpStream::connect(address).unwrap();
    let refused = client(format!("ws://{address}/"), stream).unwrap_err();
    let HandshakeError::Failure(Error::Http(response)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(response.status(), 403);
    assert_eq!(response.body().as_deref(), Some(&b"not today"[..]));
    assert!(matches!(
        serving.join().unwrap(),
        HandshakeError::Failure(Error::Http(_))
    ));
}

#[test]
fn bodies_of_refusals_are_read_however_they_are_framed() {
    for response in [
        "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater",
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nla\r\n3\r\nter\r\n0\r\n\r\n",
        "HTTP/1.1 503 Busy\r\n\r\nlater",
    ] {
        let (url, serving) = answering(response);
        let Err(Error::Http(refused)) = connect(url) else {
            panic!("{response}");
        };
        assert_eq!(refused.body().as_deref(), Some(&b"later"[..]), "{response}");
        serving.join().unwrap();
    }
}

/// Credentials are for the server that they were given for.
#[test]
fn redirects_are_followed_with_headers_to_the_same_origin_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, elsewhere) = (listener.local_addr().unwrap(), other.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let mut requests = Vec::new();
        for location in ["/second".to_owned(), format!("ws://{elsewhere}/third")] {
            let (mut stream, _) = listener.accept().unwrap();
            requests.push(head(&mut stream));
            let head = "HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\nLocation: ";
            write!(stream, "{head}{location}\r\n\r\n").unwrap();
        }
        let (mut stream, _) = other.accept().unwrap();
        requests.push(head(&mut stream));
        stream
            .write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        requests
    });
    let builder = tungstenite_deflate::sync::ClientRequestBuilder::new(
        format!("ws://{address}/first").parse().unwrap(),
    );
    let failed = connect(builder.with_header("Authorization", "Bearer secret")).unwrap_err();
    assert!(matches!(failed, Error::Http(response) if response.status() == 404));
    let requests = serving.join().unwrap();
    for (request, (target, host, is_told)) in requests.iter().zip([
        ("/first", address, true),
        ("/second", address, true),
        ("/third", elsewhere, false),
    ]) {
        assert!(
            request.starts_with(&format!("GET {target} HTTP/1.1\r\n")),
            "{request}"
        );
        assert!(request.contains(&format!("Host: {host}\r\n")), "{request}");
        assert_eq!(request.contains("Bearer secret"), is_told, "{request}");
    }
    assert_eq!(requests.len(), 3);
}

#[test]
fn redirects_have_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut served = 0;
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            head(&mut stream);
            let response = "HTTP/1.1 302 Round\r\nContent-Length: 0\r\nLocation: /\r\n\r\n";
            stream.write_all(response.as_bytes()).unwrap();
            served += 1;
        }
        served
    });
    let failed = connect(format!("ws://{address}/")).unwrap_err();
    assert!(matches!(failed, Error::Http(response) if response.status() == 302));
    assert_eq!(serving.join().unwrap(), 4);
}

#[test]
fn a_host_that_does_not_listen_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failed = connect(format!("ws://{address}/x")).unwrap_err();
    assert!(
        failed.to_string().contains(&format!("ws://{address}/x")),
        "{failed}"
    );
}
