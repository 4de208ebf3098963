//! Interim responses before the final one are skipped (RFC 9110 §15.2; cases L6).
//!
//! Members of the kind: 100, 102, 103 and unknown 1xx; one and many; with fields and without; before a 101, before a
//! refusal, before nothing; cut at every byte; more than the limit of a head.

use bytes::BytesMut;
use tungstenite_deflate::Options;
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::tungstenite::Error;

use super::{accepted, receive, request};

const INTERIM: &[&str] = &[
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 199 \r\n\r\n",
    "HTTP/1.0 100 Continue\r\n\r\n",
];

#[test]
fn final_response_counts_whatever_comes_before_it() {
    let all = INTERIM.concat();
    for before in INTERIM.iter().copied().chain([all.as_str()]) {
        let response = before.to_owned() + &accepted("");
        assert!(
            receive(request(&[]), &Options::default(), &response)
                .unwrap()
                .is_some(),
            "{before:?}"
        );
        let refusal = before.to_owned() + "HTTP/1.1 403 Forbidden\r\n\r\n";
        let error = receive(request(&[]), &Options::default(), &refusal).unwrap_err();
        assert!(
            matches!(error, Error::Http(response) if response.status() == 403),
            "{before:?}"
        );
        assert!(
            receive(request(&[]), &Options::default(), before)
                .unwrap()
                .is_none(),
            "{before:?}"
        );
    }
}

#[test]
fn interim_responses_may_arrive_in_any_pieces() {
    let response = INTERIM.concat() + &accepted("") + "frames";
    for cut in 0..response.len() {
        let mut opening = OpeningHandshake::start(request(&[]), &Options::default()).unwrap();
        let mut buffer = BytesMut::from(&response[..cut]);
        let early = opening.receive(&mut buffer).unwrap();
        buffer.extend_from_slice(&response.as_bytes()[cut..]);
        let accepted = early.or_else(|| opening.receive(&mut buffer).unwrap());
        assert!(accepted.is_some() && buffer == "frames", "cut at {cut}");
    }
}

#[test]
fn all_heads_together_keep_to_the_limit() {
    let one = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n";
    let limit = Options::default().limits.head.max_bytes;
    let fitting = (limit - accepted("").len()) / one.len();
    let few = one.repeat(fitting) + &accepted("");
    assert!(
        receive(request(&[]), &Options::default(), &few)
            .unwrap()
            .is_some()
    );
    let many = one.repeat(fitting + 1) + &accepted("");
    let error = receive(request(&[]), &Options::default(), &many).unwrap_err();
    assert!(matches!(error, Error::AttackAttempt), "{error:?}");
    // One at a time, for ever.
    let mut opening = OpeningHandshake::start(request(&[]), &Options::default()).unwrap();
    let ended = (0..=limit / one.len()).any(|_| opening.receive(&mut BytesMut::from(one)).is_err());
    assert!(ended);
}
