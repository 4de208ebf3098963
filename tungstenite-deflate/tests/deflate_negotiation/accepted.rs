//! The truth table of well-formed offers.

use tungstenite_deflate::deflate::DeflateConfig;

use super::{answer, forgets, keeps, windows};

/// Parameters of an offer; those of the answer and what is in force.
type Row = (&'static str, &'static str);

/// A server that keeps contexts and has the largest windows.
const KEEPS: &[Row] = &[
    ("", "=> 15/15"),
    (
        "; server_no_context_takeover",
        "server_no_context_takeover => snct 15/15",
    ),
    (
        "; client_no_context_takeover",
        "client_no_context_takeover => cnct 15/15",
    ),
    (
        "; client_no_context_takeover; server_no_context_takeover",
        "server_no_context_takeover; client_no_context_takeover => snct cnct 15/15",
    ),
    (
        "; server_max_window_bits=9",
        "server_max_window_bits=9 => 9/15",
    ),
    (
        "; server_max_window_bits=10",
        "server_max_window_bits=10 => 10/15",
    ),
    (
        "; server_max_window_bits=14",
        "server_max_window_bits=14 => 14/15",
    ),
    (
        "; server_max_window_bits=15",
        "server_max_window_bits=15 => 15/15",
    ),
    (
        " ;\tserver_max_window_bits = 15 ",
        "server_max_window_bits=15 => 15/15",
    ),
    (
        ";server_max_window_bits=15",
        "server_max_window_bits=15 => 15/15",
    ),
    // D4: the client's window is in the answer only if it was in the offer.
    ("; client_max_window_bits", "=> 15/15"),
    ("; client_max_window_bits=15", "=> 15/15"),
    (
        "; client_max_window_bits=14",
        "client_max_window_bits=14 => 15/14",
    ),
    (
        "; client_max_window_bits=9",
        "client_max_window_bits=9 => 15/9",
    ),
    (
        "; client_max_window_bits=8",
        "client_max_window_bits=8 => 15/8",
    ),
];

/// A server that keeps contexts and has a window of 12, and wants one of 11.
const SMALL: &[Row] = &[
    (
        "",
        "client_no_context_takeover; server_max_window_bits=12 => cnct 12/15",
    ),
    (
        "; client_no_context_takeover",
        "client_no_context_takeover; server_max_window_bits=12 => cnct 12/15",
    ),
    (
        "; client_max_window_bits",
        "server_max_window_bits=12; client_max_window_bits=11 => 12/11",
    ),
    (
        "; client_max_window_bits=15",
        "server_max_window_bits=12; client_max_window_bits=11 => 12/11",
    ),
    (
        "; client_max_window_bits=10",
        "server_max_window_bits=12; client_max_window_bits=10 => 12/10",
    ),
    (
        "; client_max_window_bits=8",
        "server_max_window_bits=12; client_max_window_bits=8 => 12/8",
    ),
    (
        "; server_max_window_bits=15",
        "client_no_context_takeover; server_max_window_bits=12 => cnct 12/15",
    ),
    (
        "; server_max_window_bits=12",
        "client_no_context_takeover; server_max_window_bits=12 => cnct 12/15",
    ),
    (
        "; server_max_window_bits=10",
        "client_no_context_takeover; server_max_window_bits=10 => cnct 10/15",
    ),
];

/// A server with the defaults: a client keeps its context where its window can be held to 2 KiB.
const DEFAULTS: &[Row] = &[
    // Chromium, Node, Python's websockets.
    (
        "; client_max_window_bits",
        "client_max_window_bits=11 => 15/11",
    ),
    (
        "; client_max_window_bits=15",
        "client_max_window_bits=11 => 15/11",
    ),
    (
        "; client_max_window_bits=12",
        "client_max_window_bits=11 => 15/11",
    ),
    (
        "; client_max_window_bits=10",
        "client_max_window_bits=10 => 15/10",
    ),
    (
        "; client_max_window_bits=8",
        "client_max_window_bits=8 => 15/8",
    ),
    // Firefox, Safari.
    ("", "client_no_context_takeover => cnct 15/15"),
    // Nothing is asked of the window of a client that keeps none.
    (
        "; client_no_context_takeover; client_max_window_bits",
        "client_no_context_takeover => cnct 15/15",
    ),
    (
        "; client_no_context_takeover; client_max_window_bits=10",
        "client_no_context_takeover => cnct 15/10",
    ),
    // The server's window is announced to those who ask.
    (
        "; server_max_window_bits=12; client_max_window_bits",
        "server_max_window_bits=12; client_max_window_bits=11 => 12/11",
    ),
    (
        "; server_no_context_takeover; client_max_window_bits",
        "server_no_context_takeover; client_max_window_bits=11 => snct 15/11",
    ),
    (
        "; server_no_context_takeover; client_no_context_takeover",
        "server_no_context_takeover; client_no_context_takeover => snct cnct 15/15",
    ),
];

