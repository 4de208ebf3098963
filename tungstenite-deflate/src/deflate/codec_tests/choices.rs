//! Choice of the messages to compress, and of the buffer that they go to.

use bytes::BytesMut;

use super::{PLAIN, inflated, line, pair, samples};
use crate::deflate::{Agreed, Codec, Compression, DeflateConfig, Level, Statistics};
use crate::tungstenite::protocol::Role;

#[test]
fn auto_compresses_only_what_gets_smaller() {
    let noise = samples()
        .into_iter()
        .find(|sample| sample.len() == 4_000)
        .unwrap();
    let text = line(1).repeat(10);
    let threshold = 96;
    let (mut server, _) = pair(PLAIN, &DeflateConfig::default());
    let mut out = BytesMut::from("before");
    assert!(
        !server.deflate(&noise, Compression::Auto, &mut out),
        "noise"
    );
    assert!(
        !server.deflate(
            &text.as_bytes()[..threshold - 1],
            Compression::Auto,
            &mut out
        ),
        "below the threshold"
    );
    assert!(
        !server.deflate(text.as_bytes(), Compression::Never, &mut out),
        "not wanted"
    );
    assert_eq!(out, "before");
    assert!(
        server.deflate(&text.as_bytes()[..threshold], Compression::Auto, &mut out),
        "at the threshold"
    );
    let (mut server, _) = pair(PLAIN, &DeflateConfig::default().threshold(0));
    assert!(
        !server.deflate(b"", Compression::Auto, &mut out),
        "nothing is smaller than nothing"
    );
    assert!(server.statistics().sent.ratio().is_none());
    let seen = pair(PLAIN, &DeflateConfig::default()).1.statistics();
    assert_eq!(seen, Statistics::default());
}

/// Bytes already in the buffer are neither counted nor compared.
#[test]
fn messages_are_appended() {
    let text = b"to be or not to be ".repeat(30);
    for level in [1, 6] {
        let config = DeflateConfig::default().level(Level::new(level).unwrap());
        let mut codec = Codec::new(Role::Server, PLAIN, &config);
        let mut out = BytesMut::from(&[7; 600][..]);
        assert!(codec.deflate(&text, Compression::Auto, &mut out));
        let sent = codec.statistics().sent;
        assert_eq!(sent.wire_bytes, out.len() as u64 - 600);
    }
}

/// A message that is repeated refers to the first, unless that was isolated; then the first is as one not sent.
#[test]
fn d17_isolated_messages_are_never_referred_to() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let secret: String = (0..12).map(line).collect();
    for level in [1, 6] {
        let config = DeflateConfig::default().level(Level::new(level).unwrap());
        let sizes = [Compression::Isolated, Compression::Never, Compression::Auto].map(|choice| {
            let (mut server, mut client) = pair(agreed, &config);
            let mut send = |text: &str, choice| {
                let mut wire = BytesMut::new();
                if server.deflate(text.as_bytes(), choice, &mut wire) {
                    assert_eq!(inflated(&mut client, &wire, text.len()).unwrap(), text);
                }
                wire
            };
            send("what was before", Compression::Always);
            let isolated = send(&secret, choice);
            if choice == Compression::Isolated {
                let alone = inflated(&mut pair(PLAIN, &config).1, &isolated, secret.len());
                assert_eq!(alone.unwrap(), secret, "it refers to nothing");
            }
            let again = send(&secret, Compression::Always).len();
            send("what was before", Compression::Auto);
            again
        });
        let [isolated, never, auto] = sizes;
        assert!(auto * 3 < isolated, "level {level}: {sizes:?}");
        assert!(isolated >= never, "level {level}: {sizes:?}");
    }
}
