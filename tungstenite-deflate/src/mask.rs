//! Masking of payloads (RFC 6455 §5.3).

use bytes::BytesMut;

/// The key rotated so that its first byte masks the payload byte at `offset`.
pub(crate) fn rotated(key: [u8; 4], offset: usize) -> [u8; 4] {
    std::array::from_fn(|i| key[(offset + i) & 3])
}

/// Masks or unmasks `payload` in place; its first byte is byte `offset` of the frame's payload.
pub(crate) fn apply(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let key = rotated(key, offset);
    let wide = wide(key);
    let mut blocks = payload.chunks_exact_mut(WIDTH);
    for block in &mut blocks {
        for (byte, mask) in block.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    let mut words = blocks.into_remainder().chunks_exact_mut(WORD);
    for word in &mut words {
        for (byte, mask) in word.iter_mut().zip(&wide[..WORD]) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

/// Appends `payload` to `out`, masked.
pub(crate) fn copy(payload: &[u8], key: [u8; 4], out: &mut BytesMut) {
    let start = out.len();
    // Two passes at the speed of memory beat one that appends block by block.
    out.extend_from_slice(payload);
    apply(&mut out[start..], key, 0);
}

/// The key repeated to the width that compilers turn into vector instructions.
fn wide(key: [u8; 4]) -> [u8; WIDTH] {
    std::array::from_fn(|i| key[i & 3])
}

const WIDTH: usize = 32;
/// Bytes masked at once behind the last whole block.
const WORD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to three blocks, at every phase of the key, against the definition of RFC 6455 §5.3.
    #[test]
    fn masking_follows_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..100 {
            for offset in 0..5 {
                let plain: Vec<u8> = (0..length)
                    .map(|i| u8::try_from(i * 7 % 251).unwrap())
                    .collect();
                let expected: Vec<u8> = plain
                    .iter()
                    .enumerate()
                    .map(|(i, b)| b ^ key[(i + offset) % 4])
                    .collect();
                let mut masked = plain.clone();
                apply(&mut masked, key, offset);
                assert_eq!(masked, expected);
                if offset == 0 {
                    let mut out = BytesMut::new();
                    copy(&plain, key, &mut out);
                    assert_eq!(out, expected);
                }
            }
        }
    }
}