/// A server that keeps no context.
const FORGETS: &[Row] = &[
    (
        "",
        "server_no_context_takeover; client_no_context_takeover => snct cnct 15/15",
    ),
    (
        "; client_max_window_bits",
        "server_no_context_takeover; client_no_context_takeover => snct cnct 15/15",
    ),
    (
        "; server_no_context_takeover; server_max_window_bits=9",
        "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9 => snct cnct 9/15",
    ),
];

#[test]
fn well_formed_offers_are_answered_by_the_truth_table() {
    let tables = [
        (keeps(), KEEPS),
        (windows(12, 11), SMALL),
        (DeflateConfig::default(), DEFAULTS),
        (forgets(), FORGETS),
    ];
    for (config, rows) in tables {
        for (parameters, expected) in rows {
            let seen = answer(&[format!("permessage-deflate{parameters}")], &config);
            assert_eq!(seen, *expected, "{parameters:?}");
        }
    }
}

#[test]
fn d2_first_acceptable_offer_is_taken_over_all_lines() {
    let cases: &[(&[&str], &str)] = &[
        (
            &[
                "permessage-deflate",
                "permessage-deflate; server_max_window_bits=9",
            ],
            "=> 15/15",
        ),
        (
            &[
                "permessage-deflate; server_max_window_bits=9",
                "permessage-deflate",
            ],
            "server_max_window_bits=9 => 9/15",
        ),
        (
            &["permessage-deflate; server_max_window_bits=9, permessage-deflate"],
            "server_max_window_bits=9 => 9/15",
        ),
        (
            &["permessage-deflate, permessage-deflate; server_max_window_bits=9"],
            "=> 15/15",
        ),
        (&["x, y; z=1, permessage-deflate"], "=> 15/15"),
        (&["x", "y; z=1", "permessage-deflate"], "=> 15/15"),
        (&["", "permessage-deflate"], "=> 15/15"),
        (&[", ,", ",permessage-deflate,"], "=> 15/15"),
        (&["x; a=\"permessage-deflate\""], "-"),
        (&["x; a=\"b\", permessage-deflate"], "=> 15/15"),
        (&["x; a=\"b, permessage-deflate\""], "-"),
        (&["x; a=\"b", "permessage-deflate"], "=> 15/15"),
        (
            &[
                "permessage-deflate; x",
                "permessage-deflate; y",
                "permessage-deflate",
            ],
            "=> 15/15",
        ),
        (&["permessage-deflate; x, permessage-deflate; y"], "-"),
        // What Autobahn 13.5, 13.6 and 13.7 send.
        (
            &[
                "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9",
            ],
            "server_no_context_takeover; server_max_window_bits=9 => snct 9/15",
        ),
        (
            &[
                "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15",
            ],
            "server_no_context_takeover; server_max_window_bits=15 => snct 15/15",
        ),
        (
            &[
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits; server_max_window_bits=9, permessage-deflate",
            ],
            "server_max_window_bits=9 => 9/15",
        ),
        // Browsers: Chromium and Firefox, Safari.
        (&["permessage-deflate; client_max_window_bits"], "=> 15/15"),
        (&["permessage-deflate"], "=> 15/15"),
        (
            &["x-webkit-deflate-frame", "permessage-deflate"],
            "=> 15/15",
        ),
        (
            &["permessage-deflate; server_max_window_bits=8, permessage-deflate"],
            "=> 15/15",
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(answer(lines, &keeps()), *expected, "{lines:?}");
    }
}
