//! Routes that are switched off are not there, over any transport, and nothing else is missing.

use super::common::{handshake, start};

/// A call of a gRPC-Web client.
fn call(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/grpc-web\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn routes_that_are_switched_off_are_not_found() {
    let routes = [
        ("--metrics", get("/metrics"), 200),
        ("--metrics", handshake("/stats", ""), 101),
        (
            "--reflection",
            call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            200,
        ),
        (
            "--reflection",
            call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            200,
        ),
        ("--demonstrations", handshake("/ws", ""), 101),
        ("--demonstrations", handshake("/echo", ""), 101),
        ("--demonstrations", handshake("/ack", ""), 101),
        ("--demonstrations", handshake("/drone", ""), 101),
        ("--demonstrations", get("/"), 200),
        ("--demonstrations", get("/chat.html"), 200),
        ("--demonstrations", get("/drone.html"), 200),
        ("", get("/healthz"), 200),
        ("", handshake("/chat/hall?name=ana", ""), 101),
        ("", call("/grpc.health.v1.Health/Check"), 200),
    ];
    for flag in ["--metrics", "--reflection", "--demonstrations"] {
        let server = start(&[flag, "off"]).await;
        for (switch, request, on) in &routes {
            let expected = if *switch == flag { 404 } else { *on };
            let seen = server.status(request.as_bytes()).await;
            assert_eq!(seen, expected, "{flag} off: {request}");
        }
    }
}
