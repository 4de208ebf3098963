//! The file of `--rooms-token-secret`: a shared secret, and nothing else.

use super::key::Key;
use super::look::{self, look};

/// Reads a shared secret: its bytes without white space around them, or `base64:` and its base64.
///
/// # Errors
/// A file that is no secret, by what it looks like, or a secret that is too short.
pub(super) fn parse(content: &[u8]) -> Result<Key, String> {
    refuse_others(content)?;
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let content = content.trim_ascii();
    let Some(encoded) = content.strip_prefix(b"base64:") else {
        return Key::secret(content);
    };
    let encoded: String = look::text(encoded).split_whitespace().collect();
    let secret = look::base64(&encoded).ok_or("what follows `base64:` is no base64")?;
    refuse_others(&secret)?;
    Key::secret(&secret)
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
