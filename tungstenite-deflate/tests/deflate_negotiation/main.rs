//! Offers and responses of permessage-deflate as tables (RFC 7692 §7.1).

mod accepted;
mod client;
mod declined;

use tungstenite_deflate::deflate::negotiate::{accept_offers, accept_response, offer};
use tungstenite_deflate::deflate::{Agreed, DeflateConfig, WindowBits};

/// A configuration that keeps both contexts with any window, so that every parameter of an answer comes from the offer.
fn keeps() -> DeflateConfig {
    DeflateConfig::default().client_max_window_bits(WindowBits::MAX)
}

/// A configuration that keeps no context.
fn forgets() -> DeflateConfig {
    DeflateConfig::default()
        .server_no_context_takeover(true)
        .client_no_context_takeover(true)
}

/// As [`keeps`], with windows of `server` and `client` bits.
fn windows(server: u8, client: u8) -> DeflateConfig {
    let [server, client] = [server, client].map(|bits| WindowBits::new(bits).expect("9 to 15"));
    keeps()
        .server_max_window_bits(server)
        .client_max_window_bits(client)
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
const BAD_BITS: [&str; 25] = [
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
    "\"\"",
    "",
    "1_0",
    "10a",
    "18446744073709551626",
    "1\t0",
];

/// A client of ours takes the response of a server of ours, and both mean the same by it.
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
