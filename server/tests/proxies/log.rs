//! The running binary behind a proxy: what its log and its access log tell of the client.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::common::program::begin;
use super::common::{client_config, soon};
use super::exchange;

#[tokio::test]
async fn n1_logs_name_the_client_and_the_proxy() {
    let program = begin(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--proxy-protocol",
        "on",
        "--trusted-header",
        "x-forwarded",
        "--access-log",
        "json",
    ]);
    let get = |header: &'static str, fields: &'static str| {
        let address = program.address;
        let config = client_config(&program.certs.path().join("ca.crt"), &["http/1.1"]);
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(header.as_bytes()).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
            let mut stream = connector.connect(name, stream).await?;
            let request = format!(
                "GET /rooms/hall/messages HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n"
            );
            Ok::<_, std::io::Error>(exchange(&mut stream, request.as_bytes()).await)
        }
    };
    soon(get(
        "PROXY TCP4 203.0.113.9 127.0.0.1 7 443\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
    ))
    .await
    .unwrap();
    soon(get("PROXY UNKNOWN\r\n", "X-Forwarded-For: 192.0.2.1\r\n"))
        .await
        .unwrap();
    soon(get("PROXY UNKNOWN\r\n", "X-Forwarded-For: rubbish\r\n"))
        .await
        .unwrap();
    soon(get("PROXY RUBBISH\r\n", "")).await.unwrap_err();
    program.signal("TERM");
    let (_, output, errors) = soon(tokio::task::spawn_blocking(|| program.end()))
        .await
        .unwrap();
    let lines: Vec<serde_json::Value> = output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["peer"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen[..2],
        [("203.0.113.9:7", 403), ("192.0.2.1", 403)],
        "{output}"
    );
    assert_eq!((seen.len(), seen[2].1), (3, 400), "{output}");
    for line in &lines[..2] {
        let proxy = line["proxy"].as_str().unwrap();
        assert!(proxy.starts_with("127.0.0.1:"), "{line}");
    }
    let of = |message: &str| -> Vec<&str> {
        let with_message = |line: &&str| line.contains(message);
        errors.lines().filter(with_message).collect()
    };
    let refused = of("request refused");
    assert_eq!(refused.len(), 3, "{errors}");
    assert!(
        refused[0].contains("peer=203.0.113.9:7 proxy=127.0.0.1:"),
        "{errors}"
    );
    assert!(refused[2].contains("malformed x-forwarded-for"), "{errors}");
    let closed = of("connection refused");
    assert_eq!(closed.len(), 1, "{errors}");
    assert!(closed[0].contains("PROXY header"), "{errors}");
}
