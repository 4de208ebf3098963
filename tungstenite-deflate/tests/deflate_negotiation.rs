//! Offers and responses of permessage-deflate as tables (RFC 7692 §7.1).

use tungstenite_deflate::deflate::negotiate::{accept_offers, accept_response, offer};
use tungstenite_deflate::deflate::{Agreed, DeflateConfig};

/// A configuration that keeps both contexts, so that every parameter of an answer comes from the offer.
fn keeps() -> DeflateConfig {
    DeflateConfig::default()
        .server_no_context_takeover(false)
        .client_no_context_takeover(false)
}

/// As [`keeps`], with windows of `server` and `client` bits.
fn windows(server: u8, client: u8) -> DeflateConfig {
    let config = keeps().server_max_window_bits(server);
    config
        .and_then(|config| config.client_max_window_bits(client))
        .expect("9 to 15")
}

/// Agreed parameters in short: flags that are set, and both windows.
fn short(agreed: Agreed) -> String {
    let mut text = String::new();
    for (set, name) in [
        (agreed.server_no_context_takeover, "snct "),
        (agreed.client_no_context_takeover, "cnct "),
    ] {
        text.push_str(if set { name } else { "" });
    }
    text + &format!(
        "{}/{}",
        agreed.server_max_window_bits, agreed.client_max_window_bits
    )
}

/// The answer's parameters and what is in force, or `-` without the extension.
fn answer<L: AsRef<[u8]>>(lines: &[L], config: &DeflateConfig) -> String {
    match accept_offers(lines, config) {
        Some((agreed, response)) => {
            let parameters = response
                .strip_prefix("permessage-deflate")
                .expect("the extension's name")
                .to_owned();
            format!("{parameters} => {}", short(agreed))
                .trim_start_matches("; ")
                .trim_start()
                .to_owned()
        }
        None => "-".to_owned(),
    }
}

const FLAGS: [&str; 2] = ["server_no_context_takeover", "client_no_context_takeover"];
const WINDOWS: [&str; 2] = ["server_max_window_bits", "client_max_window_bits"];

/// Values that no window may have.
const BAD_BITS: [&str; 27] = [
    "0",
    "1",
    "7",
    "16",
    "17",
    "80",
    "99",
    "100",
    "255",
    "256",
    "264",
    "08",
    "010",
    "0x0a",
    "1e1",
    "10.0",
    "+10",
    "-10",
    "ten",
    "\"10\"",
    "\"15\"",
    "\"\"",
    "",
    "1_0",
    "10a",
    "18446744073709551626",
    "1\t0",
];

/// Offers that cannot be taken.
const BAD_OFFERS: &[&str] = &[
    "",
    ",",
    ";",
    "=",
    "permessage-deflate;",
    "permessage-deflate;;",
    "permessage-deflate; ;",
    "permessage-deflate=1",
    "permessage-deflate server_no_context_takeover",
    "permessage-deflate:server_no_context_takeover",
    "permessage-deflate/1",
    "permessage deflate",
    "Permessage-Deflate",
    "PERMESSAGE-DEFLATE",
    "permessage-deflat",
    "permessage-deflate2",
    "x-webkit-deflate-frame",
    "deflate",
    "permessage-bzip2",
    "\"permessage-deflate\"",
    "permessage-deflate; \"server_no_context_takeover\"",
    "permessage-deflate\0",
    "permessage-deflate;\u{a0}server_no_context_takeover",
    "permessage-deflate\u{2003}",
    "permessage-deflate; x",
    "permessage-deflate; x=1",
    "permessage-deflate; x=\"",
    "permessage-deflate; max_window_bits=10",
    "permessage-deflate; s2c_max_window_bits=10",
    "permessage-deflate; no_context_takeover",
    "permessage-deflate; mem_level=1",
    "permessage-deflate; =",
    "permessage-deflate; =10",
    "permessage-deflate; (comment)",
    "permessage-deflate; {}",
    "permessage-deflate\r\n",
    "permessage-deflate; server_max_window_bits==10",
    "permessage-deflate; server_max_window_bits=10 11",
    "permessage-deflate; server_max_window_bits=10=11",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; Server_Max_Window_Bits=10",
    "permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER",
    "permessage-deflate; server-no-context-takeover",
    "permessage-deflate; client_max_window_bits; x",
];

