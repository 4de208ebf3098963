//! Masking of payloads (RFC 6455 §5.3).

/// The key rotated so that its first byte masks the payload byte at `offset`.
pub(crate) fn rotated(key: [u8; 4], offset: usize) -> [u8; 4] {
    std::array::from_fn(|i| key[(offset + i) & 3])
}

/// Masks or unmasks `payload` in place; its first byte is byte `offset` of the frame's payload.
pub(crate) fn apply(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let wide = wide(rotated(key, offset));
    let rest = apply_blocks::<WIDTH>(payload, &wide);
    let rest = apply_blocks::<16>(rest, &wide);
    let rest = apply_blocks::<8>(rest, &wide);
    for (byte, mask) in rest.iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

/// Masks the whole blocks of `N` bytes at the start of `payload`, and gives back what is left.
fn apply_blocks<'a, const N: usize>(payload: &'a mut [u8], wide: &[u8; WIDTH]) -> &'a mut [u8] {
    let mut blocks = payload.chunks_exact_mut(N);
    for block in &mut blocks {
        for (byte, mask) in block.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    blocks.into_remainder()
}

/// Appends `payload` to `out`, masked or unmasked.
pub(crate) fn copy(payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    if payload.len() < BLOCK {
        let start = out.len();
        out.extend_from_slice(payload);
        apply(&mut out[start..], key, 0);
        return;
    }
    // In one pass; what is shorter is over before the block of keys is made.
    let mut keys = [0; BLOCK];
    for copy in keys.chunks_exact_mut(key.len()) {
        copy.copy_from_slice(&key);
    }
    out.reserve(payload.len());
    for block in payload.chunks(BLOCK) {
        let keys = &keys[..block.len()];
        out.extend(block.iter().zip(keys).map(|(byte, mask)| byte ^ mask));
    }
}

/// The key repeated to the width that compilers turn into vector instructions.
fn wide(key: [u8; 4]) -> [u8; WIDTH] {
    std::array::from_fn(|i| key[i & 3])
}

/// Bytes masked at once where there are so many.
const WIDTH: usize = 32;
/// Bytes that are copied and masked at once.
const BLOCK: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to more than two blocks, at every phase of the key, against the definition of RFC 6455 §5.3.
    #[test]
    fn masking_follows_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..2 * BLOCK + 40 {
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
                    let mut out = Vec::new();
                    copy(&plain, key, &mut out);
                    assert_eq!(out, expected);
                }
            }
        }
    }
}
