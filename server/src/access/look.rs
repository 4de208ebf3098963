//! Recognising content that is no shared secret: keys, certificates, key sets and documents, as text or binary.
//!
//! Published bytes must never become a secret: whoever reads the file could sign tokens with it (RFC 8725 §3.2 names
//! this confusion for public keys). So a secret is taken only if it looks like none of these, also with byte order
//! marks, white space and zeros around it, in UTF-16, in base64 or hexadecimal.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// The kind of content that a file looks like, in words that end the sentence "it looks like".
///
/// Gives `None` for content without a known form, which a good secret is.
pub(super) fn look(content: &[u8]) -> Option<&'static str> {
    look_within(content, MAX_LAYERS)
}

/// Looks at `content` and, for so many layers of encoding, at what it decodes to.
fn look_within(content: &[u8], layers: u32) -> Option<&'static str> {
    let look = plain(content);
    if look.is_some() || layers == 0 {
        return look;
    }
    let text = compact(content)?;
    [base64(&text), hexadecimal(&text)]
        .into_iter()
        .flatten()
        .find_map(|decoded| look_within(&decoded, layers - 1))
}

/// Decodes base64 of either alphabet, with or without padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, URL_SAFE].iter().find_map(|alphabet: &Alphabet| {
        let config = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(alphabet, config).decode(text).ok()
    })
}

/// Removes byte order marks, white space and zeros around a text; UTF-16 becomes UTF-8.
pub(super) fn text(content: &[u8]) -> String {
    let utf16 = utf16(content).or_else(|| utf16(unpadded(content)));
    let text = utf16.unwrap_or_else(|| String::from_utf8_lossy(content).into_owned());
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}' | '\u{200b}');
    text.trim_matches(is_blank).to_owned()
}

/// Removes byte order marks, ASCII white space and zeros in front of content.
fn unpadded(mut content: &[u8]) -> &[u8] {
    loop {
        content = match content {
            [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            [first, rest @ ..] if *first == 0 || first.is_ascii_whitespace() => rest,
            _ => return content,
        };
    }
}

/// Tells if `content` is nothing but what [`unpadded`] removes.
fn is_padding(content: &[u8]) -> bool {
    unpadded(content).is_empty()
}

/// Looks at content that is not encoded once more.
fn plain(content: &[u8]) -> Option<&'static str> {
    let text = text(content);
    if text.is_empty() {
        return Some("an empty file");
    }
    armoured(&text)
        .or_else(|| document(&text))
        .or_else(|| binary(content))
}

/// Keys and certificates as text.
fn armoured(text: &str) -> Option<&'static str> {
    const MARKS: [(&str, &str); 16] = [
        ("PRIVATE KEY-----", "a private key in PEM"),
        ("PUBLIC KEY-----", "a public key in PEM"),
        ("CERTIFICATE-----", "a certificate in PEM"),
        ("-----BEGIN", "PEM"),
        ("-----END", "PEM without its beginning"),
        ("---- BEGIN", "a public key of SSH2"),
        ("ssh-rsa ", "a public key of OpenSSH"),
        ("ssh-ed25519 ", "a public key of OpenSSH"),
        ("ecdsa-sha2-", "a public key of OpenSSH"),
        ("AAAAB3NzaC1", "a public key of OpenSSH"),
        ("AAAAC3NzaC1", "a public key of OpenSSH"),
        ("AAAAE2VjZHNh", "a public key of OpenSSH"),
        ("PuTTY-User-Key-File", "a private key of PuTTY"),
        ("AGE-SECRET-KEY-", "a private key of age"),
        ("untrusted comment:", "a key of minisign"),
        ("EncryptedPrivateKey", "a private key"),
    ];
    let found = MARKS.iter().find(|(mark, _)| text.contains(mark));
    found.map(|(_, look)| *look)
}

/// Documents that servers and proxies answer with.
fn document(text: &str) -> Option<&'static str> {
    let mut characters = text.chars();
    match (characters.next()?, characters.next()) {
        ('<', Some('!' | '?' | 'a'..='z' | 'A'..='Z')) => {
            return Some("an HTML or XML document");
        }
        ('{' | '[', _) => {}
        _ if text.starts_with("eyJ") && text.contains('.') => return Some("a token"),
        _ if text.starts_with("HTTP/1.") => return Some("an HTTP response"),
        _ => return None,
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) if members.contains_key("keys") => Some("a JSON Web Key Set"),
        Ok(Value::Object(members)) if members.contains_key("kty") => Some("a JSON Web Key"),
        Ok(_) => Some("a JSON document"),
        // Cut off, or with something after it.
        Err(_) => {
            let inside = text.trim_start_matches(['{', '[', ' ', '\t', '\r', '\n']);
            inside.starts_with('"').then_some("a damaged JSON document")
        }
    }
}

