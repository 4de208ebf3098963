//! CORS for rooms and gRPC-Web: the same pages that may open WebSockets (S17).

use super::common::{Running, start, status_of};

const ROOM: &str = "/rooms/hall/messages";
const CALL: &str = "/chat.ChatService/SendMessage";

/// A response's head and its fields, names in lower case.
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Answer {
    /// The value of a field that stands there at most once.
    fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

async fn ask(
    server: &Running,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let fields = fields.concat();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        server.address.port(),
        body.len()
    );
    let text = server.exchange(request.as_bytes()).await;
    let head = text.split("\r\n\r\n").next().unwrap();
    let fields = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    Answer {
        status: status_of(&text),
        fields: fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
    }
}

#[tokio::test]
async fn pages_that_may_open_websockets_may_call() {
    let server = start(&["--origin-allow", "https://good.example"]).await;
    let own = format!("https://localhost:{}", server.address.port());
    let message = r#"{"from":"ana","text":"hello"}"#;
    let json = ("Content-Type", "application/json");
    for (origin, may) in [
        (own.as_str(), true),
        ("https://good.example", true),
        ("https://good.example.evil", false),
        ("http://good.example", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let origin = ("Origin", origin);
        let asks = |method| {
            [
                origin,
                ("Access-Control-Request-Method", method),
                (
                    "Access-Control-Request-Headers",
                    "authorization,content-type",
                ),
            ]
        };
        for (path, method, fields, body, expected) in [
            (ROOM, "OPTIONS", asks("POST").to_vec(), "", 204),
            (ROOM, "OPTIONS", asks("GET").to_vec(), "", 204),
            (CALL, "OPTIONS", asks("POST").to_vec(), "", 204),
            (ROOM, "GET", vec![origin], "", 200),
            (ROOM, "HEAD", vec![origin], "", 200),
            (ROOM, "POST", vec![origin, json], message, 201),
            // The page may read why it failed, too.
            (ROOM, "POST", vec![origin, json], "{", 400),
            (ROOM, "PUT", vec![origin], "", 405),
            (ROOM, "OPTIONS", vec![origin], "", 405),
            (CALL, "POST", vec![origin], "", 415),
        ] {
            let answer = ask(&server, method, path, &fields, body).await;
            let case = format!("{method} {path} for {origin:?}");
            assert_eq!(answer.status, if may { expected } else { 403 }, "{case}");
            let shared = answer.field("access-control-allow-origin");
            assert_eq!(shared, may.then_some(origin.1), "{case}");
            assert_eq!(
                answer.field("access-control-allow-credentials"),
                None,
                "{case}"
            );
            assert!(
                answer
                    .field("vary")
                    .is_some_and(|vary| vary.contains("origin")),
                "{case}"
            );
            if !may {
                assert_eq!(answer.field("access-control-allow-methods"), None, "{case}");
            } else if expected == 204 {
                let methods = answer.field("access-control-allow-methods").unwrap();
                assert!(methods.contains("POST"), "{case}: {methods}");
                let headers = answer.field("access-control-allow-headers").unwrap();
                assert!(
                    headers.contains("authorization") && headers.contains("content-type"),
                    "{case}: {headers}"
                );
                assert!(answer.field("access-control-max-age").is_some(), "{case}");
            } else {
                let exposed = answer.field("access-control-expose-headers").unwrap();
                let name = if path == ROOM {
                    "retry-after"
                } else {
                    "grpc-status"
                };
                assert!(exposed.contains(name), "{case}: {exposed}");
            }
        }
    }
}

#[tokio::test]
async fn what_comes_from_no_page_is_shared_with_none() {
    let server = start(&["--origin-allow", "*"]).await;
    for method in ["GET", "OPTIONS"] {
        let answer = ask(&server, method, ROOM, &[], "").await;
        assert_eq!(answer.status, if method == "GET" { 200 } else { 405 });
        assert_eq!(answer.field("access-control-allow-origin"), None);
        assert_eq!(answer.field("vary"), Some("origin"));
    }
    // Any page may, and is named, so that the answer holds for it alone.
    let any = [("Origin", "https://any.example")];
    let answer = ask(&server, "GET", ROOM, &any, "").await;
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://any.example")
    );
    let two = [
        ("Origin", "https://a.example"),
        ("Origin", "https://a.example"),
    ];
    assert_eq!(ask(&server, "GET", ROOM, &two, "").await.status, 403);
    // Other paths are not shared at all.
    let answer = ask(&server, "GET", "/metrics", &any, "").await;
    assert_eq!(answer.field("access-control-allow-origin"), None);
}
