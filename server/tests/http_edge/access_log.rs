//! The access log: one line for each request, in both forms, whatever became of it.

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{begin, end, exchange, value};
use crate::common::program::Program;
use crate::common::{soon, status_of};

async fn get(program: &Program, target: &str, more: &str) -> String {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    exchange(program, request.as_bytes()).await
}

/// A page, a probe, a refusal, a WebSocket and a room.
async fn visit(program: &Program) -> usize {
    let page = get(
        program,
        "/style.css?v=1",
        "User-Agent: test \u{202e}\"1\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
    )
    .await;
    get(program, "/healthz", "").await;
    get(program, &format!("/{}", "x".repeat(2_000)), "").await;
    let mut client = program.open("/echo").await;
    soon(client.close(None)).await.unwrap();
    get(program, "/rooms/hall/messages", "").await;
    page.split_once("\r\n\r\n").unwrap().1.len()
}

#[tokio::test]
async fn each_request_is_a_line_of_json() {
    // It depends on no level.
    let program = begin(&[
        "--access-log",
        "json",
        "--log-level",
        "error,transcript=info",
    ]);
    let bytes = visit(&program).await;
    let (output, errors) = end(program);
    assert_eq!(errors, "");
    let lines: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        ("/style.css?v=1", "/style.css", 200),
        ("/healthz", "/healthz", 200),
        ("/xxx", "other", 404),
        ("/echo", "/echo", 101),
        ("/rooms/hall/messages", "/rooms/{room}/messages", 200),
    ];
    assert_eq!(lines.len(), expected.len(), "{output}");
    for (line, (target, route, status)) in lines.iter().zip(expected) {
        let seen = line["request_target"].as_str().unwrap();
        assert!(seen.starts_with(target) && seen.len() < 300, "{line}");
        assert_eq!(
            (&line["route"], &line["status"]),
            (&route.into(), &status.into()),
            "{line}"
        );
        assert_eq!(
            (&line["method"], &line["http"], &line["message"]),
            (&"GET".into(), &"1.1".into(), &"request".into())
        );
        assert!(
            line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(
            line["duration_us"].is_u64() && line["bytes"].is_u64(),
            "{line}"
        );
    }
    assert_eq!(lines[0]["bytes"], bytes);
    assert_eq!(lines[0]["user_agent"], "test \\u{202e}\"1");
    assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(lines[0]["parent_id"], "00f067aa0ba902b7");
    assert!(lines[1].get("user_agent").is_none() && lines[1].get("trace_id").is_none());
}

#[tokio::test]
async fn each_request_is_a_line_of_text() {
    let program = begin(&["--access-log", "text"]);
    visit(&program).await;
    let (output, _) = end(program);
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| line.contains(" request peer="))
        .collect();
    assert_eq!(lines.len(), 5, "{output}");
    assert_eq!(value(lines[0], "status"), Some("200"));
    assert_eq!(value(lines[0], "request_target"), Some("/style.css?v=1"));
    assert!(
        lines[0].contains(
            r#" user_agent="test \u{202e}\"1" trace_id=4bf92f3577b34da6a3ce929d0e0e4736"#
        ),
        "{}",
        lines[0]
    );
}

#[tokio::test]
async fn without_the_setting_there_is_none() {
    let program = begin(&["--log-level", "trace"]);
    visit(&program).await;
    let (output, errors) = end(program);
    assert!(
        !output.contains("request peer=") && !errors.contains("request peer="),
        "{output}{errors}"
    );
}

#[tokio::test]
async fn requests_that_no_handler_sees_are_lines_with_a_reason() {
    let flags = [
        "--access-log",
        "json",
        "--log-level",
        "error,transcript=info",
    ];
    let program = begin(&flags);
    let mut statuses = Vec::new();
    let long = "y".repeat(100_000);
    for head in [
        "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nHost: localhost\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        "GET / HTTP/1.2\r\nHost: localhost\r\n\r\n".to_owned(),
    ] {
        let answer = exchange(&program, head.as_bytes()).await;
        statuses.push(status_of(&answer));
    }
    check(&end(program).0, &statuses);
    // A target that hyper finds too long by itself.
    let program = begin(&[&flags[..], &["--max-head-bytes", "256KiB"]].concat());
    let answer = exchange(&program, format!("GET /{long} HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert_eq!(status_of(&answer), 414);
    check(&end(program).0, &[414]);
    for (flag, status) in [
        ("--max-connections", 503),
        ("--max-connections-per-address", 429),
    ] {
        let program = begin(&[&flags[..], &[flag, "1"]].concat());
        let held = program.open("/echo").await;
        let answer = get(&program, "/healthz", "").await;
        assert_eq!(status_of(&answer), status);
        drop(held);
        check(&end(program).0, &[101, status]);
    }
}

/// Compares the lines in `output` with the statuses that clients got; all but 101 have reasons.
fn check(output: &str, statuses: &[u16]) {
    let lines: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut logged: Vec<u64> = lines
        .iter()
        .map(|line| line["status"].as_u64().unwrap())
        .collect();
    logged.sort_unstable();
    let mut expected: Vec<u64> = statuses.iter().map(|&status| status.into()).collect();
    expected.sort_unstable();
    assert_eq!(logged, expected, "{output}");
    for line in lines {
        let has_reason = line["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty());
        assert!(has_reason || line["status"] == 101, "{line}");
    }
}

#[tokio::test]
async fn every_line_of_a_traced_connection_has_the_trace() {
    let program = begin(&[
        "--access-log",
        "json",
        "--log-format",
        "json",
        "--log-level",
        "debug",
    ]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = |path: &str| {
        let url = format!("wss://localhost:{}{path}", program.address.port());
        let mut request = url.into_client_request().unwrap();
        let value = format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap();
        request.headers_mut().insert("traceparent", value);
        request
    };
    let mut client = soon(program.open_with(traced("/echo"))).await.unwrap();
    soon(client.close(None)).await.unwrap();
    while let Some(Ok(_)) = soon(client.next()).await {}
    let mut foreign = traced("/echo");
    let origin = "https://evil.example".parse().unwrap();
    foreign.headers_mut().insert("origin", origin);
    soon(program.open_with(foreign)).await.unwrap_err();
    let mut untraced = program.open("/echo").await;
    soon(untraced.close(None)).await.unwrap();
    let (output, _) = end(program);
    let lines: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| -> Vec<_> {
        let found = lines.iter().filter(|line| line["message"] == message);
        found
            .map(|line| {
                line["span"]
                    .get("trace_id")
                    .or(line.get("trace_id"))
                    .cloned()
            })
            .collect()
    };
    let known = Some(serde_json::Value::from(trace));
    for message in ["negotiated", "connection opened", "connection closed"] {
        assert_eq!(of(message), [known.clone(), None], "{message}: {output}");
    }
    let refused = of("request refused");
    assert_eq!(refused, std::slice::from_ref(&known), "{output}");
    assert_eq!(of("request"), [known.clone(), known, None], "{output}");
}
