//! The limit on inflated messages, to the byte.

use bytes::BytesMut;

use super::{PLAIN, deflated, inflated, pair, receiver, samples};
use crate::deflate::{Agreed, Codec, DeflateConfig, InflateError, Level};
use crate::tungstenite::protocol::Role;

/// A message of zeros that is 1,000 times as long as its compressed form.
fn bomb(length: usize) -> BytesMut {
    deflated(
        &mut Codec::new(
            Role::Server,
            PLAIN,
            &DeflateConfig::default().level(Level::new(9).unwrap()),
        ),
        &vec![0; length],
    )
}

#[test]
fn d8_inflation_stops_at_the_limit() {
    let bomb = bomb(16 << 20);
    assert!(bomb.len() < 17_000, "{}", bomb.len());
    for keeps in [true, false] {
        for frames in [1, 2, 1_000] {
            let mut codec = receiver(keeps);
            let mut out = BytesMut::new();
            let size = bomb.len().div_ceil(frames);
            let result = bomb
                .chunks(size)
                .try_for_each(|frame| codec.inflate(frame, false, 1_000_000, &mut out));
            let result = result.and_then(|()| codec.inflate(&[], true, 1_000_000, &mut out));
            assert_eq!(
                result,
                Err(InflateError::TooLong { limit: 1_000_000 }),
                "{frames} frames"
            );
            assert!(
                out.len() <= 1_000_000,
                "{} bytes in {frames} frames",
                out.len()
            );
            assert!(
                out.capacity() <= 2_100_000,
                "{} bytes of room in {frames} frames",
                out.capacity()
            );
        }
    }
}

#[test]
fn d8_earlier_messages_do_not_count_for_the_limit() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    for _ in 0..10 {
        let wire = deflated(&mut server, &[0; 1_000]);
        assert_eq!(inflated(&mut client, &wire, 1_000).unwrap().len(), 1_000);
    }
    let wire = deflated(&mut server, &[0; 1_001]);
    assert_eq!(
        inflated(&mut client, &wire, 1_000),
        Err(InflateError::TooLong { limit: 1_000 })
    );
}

#[test]
fn d9_limit_is_exact() {
    for length in [0, 1, 100, 16_383, 16_384, 16_385, 32_768, 100_000_usize] {
        for message in [vec![7; length], samples().concat()[..length].to_vec()] {
            let wire = deflated(&mut pair(PLAIN, &DeflateConfig::default()).0, &message);
            for limit in [length, length + 1, usize::MAX] {
                assert!(
                    inflated(&mut receiver(false), &wire, limit).unwrap() == message,
                    "{length} bytes, limit {limit}"
                );
            }
            for limit in [length.saturating_sub(1), length / 2, 0]
                .into_iter()
                .filter(|&limit| limit < length)
            {
                let result = inflated(&mut receiver(false), &wire, limit);
                assert_eq!(
                    result,
                    Err(InflateError::TooLong { limit }),
                    "{length} bytes"
                );
            }
        }
    }
}