/// Keys and certificates as binary, with or without padding on either side.
///
/// All of it is judged without the padding in front, which none of these begin with but for the zeros of lengths.
/// Behind it, padding and the last bytes of a key cannot be told apart, so each form counts up to its own length.
fn binary(content: &[u8]) -> Option<&'static str> {
    // Blobs of OpenSSH begin with 32 bits of length; the three zeros in front of it count as padding.
    const MARKS: [(&[u8], &str); 9] = [
        (b"openssh-key-v1\0", "a private key of OpenSSH"),
        (b"\x07ssh-rsa", "a public key of OpenSSH"),
        (b"\x0bssh-ed25519", "a public key of OpenSSH"),
        (b"\x13ecdsa-sha2-", "a public key of OpenSSH"),
        (b"\xfe\xed\xfe\xed", "a key store of Java"),
        (b"\x1f\x8b\x08", "a file compressed with gzip"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\xfd7zXZ\0", "a file compressed with xz"),
        (b"\x28\xb5\x2f\xfd", "a file compressed with zstd"),
    ];
    let content = unpadded(content);
    if is_der(content) {
        return Some("a key or certificate in DER");
    }
    if is_point(content) {
        return Some("a public key (a point on a curve)");
    }
    let found = MARKS.iter().find(|(mark, _)| content.starts_with(mark));
    found.map(|(_, look)| *look)
}

/// Tells if `content` is an ASN.1 SEQUENCE, as keys and certificates are, that fills it or is followed by padding, or
/// one that is cut off.
fn is_der(content: &[u8]) -> bool {
    let is_text = |&byte: &u8| byte.is_ascii_graphic() || is_padding(&[byte]);
    if content.iter().all(is_text) {
        return false;
    }
    let [0x30, length, rest @ ..] = content else {
        return false;
    };
    let long = |bytes: usize| {
        let (length, body) = rest.split_at_checked(bytes)?;
        let length = length
            .iter()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        Some(body.get(length..).is_none_or(is_padding))
    };
    match length {
        0x00..=0x7f => rest.get(usize::from(*length)..).is_some_and(is_padding),
        0x81 => long(1) == Some(true),
        0x82 => long(2) == Some(true),
        _ => false,
    }
}

/// Tells if `content` is an uncompressed point on one of NIST's curves, with or without padding behind it.
fn is_point(content: &[u8]) -> bool {
    let curves: [(usize, &'static dyn VerificationAlgorithm); 3] = [
        (65, &ECDSA_P256_SHA256_FIXED),
        (97, &ECDSA_P384_SHA384_FIXED),
        (133, &ECDSA_P521_SHA512_FIXED),
    ];
    content.first() == Some(&4)
        && curves.into_iter().any(|(bytes, curve)| {
            let parts = content.split_at_checked(bytes);
            parts.is_some_and(|(point, rest)| {
                is_padding(rest) && ParsedPublicKey::new(curve, point).is_ok()
            })
        })
}

/// A text without white space, if there is one.
fn compact(content: &[u8]) -> Option<String> {
    let text = text(content);
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.is_ascii().then_some(text)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text
        .chars()
        .filter(|&c| c != ':')
        .map(|c| c.to_digit(16))
        .collect();
    let digits = digits?;
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).ok();
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(byte).collect())?
}

/// The text of UTF-16, with a byte order mark or betrayed by the zeros in its beginning.
fn utf16(content: &[u8]) -> Option<String> {
    let order: fn([u8; 2]) -> u16 = match content {
        [0xff, 0xfe, ..] | [1..=0xff, 0, 1..=0xff, 0, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] | [0, 1..=0xff, 0, 1..=0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let pairs = content.chunks_exact(2);
    let units: Vec<u16> = pairs.map(|pair| order([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

/// Maximum number of layers of base64 or hexadecimal that are removed.
const MAX_LAYERS: u32 = 3;
