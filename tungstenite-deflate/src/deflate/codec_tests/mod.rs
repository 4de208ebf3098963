//! Tests of [`Codec`](super::codec::Codec) as the engine uses it.

mod choices;
mod contexts;
mod invalid;
mod limits;
mod memory;
mod round_trip;
mod windows;

use bytes::BytesMut;

use super::{Agreed, Codec, Compression, DeflateConfig, InflateError};
use crate::tungstenite::protocol::Role;

/// Parameters without context takeover and with the largest windows.
const PLAIN: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

/// RFC 7692 §7.2.3, in the order given there: messages that follow one another on a connection with context takeover.
const VECTORS: &[(&str, &[&[u8]])] = &[
    (
        "§7.2.3.1 one block",
        &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]],
    ),
    (
        "§7.2.3.2 sharing the window",
        &[
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ],
    ),
    (
        "§7.2.3.3 no compression",
        &[&[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ]],
    ),
    (
        "§7.2.3.4 BFINAL",
        &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
    ),
    (
        "§7.2.3.5 two blocks",
        &[&[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ]],
    ),
];

/// A receiving client whose peer may or may not keep its context.
fn receiver(keeps: bool) -> Codec {
    let agreed = Agreed {
        server_no_context_takeover: !keeps,
        ..PLAIN
    };
    Codec::new(Role::Client, agreed, &DeflateConfig::default())
}

impl Codec {
    /// Inflates the whole payload of one frame.
    pub(super) fn inflate(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<(), InflateError> {
        let mut at = 0;
        while let Some(taken) = self.inflate_step(&payload[at..], fin, limit, out)? {
            at += taken;
        }
        Ok(())
    }
}

/// The message that `pieces` make, one frame each.
fn inflate_pieces<'a>(
    codec: &mut Codec,
    pieces: impl Iterator<Item = &'a [u8]>,
    limit: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = BytesMut::new();
    for piece in pieces {
        codec.inflate(piece, false, limit, &mut out)?;
    }
    codec.inflate(&[], true, limit, &mut out)?;
    Ok(out.to_vec())
}

/// Messages of many lengths, half of them compressible.
fn samples() -> Vec<Vec<u8>> {
    let mut seed = 0x1234_5678_9abc_def0_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let lengths = [
        1, 2, 125, 126, 300, 4_000, 16_383, 16_384, 16_385, 65_535, 100_000,
    ];
    lengths
        .iter()
        .flat_map(|&length| {
            let noise: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[3]).collect();
            let text: Vec<u8> = (0..length)
                .map(|_| b"{\"value\": 1, }"[usize::try_from(random() % 14).unwrap()])
                .collect();
            [noise, text]
        })
        .collect()
}

/// A codec of each side for the same parameters.
fn pair(agreed: Agreed, config: &DeflateConfig) -> (Codec, Codec) {
    (
        Codec::new(Role::Server, agreed, config),
        Codec::new(Role::Client, agreed, config),
    )
}

/// Returns a message as `codec` compresses it, whatever its size.
fn deflated(codec: &mut Codec, message: &[u8]) -> BytesMut {
    let mut wire = BytesMut::new();
    assert!(codec.deflate(message, Compression::Always, &mut wire));
    wire
}

/// Returns a compressed message in one frame as `codec` inflates it.
fn inflated(codec: &mut Codec, wire: &[u8], limit: usize) -> Result<BytesMut, InflateError> {
    let mut out = BytesMut::new();
    codec.inflate(wire, true, limit, &mut out).map(|()| out)
}

/// A message of JSON in which `number` makes a difference.
fn line(number: usize) -> String {
    format!(
        "{{\"event\": \"position\", \"drone\": {}, \"altitude\": {}, \"state\": \"hovering\"}}",
        number % 7,
        number * 31 % 1_009
    )
}
