//! Offers that the caller wrote: the response is judged against what was sent (RFC 6455 §4.1, RFC 7692 §5.1; cases L5).
//!
//! Members of the kind: window parameters with and without values, quoted; several offers in one line and over several;
//! other extensions beside and alone; offers that are none; with compression on and off in the options.

use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::handshake::server::accept;
use tungstenite_deflate::{DeflateConfig, Options};

use super::{accepted, read, receive, request};

/// The caller's lines; the response's value; windows of server and client that are agreed, or that it fails.
type Case = (&'static [&'static str], &'static str, Option<(u8, u8)>);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (&["permessage-deflate"], "permessage-deflate", Some((15, 15))),
    (&["permessage-deflate; client_max_window_bits"], "permessage-deflate; client_max_window_bits=12", Some((15, 12))),
    (&["permessage-deflate; client_max_window_bits"], "permessage-deflate; client_max_window_bits=15", Some((15, 15))),
    (&["permessage-deflate; client_max_window_bits"], "permessage-deflate; client_max_window_bits=\"11\"", Some((15, 11))),
    (&["permessage-deflate; client_max_window_bits=\"10\""], "permessage-deflate; client_max_window_bits=10", Some((15, 10))),
    (&["permessage-deflate; client_max_window_bits"], "permessage-deflate", Some((15, 15))),
    (&["permessage-deflate; server_max_window_bits=10"], "permessage-deflate; server_max_window_bits=9", Some((9, 15))),
    (&["permessage-deflate"], "permessage-deflate; server_max_window_bits=10", Some((10, 15))),
    // Not as offered.
    (&["permessage-deflate"], "permessage-deflate; client_max_window_bits=12", None),
    (&["permessage-deflate; client_max_window_bits=10"], "permessage-deflate; client_max_window_bits=11", None),
    (&["permessage-deflate; server_max_window_bits=10"], "permessage-deflate; server_max_window_bits=11", None),
    (&["permessage-deflate; client_max_window_bits"], "permessage-deflate; client_max_window_bits", None),
    (&["permessage-deflate"], "permessage-deflate, permessage-deflate", None),
    // Several offers: any of them.
    (&["permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate"],
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", Some((10, 9))),
    (&["permessage-deflate; server_max_window_bits=10, permessage-deflate"], "permessage-deflate; server_max_window_bits=12", Some((12, 15))),
    (&["permessage-deflate; server_max_window_bits=10", "permessage-deflate; client_max_window_bits"],
        "permessage-deflate; client_max_window_bits=9", Some((15, 9))),
    (&["permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=12"],
        "permessage-deflate; server_max_window_bits=13", None),
    // Other extensions.
    (&["x-other, permessage-deflate"], "permessage-deflate", Some((15, 15))),
    (&["x-other; a=b", "permessage-deflate"], "x-other, permessage-deflate", Some((15, 15))),
    (&["x-other"], "permessage-deflate", None),
    (&["permessage-deflate"], "x-other", None),
    // Elements that are no offers.
    (&["permessage-deflate; unknown"], "permessage-deflate", None),
    (&["permessage-deflate;;, permessage-deflate"], "permessage-deflate", Some((15, 15))),
    (&["permessage-deflate; client_max_window_bits=7"], "permessage-deflate", None),
];

#[test]
fn response_is_judged_against_the_offers_that_were_sent() {
    for (offers, answer, expected) in CASES {
        let fields: Vec<_> = offers
            .iter()
            .map(|offer| ("sec-websocket-extensions", *offer))
            .collect();
        let response = accepted(&format!("Sec-WebSocket-Extensions: {answer}\r\n"));
        let outcome = receive(request(&fields), &Options::default(), &response);
        match (outcome, expected) {
            (Ok(Some((_, Some(agreed)))), Some((server, client))) => {
                let windows = (agreed.server_max_window_bits, agreed.client_max_window_bits);
                assert_eq!(windows, (*server, *client), "{offers:?} {answer}");
            }
            (Err(_), None) => {}
            (outcome, expected) => panic!("{offers:?} {answer}: {outcome:?}, not {expected:?}"),
        }
        // With compression off only names count.
        let off = receive(
            request(&fields),
            &Options::default().deflate(None),
            &response,
        );
        assert!(
            off.is_err() || off.unwrap().unwrap().1.is_none(),
            "{offers:?} {answer}"
        );
    }
}

#[test]
fn extensions_without_compression_are_the_callers() {
    let off = Options::default().deflate(None);
    let fields = [(
        "sec-websocket-extensions",
        "x-other, permessage-deflate; client_max_window_bits",
    )];
    for (answer, is_good) in [
        ("x-other", true),
        ("permessage-deflate; client_max_window_bits=9", true),
        ("x-third", false),
    ] {
        let response = accepted(&format!("Sec-WebSocket-Extensions: {answer}\r\n"));
        let outcome = receive(request(&fields), &off, &response);
        assert_eq!(outcome.is_ok(), is_good, "{answer}");
        if let Ok(outcome) = outcome {
            let (response, agreed) = outcome.unwrap();
            assert_eq!(
                (
                    agreed,
                    response.headers()["sec-websocket-extensions"]
                        .to_str()
                        .unwrap()
                ),
                (None, answer)
            );
        }
    }
}

#[test]
fn nothing_is_added_to_offers_of_the_caller() {
    for offer in ["x-other", "permessage-deflate; client_max_window_bits", ""] {
        let asked = request(&[("sec-websocket-extensions", offer)]);
        let opening = OpeningHandshake::start(asked, &Options::default()).unwrap();
        let sent = String::from_utf8(opening.request().to_vec()).unwrap();
        assert_eq!(
            sent.to_ascii_lowercase()
                .matches("sec-websocket-extensions")
                .count(),
            1,
            "{sent}"
        );
        assert!(sent.contains(&format!("xtensions: {offer}\r\n")), "{sent}");
    }
}

/// A smaller window in the options holds our own compressor, whatever the caller's offer allowed.
#[test]
fn options_limit_what_the_caller_offered() {
    let options = Options::from(
        DeflateConfig::default().client_max_window_bits(WindowBits::new(10).unwrap()),
    );
    let asked = request(&[(
        "sec-websocket-extensions",
        "permessage-deflate; client_max_window_bits",
    )]);
    let response =
        accepted("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=14\r\n");
    let (_, agreed) = receive(asked, &options, &response).unwrap().unwrap();
    assert_eq!(agreed.unwrap().client_max_window_bits, 10);
}

#[test]
fn quoted_windows_mean_the_same_in_offers_and_answers() {
    for (offer, answer) in [
        (
            "permessage-deflate; server_max_window_bits=\"10\"",
            "server_max_window_bits=10",
        ),
        (
            "permessage-deflate; client_max_window_bits=\"9\"",
            "client_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"1\\0\"",
            "server_max_window_bits=10",
        ),
    ] {
        let request = read(&format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: {offer}\r\n"
        ));
        let (response, agreed) = accept(&request, Some(&DeflateConfig::default())).unwrap();
        assert!(agreed.is_some(), "{offer}");
        let value = response.headers()["sec-websocket-extensions"]
            .to_str()
            .unwrap();
        assert!(value.contains(answer), "{offer}: {value}");
    }
}