#[test]
fn d1_offers_that_are_not_well_formed_are_declined() {
    let mut offers: Vec<String> = BAD_OFFERS.iter().map(|&offer| offer.to_owned()).collect();
    for name in WINDOWS {
        offers.extend(BAD_BITS.map(|bits| format!("permessage-deflate; {name}={bits}")));
        offers.push(format!("permessage-deflate; {name}={}", "9".repeat(4_300)));
        offers.push(format!(
            "permessage-deflate; {name}={}10",
            "0".repeat(4_300)
        ));
        offers.push(format!("permessage-deflate; {name}=10; {name}=10"));
        offers.push(format!("permessage-deflate; {name}=10; {name}=11"));
        offers.push(format!(
            "permessage-deflate; {name}=10; {}; {name}=10",
            FLAGS[0]
        ));
    }
    offers.push("permessage-deflate; client_max_window_bits; client_max_window_bits".to_owned());
    offers.push("permessage-deflate; client_max_window_bits; client_max_window_bits=10".to_owned());
    for name in FLAGS {
        for value in [
            "1", "0", "true", "false", "\"\"", "\"true\"", "", "10", "on",
        ] {
            offers.push(format!("permessage-deflate; {name}={value}"));
        }
        offers.push(format!("permessage-deflate; {name}; {name}"));
        offers.push(format!(
            "permessage-deflate; {name}; client_max_window_bits; {name}"
        ));
        offers.push(format!("permessage-deflate; {name}{}", "x".repeat(10_000)));
        offers.push(format!("permessage-deflate; {name}\u{e9}"));
    }
    assert!(offers.len() >= 130, "only {}", offers.len());
    for bad in &offers {
        assert_eq!(answer(&[bad], &keeps()), "-", "{bad:?}");
        // The next one is tried, on the same line and on another.
        assert_eq!(
            answer(&[bad.as_str(), "permessage-deflate"], &keeps()),
            "=> 15/15",
            "{bad:?}, then a good line"
        );
        if bad.matches('"').count() % 2 == 0 {
            let both = format!("{bad}, permessage-deflate; server_max_window_bits=9");
            assert_eq!(
                answer(&[&both], &keeps()),
                "server_max_window_bits=9 => 9/15",
                "{both:?}"
            );
        }
    }
    for bytes in [
        &b"\xff\xfe"[..],
        b"permessage-deflate; \xff",
        b"permessage-deflate\xc3\xa9",
        b"\0",
        b"permessage-deflate; client_max_window_bits=\xb9",
    ] {
        assert_eq!(answer(&[bytes], &keeps()), "-", "{bytes:?}");
    }
}

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
    ("", "server_max_window_bits=12 => 12/15"),
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
        "server_max_window_bits=12 => 12/15",
    ),
    (
        "; server_max_window_bits=12",
        "server_max_window_bits=12 => 12/15",
    ),
    (
        "; server_max_window_bits=10",
        "server_max_window_bits=10 => 10/15",
    ),
];

/// A server with the defaults.
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
        (DeflateConfig::default(), FORGETS),
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

#[test]
fn long_headers_take_linear_time() {
    for piece in [
        "permessage-deflate; x, ",
        "permessage-deflate; server_max_window_bits=8,",
        "permessage-deflate; server_no_context_takeover;",
        "a;b=\"",
        ",;",
    ] {
        let line = piece.repeat(20_000);
        assert_eq!(answer(&[&line], &keeps()), "-", "{piece}");
        assert!(accept_response([&line], Some(&keeps())).is_err(), "{piece}");
    }
}

