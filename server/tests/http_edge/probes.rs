//! Probes name the server by its address and are answered whatever `--host-allow` lists (S12).

use super::common::{start, status_of};

#[tokio::test]
async fn probes_are_exempt_from_the_list_of_hosts() {
    let server = start(&["--host-allow", "chat.example"]).await;
    for (target, host, expected) in [
        ("/healthz", "10.0.0.7:8443", 200),
        ("/readyz", "10.0.0.7:8443", 200),
        ("/readyz?verbose=1", "[fd00::7]:8443", 200),
        ("/healthz", "chat.example", 200),
        ("/", "10.0.0.7:8443", 421),
        ("/metrics", "10.0.0.7:8443", 421),
        ("/ws", "10.0.0.7:8443", 421),
        ("/healthz/", "10.0.0.7:8443", 421),
        ("/healthz/../metrics", "10.0.0.7:8443", 421),
        ("/chat.ChatService/SendMessage", "10.0.0.7:8443", 421),
        // A probe over gRPC; it is no call, but for this host it would be.
        ("/grpc.health.v1.Health/Check", "10.0.0.7:8443", 405),
        ("/", "chat.example", 200),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(
            status_of(&answer),
            expected,
            "{target} for {host}: {answer}"
        );
    }
    // A probe without a valid host is no request at all.
    for host in ["Host: a\r\nHost: b\r\n", "Host: a b\r\n", ""] {
        let request = format!("GET /readyz HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        assert_eq!(server.status(request.as_bytes()).await, 400, "{host}");
    }
}
