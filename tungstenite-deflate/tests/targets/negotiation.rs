//! Sec-WebSocket-Extensions of strangers.

use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::deflate::negotiate::{accept_offers, accept_response, offer};
use tungstenite_deflate::{Agreed, DeflateConfig, extensions};

use super::Input;

fn config(choice: u8) -> DeflateConfig {
    let bits = 9 + (choice >> 2) % 7;
    let bits = WindowBits::new(bits).expect("9 to 15");
    DeflateConfig::default()
        .server_no_context_takeover(choice & 1 != 0)
        .client_no_context_takeover(choice & 2 != 0)
        .server_max_window_bits(bits)
        .client_max_window_bits(bits)
}

fn check(agreed: Agreed) {
    assert!(
        (8..=15).contains(&agreed.server_max_window_bits),
        "{agreed:?}"
    );
    assert!(
        (8..=15).contains(&agreed.client_max_window_bits),
        "{agreed:?}"
    );
}

/// As a server: configuration by the first byte, header lines separated by line feeds.
pub fn offers(data: &[u8]) {
    let mut input = Input(data);
    let config = config(input.byte());
    let lines: Vec<&[u8]> = input.0.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        // The grammar's iterator ends, and every error lies within the line.
        for error in extensions::parse(line).filter_map(Result::err) {
            assert!(error.at <= line.len(), "{error}");
        }
    }
    let Some((agreed, response)) = accept_offers(&lines, &config) else {
        return;
    };
    check(agreed);
    let answered: Vec<_> = extensions::parse(response.as_bytes()).collect();
    let [Ok(extension)] = &answered[..] else {
        panic!("not one extension: {response}")
    };
    assert_eq!(extension.name, "permessage-deflate");
    for (at, parameter) in extension.parameters.iter().enumerate() {
        let name = parameter.name;
        let repeated = extension.parameters[..at]
            .iter()
            .any(|earlier| earlier.name == name);
        assert!(!repeated, "{name} twice: {response}");
        let value: Option<u8> = parameter
            .value
            .as_ref()
            .map(|value| value.parse().expect("a number"));
        match name {
            "server_no_context_takeover" => {
                assert!(value.is_none() && agreed.server_no_context_takeover);
            }
            "client_no_context_takeover" => {
                assert!(value.is_none() && agreed.client_no_context_takeover);
            }
            "server_max_window_bits" => assert_eq!(value, Some(agreed.server_max_window_bits)),
            "client_max_window_bits" => {
                assert_eq!(value, Some(agreed.client_max_window_bits));
                let offered = lines
                    .iter()
                    .any(|line| line.windows(name.len()).any(|part| part == name.as_bytes()));
                assert!(offered, "RFC 7692 §7.1.2.2: only if the client offered it");
            }
            _ => panic!("unknown parameter: {response}"),
        }
    }
}

/// As a client: configuration by the first byte, header lines separated by line feeds.
pub fn responses(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let config = (choice & 0x80 == 0).then(|| config(choice));
    let lines: Vec<&[u8]> = input.0.split(|byte| *byte == b'\n').collect();
    match accept_response(&lines, config.as_ref()) {
        Ok(Some(agreed)) => {
            check(agreed);
            let config = config.expect("nothing was offered, so nothing can be agreed");
            // A server that says nothing of its window may use the largest: any is decoded.
            let server = agreed.server_max_window_bits;
            assert!(
                server == 15 || server <= config.server_max_window_bits.get(),
                "{agreed:?}"
            );
            assert!(
                config
                    .client_max_window_bits
                    .is_none_or(|limit| agreed.client_max_window_bits <= limit.get()),
                "{agreed:?}"
            );
            // Our own server would give a client like this one an answer that it takes.
            let (_, response) = accept_offers([offer(&config)], &config).expect("our own offer");
            accept_response([response], Some(&config)).expect("our own answer");
        }
        Ok(None) => {}
        Err(error) => {
            let line = error.to_string();
            assert!(
                !line.is_empty() && !line.contains('\n') && line.len() < 1000,
                "{line}"
            );
        }
    }
}
