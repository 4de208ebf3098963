//! Compression that was asked for on the command line and that the server did not agree to.

use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::{Agreed, DeflateConfig};

use crate::args::Side;

/// Returns a warning for each thing asked for and not in force: a context is kept only if both sides agree.
pub(crate) fn declined(
    contexts: Option<Side>,
    config: Option<&DeflateConfig>,
    agreed: Option<Agreed>,
) -> Vec<String> {
    // A server need not answer a request for a full window, so only a smaller one can be declined.
    let window = config
        .map(|config| config.server_max_window_bits)
        .filter(|bits| *bits < WindowBits::MAX);
    let Some(agreed) = agreed else {
        let is_asked = contexts.is_some_and(|side| side != Side::None) || window.is_some();
        return is_asked
            .then(|| "the server declined permessage-deflate: nothing is compressed".to_owned())
            .into_iter()
            .collect();
    };
    let flags = [
        (
            Side::Server,
            agreed.server_no_context_takeover,
            "server_no_context_takeover",
        ),
        (
            Side::Client,
            agreed.client_no_context_takeover,
            "client_no_context_takeover",
        ),
    ];
    let mut warnings: Vec<String> = flags
        .into_iter()
        .filter(|(side, forgets, _)| {
            *forgets && contexts.is_some_and(|asked| asked == *side || asked == Side::Both)
        })
        .map(|(_, _, flag)| format!("the server declined --context-takeover: it answered {flag}"))
        .collect();
    if let Some(bits) = window.filter(|bits| bits.get() < agreed.server_max_window_bits) {
        warnings.push(format!(
            "the server declined --server-max-window-bits {bits}: its window is {} bits",
            agreed.server_max_window_bits
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_warned_about() {
        let agreed = |flags: [bool; 2], bits| {
            Some(Agreed {
                server_no_context_takeover: flags[0],
                client_no_context_takeover: flags[1],
                server_max_window_bits: bits,
                client_max_window_bits: 15,
            })
        };
        let (none, both) = (agreed([true, true], 15), agreed([false, false], 10));
        let cases = [
            (None, 15, none, 0),
            (Some(Side::None), 15, none, 0),
            (Some(Side::Both), 15, none, 2),
            (Some(Side::Server), 15, none, 1),
            (Some(Side::Client), 15, none, 1),
            (Some(Side::Client), 15, agreed([true, false], 15), 0),
            (Some(Side::Both), 10, both, 0),
            (None, 9, both, 1),
            (None, 15, None, 0),
            (Some(Side::None), 15, None, 0),
            (Some(Side::Both), 15, None, 1),
            (None, 9, None, 1),
        ];
        for (contexts, bits, agreed, expected) in cases {
            let bits = WindowBits::new(bits).expect("9 to 15");
            let config = DeflateConfig::default().server_max_window_bits(bits);
            let seen = declined(contexts, Some(&config), agreed);
            assert_eq!(seen.len(), expected, "{contexts:?}, {bits}: {seen:?}");
            assert!(seen.iter().all(|text| text.contains("the server declined")));
        }
    }
}
