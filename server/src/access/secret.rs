//! The file of `--rooms-token-secret`: a shared secret, and nothing else.

use super::key::Key;
use super::look::{self, look};

/// Reads a shared secret: its bytes without white space around them, or `base64:` and its base64.
///
/// # Errors
/// A file that is no secret, by what it looks like, a text of several lines, or a secret that is too short.
pub(super) fn parse(content: &[u8]) -> Result<Key, String> {
    refuse_others(content)?;
    let text = look::text(content);
    if let Some(encoded) = text.strip_prefix("base64:") {
        let encoded: String = encoded.split_whitespace().collect();
        let secret = look::base64(&encoded).ok_or("what follows `base64:` is no base64")?;
        return judged(&secret);
    }
    if std::str::from_utf8(content).is_ok() && text.contains(['\n', '\r']) {
        return Err("it is a text of several lines, as documents are and secrets are not; a secret that has them is written as `base64:` and its base64".to_owned());
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    judged(content.trim_ascii())
}

/// The key of a secret, after a look at the very bytes that tokens would be checked with.
fn judged(secret: &[u8]) -> Result<Key, String> {
    refuse_others(secret)?;
    Key::secret(secret)
}

/// Refuses what is no secret.
fn refuse_others(content: &[u8]) -> Result<(), String> {
    match look(content) {
        None => Ok(()),
        Some(look) => Err(format!(
            "it looks like {look}, and what is published would then sign tokens; --rooms-token-key takes public keys"
        )),
    }
}
