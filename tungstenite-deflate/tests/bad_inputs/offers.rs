//! Offers of permessage-deflate: each parameter is right or wrong, so it is known which offer is taken and what is in force.

use tungstenite_deflate::deflate::negotiate::accept_offers;
use tungstenite_deflate::deflate::{DeflateConfig, WindowBits};

use super::random::Random;

/// Parameters in force if an offer is taken: both flags and both windows.
type InForce = (bool, bool, u8, u8);

/// An offer, and what comes of it; `None` if it cannot be taken.
fn offer(random: &mut Random) -> (String, Option<InForce>) {
    let (name, mut good) = match random.below(12) {
        0 => (
            random.pick(&[
                "permessage-deflat",
                "x-webkit-deflate-frame",
                "permessage-bzip2",
                "Permessage-Deflate",
                "permessage-deflate=1",
            ]),
            false,
        ),
        _ => ("permessage-deflate", true),
    };
    let mut text = name.to_owned();
    let mut force = (false, false, 15, 15);
    let mut named = Vec::new();
    for _ in 0..random.pick(&[0, 1, 1, 2, 2, 3, 4]) {
        let which = random.below(5);
        let parameter = [
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits",
            "client_max_window_bits",
            "mode",
        ][which];
        good &= which != 4 && !named.contains(&which);
        named.push(which);
        let separator = random.pick(&["; ", ";", " ;\t", ";  "]);
        text.push_str(separator);
        text.push_str(parameter);
        match which {
            0 | 1 => {
                if random.once_in(8) {
                    text.push_str(random.pick(&["=1", "=true", "=", "=\"\""]));
                    good = false;
                } else if which == 0 {
                    force.0 = true;
                } else {
                    force.1 = true;
                }
            }
            2 | 3 if random.once_in(6) => {
                text.push_str(random.pick(&[
                    "=0",
                    "=7",
                    "=16",
                    "=08",
                    "=1e1",
                    "=ten",
                    "=-9",
                    "=99999999999999999999",
                    "=",
                    "=9=9",
                ]));
                good = false;
            }
            2 => {
                let bits = 8 + u8::try_from(random.below(8)).unwrap();
                text.push('=');
                text.push_str(&bits.to_string());
                // Nothing can be deflated with a window of 8 bits.
                good &= bits > 8;
                force.2 = bits;
            }
            3 => {
                if random.once_in(2) {
                    let bits = 8 + u8::try_from(random.below(8)).unwrap();
                    text.push('=');
                    text.push_str(&bits.to_string());
                    force.3 = bits;
                }
            }
            _ => text.push_str(random.pick(&["", "=1"])),
        }
    }
    (text, good.then_some(force))
}

#[test]
fn offers_are_judged_by_their_parameters() {
    // With a smaller window for clients the response would depend on the windows that they permit, too.
    let config = DeflateConfig::default().client_max_window_bits(WindowBits::MAX);
    let (mut bad, mut good) = (0_u64, 0_u64);
    let mut number = super::seed() << 34;
    while bad < super::wanted() / 10 {
        number += 1;
        let random = &mut Random(number);
        let offers: Vec<_> = (0..=random.below(3)).map(|_| offer(random)).collect();
        let expected = offers.iter().find_map(|(_, force)| *force);
        bad += offers.iter().filter(|(_, force)| force.is_none()).count() as u64;
        good += u64::from(expected.is_some());
        // In one line or in several.
        let texts: Vec<&str> = offers.iter().map(|(text, _)| text.as_str()).collect();
        let lines = if random.once_in(2) {
            vec![texts.join(random.pick(&[", ", ",", " , "]))]
        } else {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let taken = accept_offers(&lines, &config).map(|(agreed, _)| {
            (
                agreed.server_no_context_takeover,
                agreed.client_no_context_takeover,
                agreed.server_max_window_bits,
                agreed.client_max_window_bits,
            )
        });
        assert_eq!(taken, expected, "seed {number}: {lines:?}");
    }
    println!(
        "{bad} bad inputs: offers of permessage-deflate, 0 wrong; beside them {good} good ones"
    );
}
