//! The client's side: what it offers, and which responses it takes.

use tungstenite_deflate::deflate::DeflateConfig;
use tungstenite_deflate::deflate::negotiate::{accept_response, offer};

use super::{BAD_BITS, forgets, keeps, short, windows};

#[test]
fn offer_is_that_of_browsers_unless_configured() {
    let cases = [
        // As Chromium, Node and Python's websockets offer it.
        (
            DeflateConfig::default(),
            "permessage-deflate; client_max_window_bits",
        ),
        (
            forgets(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
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
    for bits in BAD_BITS {
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
    // Windows larger than offered.
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
    let (plain, small, forgets) = (keeps(), windows(12, 11), forgets());
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
        (&plain, "; client_max_window_bits=15", "15/15"),
        (&plain, "; client_max_window_bits=8", "15/8"),
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
