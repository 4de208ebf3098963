//! Lifetime of a context: from message to message, or one message only.

use bytes::BytesMut;

use super::{PLAIN, VECTORS, deflated, inflate_pieces, inflated, line, pair, receiver, samples};
use crate::deflate::{Agreed, Codec, Compression, DeflateConfig, InflateError, Level};

#[test]
fn d5_contexts_are_reset_exactly_if_agreed() {
    for (server_forgets, client_forgets, level) in [
        (false, false, 1),
        (false, false, 2),
        (false, true, 1),
        (true, false, 2),
        (true, true, 1),
        (true, true, 2),
    ] {
        let agreed = Agreed {
            server_no_context_takeover: server_forgets,
            client_no_context_takeover: client_forgets,
            ..PLAIN
        };
        let config = DeflateConfig::default().level(Level::new(level).unwrap());
        let (mut server, mut client) = pair(agreed, &config);
        let (mut from_server, mut from_client) = (0, 0);
        for number in 0..1_000 {
            let message = line(number);
            let wire = deflated(&mut server, message.as_bytes());
            from_server += wire.len();
            assert_eq!(inflated(&mut client, &wire, 1_000).unwrap(), message);
            // A message that needs no context can be read by a decompressor that has none.
            let alone = inflated(&mut receiver(false), &wire, 1_000);
            assert_eq!(
                alone.is_ok_and(|alone| alone == message),
                server_forgets || number == 0,
                "message {number}"
            );
            let wire = deflated(&mut client, message.as_bytes());
            from_client += wire.len();
            assert_eq!(inflated(&mut server, &wire, 1_000).unwrap(), message);
        }
        assert_eq!(
            from_server > 30_000,
            server_forgets,
            "{from_server} bytes from the server"
        );
        assert_eq!(
            from_client > 30_000,
            client_forgets,
            "{from_client} bytes from the client"
        );
    }
}

#[test]
fn d12_final_blocks_reset_the_context() {
    let hello_final = VECTORS[3].1[0];
    let good: &[(&str, &[u8], &str)] = &[
        ("RFC 7692 §7.2.3.4", hello_final, "Hello"),
        ("without the 0x00 behind it", &hello_final[..7], "Hello"),
        (
            "two final blocks",
            &[&hello_final[..7], &hello_final[..7]].concat(),
            "HelloHello",
        ),
        (
            "final, then a block that is not",
            &[&hello_final[..7], VECTORS[0].1[0]].concat(),
            "HelloHello",
        ),
        (
            "final stored block",
            &[
                0x01, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
            "Hello",
        ),
        ("final empty block made of the tail", &[0x01], ""),
    ];
    for (name, wire, text) in good {
        for keeps in [true, false] {
            let mut codec = receiver(keeps);
            for _ in 0..3 {
                assert_eq!(inflated(&mut codec, wire, 10).expect(name), text, "{name}");
                assert_eq!(
                    inflate_pieces(&mut codec, wire.chunks(1), 10).expect(name),
                    text.as_bytes(),
                    "{name}, byte by byte"
                );
                assert_eq!(
                    inflated(&mut codec, VECTORS[0].1[0], 10).expect(name),
                    "Hello",
                    "after {name}"
                );
            }
        }
    }
    let bad: &[(&str, &[u8])] = &[
        (
            "block type 3 behind it",
            &[&hello_final[..7], &[0x07, 0x00]].concat(),
        ),
        (
            "text behind it",
            &[&hello_final[..7], b"text that is no block"].concat(),
        ),
        (
            "a match into the time before it",
            &[&hello_final[..7], VECTORS[1].1[1]].concat(),
        ),
        ("two zeros behind it", &[hello_final, &[0]].concat()),
    ];
    for (name, wire) in bad {
        let result = inflated(&mut receiver(true), wire, 100);
        assert!(
            matches!(result, Err(InflateError::Invalid(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn d14_uncompressed_message_leaves_the_context_alone() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    let mut sizes = Vec::new();
    for number in 0..4 {
        let wire = deflated(&mut server, line(1).as_bytes());
        assert_eq!(inflated(&mut client, &wire, 100).unwrap(), line(1));
        sizes.push(wire.len());
        assert!(!server.deflate(
            line(number).repeat(9).as_bytes(),
            Compression::Never,
            &mut BytesMut::new()
        ));
        assert!(!server.deflate(b"short", Compression::Auto, &mut BytesMut::new()));
    }
    assert!(sizes[3] < sizes[0] / 4, "{sizes:?}");
    assert_eq!(server.statistics().sent_uncompressed, 8);
}

#[test]
fn auto_keeps_the_context_over_messages_that_grow() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    let mut last = None;
    for message in samples().into_iter().chain([
        line(1).repeat(9).into_bytes(),
        line(1).repeat(9).into_bytes(),
    ]) {
        let mut wire = BytesMut::new();
        let compressed = server.deflate(&message, Compression::Auto, &mut wire);
        assert!(!compressed || message.len() >= 16);
        last = compressed.then_some(wire.len());
        if compressed {
            assert!(
                wire.len() <= message.len() + 6 + message.len() / 300,
                "{} of {}",
                wire.len(),
                message.len()
            );
            assert!(inflated(&mut client, &wire, message.len()).unwrap() == message);
        }
    }
    assert!(last.is_some_and(|bytes| bytes < 60), "{last:?}");
}

#[test]
fn codec_moves_between_threads() {
    fn is_send<T: Send + Sync + 'static>() {}
    is_send::<Codec>();
}