#[test]
fn offer_has_windows_only_if_they_were_configured() {
    let cases = [
        (keeps(), "permessage-deflate"),
        (
            DeflateConfig::default(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            windows(12, 15),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits",
        ),
        (
            windows(15, 9),
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            windows(10, 11),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(offer(&config), expected);
    }
}

#[test]
fn d6_responses_that_do_not_correspond_to_the_offer_fail() {
    let (plain, small) = (keeps(), windows(12, 11));
    let mut responses: Vec<(&DeflateConfig, Vec<String>)> = Vec::new();
    let bad = [
        ";",
        "; ;",
        " x",
        "=1",
        "; x",
        "; x=1",
        "; server_no_context_takeover=1",
        "; client_no_context_takeover=\"\"",
        "; server_no_context_takeover=true",
        "; server_no_context_takeover; server_no_context_takeover",
        "; client_no_context_takeover; client_no_context_takeover",
        "; server_max_window_bits",
        "; server_max_window_bits=",
        "; server_max_window_bits=10; server_max_window_bits=10",
        "; client_max_window_bits=10; client_max_window_bits=10",
        "; client_max_window_bits",
        "; Server_no_context_takeover",
        ", permessage-deflate",
        ", x",
        "; a=\"",
        "\u{e9}",
    ];
    for parameters in bad {
        responses.push((&plain, vec![format!("permessage-deflate{parameters}")]));
        responses.push((&small, vec![format!("permessage-deflate{parameters}")]));
    }
    for bits in BAD_BITS
        .into_iter()
        .filter(|bits| !["\"10\"", "\"15\""].contains(bits))
    {
        responses.push((
            &plain,
            vec![format!("permessage-deflate; server_max_window_bits={bits}")],
        ));
        responses.push((
            &small,
            vec![format!("permessage-deflate; client_max_window_bits={bits}")],
        ));
    }
    for lines in [
        &["x"][..],
        &["x", "permessage-deflate"],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate", "x"],
        &["Permessage-deflate"],
        &["=", "permessage-deflate"],
    ] {
        responses.push((&plain, lines.iter().map(|&line| line.to_owned()).collect()));
    }
    // Windows that were not offered, or not so large.
    for parameters in [
        "client_max_window_bits=15",
        "client_max_window_bits=9",
        "client_max_window_bits=8",
    ] {
        responses.push((&plain, vec![format!("permessage-deflate; {parameters}")]));
    }
    for parameters in [
        "server_max_window_bits=13",
        "server_max_window_bits=15",
        "client_max_window_bits=12",
        "client_max_window_bits=15",
    ] {
        responses.push((&small, vec![format!("permessage-deflate; {parameters}")]));
    }
    assert!(responses.len() >= 40);
    for (config, lines) in responses {
        let error = accept_response(&lines, Some(config)).expect_err(&lines.join(" | "));
        let text = error.to_string();
        assert!(
            text.contains("RFC ") && !text.contains('\n') && text.len() < 250,
            "{text}"
        );
    }
    let lines = ["permessage-deflate; server_max_window_bits=1234".to_owned()];
    let error = accept_response(&lines, Some(&plain)).unwrap_err();
    assert!(error.to_string().contains("1234"), "what was seen: {error}");
}

#[test]
fn d6_any_extension_fails_a_client_that_offered_none() {
    for line in [
        "permessage-deflate",
        "x",
        "permessage-deflate; server_no_context_takeover",
    ] {
        assert!(accept_response([line], None).is_err(), "{line}");
    }
    assert_eq!(accept_response([""; 0], None), Ok(None));
}

#[test]
fn good_responses_are_in_force() {
    let (plain, small, forgets) = (keeps(), windows(12, 11), DeflateConfig::default());
    let cases: &[(&DeflateConfig, &str, &str)] = &[
        (&plain, "", "15/15"),
        (&plain, "; server_no_context_takeover", "snct 15/15"),
        (&plain, "; client_no_context_takeover", "cnct 15/15"),
        (
            &plain,
            ";server_no_context_takeover ; client_no_context_takeover",
            "snct cnct 15/15",
        ),
        (&plain, "; server_max_window_bits=8", "8/15"),
        (&plain, "; server_max_window_bits=15", "15/15"),
        (&plain, "; server_max_window_bits=\"10\"", "10/15"),
        (&small, "", "15/11"),
        (&small, "; server_max_window_bits=12", "12/11"),
        (
            &small,
            "; server_max_window_bits=8; client_max_window_bits=8",
            "8/8",
        ),
        (&small, "; client_max_window_bits=11", "15/11"),
        (&forgets, "", "cnct 15/15"),
        (
            &forgets,
            "; server_no_context_takeover; client_no_context_takeover",
            "snct cnct 15/15",
        ),
    ];
    for (config, parameters, expected) in cases {
        let agreed = accept_response([format!("permessage-deflate{parameters}")], Some(config));
        assert_eq!(
            agreed.map(|agreed| agreed.map(short)),
            Ok(Some((*expected).to_owned())),
            "{parameters:?}"
        );
    }
    assert_eq!(accept_response([""; 0], Some(&plain)), Ok(None));
    assert_eq!(accept_response(["", " , "], Some(&plain)), Ok(None));
}

/// What a server of ours answers, a client of ours takes, and both mean the same by it.
#[test]
fn both_sides_agree_for_every_configuration() {
    let configs: Vec<DeflateConfig> = [9, 12, 15]
        .into_iter()
        .flat_map(|server| [9, 12, 15].map(|client| windows(server, client)))
        .flat_map(|config| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|flags| (config.clone(), flags))
        })
        .map(|(config, (server, client))| {
            config
                .server_no_context_takeover(server)
                .client_no_context_takeover(client)
        })
        .collect();
    for client in &configs {
        for server in &configs {
            let (at_server, response) =
                accept_offers([offer(client)], server).expect("an offer of ours");
            let at_client = accept_response([&response], Some(client))
                .expect(&response)
                .expect("an answer");
            assert_eq!(
                at_client.server_no_context_takeover, at_server.server_no_context_takeover,
                "{response}"
            );
            assert_eq!(
                at_client.server_max_window_bits, at_server.server_max_window_bits,
                "{response}"
            );
            // The client may promise itself more than was asked of it.
            assert!(
                at_client.client_max_window_bits <= at_server.client_max_window_bits,
                "{response}"
            );
            assert!(
                at_client.client_no_context_takeover >= at_server.client_no_context_takeover,
                "{response}"
            );
        }
    }
}
