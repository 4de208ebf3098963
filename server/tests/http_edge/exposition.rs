//! `/metrics` in the format that is asked for, each read by a strict parser (S19).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use super::common::{Running, handshake, start, status_of};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn ask(
    server: &Running,
    method: &str,
    accept: Option<&str>,
) -> (BTreeMap<String, String>, String) {
    let accept = accept
        .map(|accept| format!("Accept: {accept}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "{method} /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{accept}\r\n"
    );
    let answer = server.exchange(request.as_bytes()).await;
    assert_eq!(status_of(&answer), 200, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let fields = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    (fields.collect(), body.to_owned())
}

/// Reads an exposition strictly: HELP and TYPE (and UNIT) of a family before its samples, families together and once, names
/// and labels well-formed, no sample twice. Gives the samples.
fn read(text: &str, is_open: bool) -> BTreeSet<String> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (mut families, mut samples) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut helped) = (String::new(), String::new());
    let body = if is_open {
        text.strip_suffix("# EOF\n").expect("it ends with EOF")
    } else {
        text
    };
    for line in body.strip_suffix('\n').unwrap().split('\n') {
        assert!(!line.is_empty() && line.trim_end() == line, "{line:?}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (keyword, name, rest) = (
                words.next().unwrap(),
                words.next().unwrap(),
                words.next().unwrap_or_default(),
            );
            assert!(is_name(name) && !rest.is_empty(), "{line}");
            match keyword {
                "HELP" => name.clone_into(&mut helped),
                "TYPE" => {
                    assert_eq!(name, helped, "help comes first: {line}");
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    assert!(
                        families.insert(name.to_owned(), rest.to_owned()).is_none(),
                        "{line}: twice"
                    );
                    // promtool lints the suffix of counters, OpenMetrics forbids it in the family's name.
                    assert_eq!(
                        name.ends_with("_total"),
                        rest == "counter" && !is_open,
                        "{line}"
                    );
                    name.clone_into(&mut family);
                }
                "UNIT" => assert!(
                    is_open && name == family && name.ends_with(&format!("_{rest}")),
                    "{line}"
                ),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap();
        assert!(samples.insert(series.to_owned()), "{line}: twice");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffixes = match &*families[&family] {
            "counter" if is_open => &["_total"][..],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        let suffix = name.strip_prefix(&*family);
        assert!(
            suffix.is_some_and(|suffix| suffixes.contains(&suffix)),
            "{line}"
        );
        let labels = labels.strip_suffix('}').unwrap();
        for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once("=\"").unwrap();
            assert!(
                is_name(name) && !value.trim_end_matches('"').contains(['"', '\n']),
                "{line}"
            );
        }
    }
    assert!(families.len() > 20, "{families:?}");
    samples
}

#[tokio::test]
async fn the_format_is_negotiated_and_both_are_well_formed() {
    let server = start(&[]).await;
    // Something of everything.
    for path in ["/ws", "/chat/hall?name=ana"] {
        server.open(path, &[]).await;
    }
    server
        .exchange(
            handshake(
                "/ws",
                "Origin: https://evil.example\r\nConnection: close\r\n",
            )
            .as_bytes(),
        )
        .await;
    let mut seen = Vec::new();
    for (accept, expected) in [
        (None, TEXT),
        (Some("*/*"), TEXT),
        (Some("text/plain; version=0.0.4"), TEXT),
        (Some("application/openmetrics-text; version=1.0.0"), OPEN),
        (
            Some("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4;q=0.5"),
            TEXT,
        ),
        (
            Some(
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            OPEN,
        ),
    ] {
        let (fields, body) = ask(&server, "GET", accept).await;
        assert_eq!(fields["content-type"], expected, "{accept:?}");
        assert_eq!(fields["vary"], "accept");
        let samples = read(&body, expected == OPEN);
        seen.push(samples.len());
        let (head, empty) = ask(&server, "HEAD", accept).await;
        assert_eq!(head["content-type"], expected);
        assert!(empty.is_empty(), "{head:?}: {empty}");
    }
    assert!(seen.iter().all(|count| *count > 40), "{seen:?}");
}

/// Prometheus' own tool, where it is installed, has nothing to say about either format; it reads the older one only.
#[tokio::test]
async fn promtool_finds_no_fault() {
    let server = start(&[]).await;
    server.open("/ws", &[]).await;
    let (_, body) = ask(&server, "GET", None).await;
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Ok(promtool) => promtool,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::NotFound),
    };
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
