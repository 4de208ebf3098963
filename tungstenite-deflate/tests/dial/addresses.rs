//! Happy Eyeballs (RFC 8305) and the deadline.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tungstenite_deflate::dial::{Dial, Family, happy_eyeballs};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::{Options, connect_async_with_options};

use super::servers::server;

/// An address whose queue of connections is full: further attempts get no answer.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _filling: Vec<TcpStream>,
}

pub(crate) async fn black_hole() -> BlackHole {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        filling.push(connected.unwrap());
        assert!(filling.len() < 100, "the queue never fills");
    }
    BlackHole {
        address,
        _listener: listener,
        _filling: filling,
    }
}

#[tokio::test]
async fn address_without_answer_delays_the_next_one_by_the_stagger_alone() {
    let (alive, _) = server().await;
    let hole = black_hole().await;
    let both = [hole.address, alive];
    let delay = Some(Duration::from_millis(20));
    let stream = happy_eyeballs(both, delay).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), alive);
    // Without a stagger the second address is not reached while the first may still answer.
    let sequential = timeout(Duration::from_millis(200), happy_eyeballs(both, None));
    assert!(sequential.await.is_err());
}

#[tokio::test]
async fn dead_address_gives_way_at_once_and_the_last_error_is_reported() {
    let (alive, _) = server().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = unused.local_addr().unwrap();
    drop(unused);
    for delay in [None, Some(Duration::from_secs(3600))] {
        let stream = happy_eyeballs([dead, alive], delay).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        let refused = happy_eyeballs([dead, dead], delay).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let none = happy_eyeballs([], delay).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::AddrNotAvailable);
    }
}

#[tokio::test]
async fn family_is_kept_to() {
    let (address, _) = server().await;
    let url = format!("ws://127.0.0.1:{}/", address.port());
    for (family, connects) in [(Family::Any, true), (Family::V4, true), (Family::V6, false)] {
        let options = Options::default().dial(Dial::default().family(family));
        let result = connect_async_with_options(&url, options, true).await;
        assert_eq!(result.is_ok(), connects, "{family:?}");
    }
}

#[tokio::test]
async fn deadline_ends_every_step() {
    let hole = black_hole().await;
    // Accepts the connection by the backlog of the kernel, and never answers the request.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [hole.address, silent.local_addr().unwrap()] {
        let dial = Dial::default().timeout(Some(Duration::from_millis(50)));
        let options = Options::default().dial(dial);
        let connecting = connect_async_with_options(format!("ws://{address}/"), options, false);
        match connecting.await {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        }
    }
    let (alive, _) = server().await;
    let dial = Dial::default().timeout(Some(Duration::from_secs(60)));
    let options = Options::default().dial(dial);
    connect_async_with_options(format!("ws://{alive}/"), options, false)
        .await
        .unwrap();
}
