//! Which messages are compressed, and where they go.

use bytes::BytesMut;

use super::{PLAIN, line, pair, samples};
use crate::deflate::{Codec, Compression, DeflateConfig, Level, Statistics};
use crate::tungstenite::protocol::Role;

#[test]
fn auto_compresses_only_what_gets_smaller() {
    let noise = samples()
        .into_iter()
        .find(|sample| sample.len() == 4_000)
        .unwrap();
    let text = line(1).repeat(10);
    let threshold = DeflateConfig::default().threshold;
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

/// What stands in the buffer already is neither counted nor compared.
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
