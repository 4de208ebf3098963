//! Empty members of lists are ignored (RFC 9110 §5.6.1.2; cases L4), and folded lines are read by clients (RFC 9112 §5.2).
//!
//! Members of the kind: Connection, Upgrade, Sec-WebSocket-Protocol, -Version and -Extensions; empty members first, last,
//! between, alone, of white space, over several lines; in requests and responses.

use bytes::BytesMut;
use tungstenite_deflate::handshake::server::{RequestReader, accept, requested_protocols};
use tungstenite_deflate::{DeflateConfig, HeadLimits, Options};

use super::{accepted, read, receive, request};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn server_ignores_empty_members() {
    let plain = [
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: chat, v1.json\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ];
    for (position, line) in [
        (0, "Connection: ,Upgrade\r\n"),
        (0, "Connection: keep-alive,, Upgrade,\r\n"),
        (0, "Connection: \r\nConnection: Upgrade\r\n"),
        (1, "Upgrade: websocket,\r\n"),
        (1, "Upgrade: , websocket\r\n"),
        (1, "Upgrade: h2c, ,websocket\r\n"),
        (2, "Sec-WebSocket-Version: 13,\r\n"),
        (2, "Sec-WebSocket-Version: , 13\r\n"),
        (
            2,
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: \r\n",
        ),
        (3, "Sec-WebSocket-Protocol: chat, v1.json, \r\n"),
        (3, "Sec-WebSocket-Protocol: ,chat,,v1.json\r\n"),
        (
            3,
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: \t, v1.json\r\n",
        ),
        (4, "Sec-WebSocket-Extensions: permessage-deflate,\r\n"),
        (4, "Sec-WebSocket-Extensions: , ,permessage-deflate\r\n"),
        (
            4,
            "Sec-WebSocket-Extensions: \r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        ),
    ] {
        let mut lines = plain;
        lines[position] = line;
        let request = read(&(lines.concat() + KEY));
        let (response, agreed) = accept(&request, Some(&DeflateConfig::default()))
            .unwrap_or_else(|rejection| panic!("{line:?}: {rejection}"));
        assert_eq!(
            (response.status().as_u16(), agreed.is_some()),
            (101, true),
            "{line:?}"
        );
        assert_eq!(
            requested_protocols(request.headers()).unwrap(),
            ["chat", "v1.json"],
            "{line:?}"
        );
    }
}

#[test]
fn server_takes_no_list_without_members_for_one() {
    let plain = [
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\n",
    ];
    for (position, line) in [
        (0, "Connection: ,\r\n"),
        (1, "Upgrade: \r\n"),
        (1, "Upgrade: , ,\r\n"),
        (2, "Sec-WebSocket-Version: ,\r\n"),
        (2, "Sec-WebSocket-Version: 13, 13\r\n"),
        (2, "Sec-WebSocket-Version: 1,3\r\n"),
    ] {
        let mut lines = plain;
        lines[position] = line;
        assert!(
            accept(&read(&(lines.concat() + KEY)), None).is_err(),
            "{line:?}"
        );
    }
    let nothing = plain.concat() + KEY + "Sec-WebSocket-Protocol: , ,\r\n";
    let request = read(&nothing);
    assert!(
        accept(&request, None).is_ok()
            && requested_protocols(request.headers()).unwrap().is_empty()
    );
}

#[test]
fn client_ignores_empty_members() {
    let response = accepted(
        "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n",
    );
    for (line, instead) in [
        ("Connection: Upgrade", "Connection: ,Upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive, , Upgrade ,"),
        ("Connection: Upgrade", "Connection: \r\nConnection: Upgrade"),
        ("Upgrade: websocket", "Upgrade: websocket,"),
        ("Upgrade: websocket", "Upgrade: ,websocket"),
        ("Upgrade: websocket", "Upgrade: \r\nUpgrade: websocket"),
        (
            "Extensions: permessage-deflate",
            "Extensions: permessage-deflate, ,",
        ),
        (
            "Extensions: permessage-deflate",
            "Extensions: ,permessage-deflate",
        ),
    ] {
        let changed = response.replacen(line, instead, 1);
        assert_ne!(changed, response);
        let asked = request(&[("sec-websocket-protocol", "chat, ,")]);
        let (_, agreed) = receive(asked, &Options::default(), &changed)
            .unwrap_or_else(|error| panic!("{instead:?}: {error}"))
            .unwrap();
        assert!(agreed.is_some(), "{instead:?}");
    }
    for instead in ["Upgrade: ,", "Upgrade: ", "Upgrade: websocket, websocket"] {
        let changed = response.replacen("Upgrade: websocket", instead, 1);
        assert!(
            receive(request(&[]), &Options::default(), &changed).is_err(),
            "{instead:?}"
        );
    }
}

#[test]
fn client_reads_folded_lines_with_a_space_for_each_fold() {
    for (folded, expected) in [
        ("X: a\r\n b", "a b"),
        ("X: a\r\n\tb", "a b"),
        ("X: a  \r\n   b  ", "a b"),
        ("X: a\r\n b\r\n\t c", "a b c"),
        ("X:\r\n a", "a"),
        ("X: a\r\n ", "a"),
        ("X: a\r\n \r\n b", "a b"),
    ] {
        let response = accepted(&format!("{folded}\r\n"));
        let (response, _) = receive(request(&[]), &Options::default(), &response)
            .unwrap_or_else(|error| panic!("{folded:?}: {error}"))
            .unwrap();
        assert_eq!(response.headers()["x"], expected, "{folded:?}");
    }
    let folded = accepted(
        "Sec-WebSocket-Extensions: permessage-deflate;\r\n client_no_context_takeover\r\n",
    );
    let (_, agreed) = receive(request(&[]), &Options::default(), &folded)
        .unwrap()
        .unwrap();
    assert!(agreed.unwrap().client_no_context_takeover);
    // Nothing to fold onto.
    let first = accepted("").replace("Upgrade: websocket", " Upgrade: websocket");
    assert!(receive(request(&[]), &Options::default(), &first).is_err());
}

#[test]
fn server_refuses_folded_lines() {
    for line in ["X: a\r\n b", "X: a\r\n\tb", "X:\r\n a"] {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        let rejection = RequestReader::new(HeadLimits::default())
            .receive(&mut BytesMut::from(head.as_str()))
            .unwrap_err();
        assert_eq!(rejection.status().as_u16(), 400, "{line:?}");
    }
}
