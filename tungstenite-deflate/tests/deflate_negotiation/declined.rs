//! Offers that are not well formed, or that a server cannot accept.

use tungstenite_deflate::deflate::negotiate::accept_response;

use super::{BAD_BITS, FLAGS, WINDOWS, answer, keeps};

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
