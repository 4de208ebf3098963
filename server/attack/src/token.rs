//! Tokens for rooms, good and bad.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

/// Stands in the flags of a row where the file with the secret is named.
pub(crate) const PLACEHOLDER: &str = "{secret}";

/// Writes the secret to `file`, for its owner alone.
pub(crate) fn write_secret(file: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    Ok(file.write_all(SECRET)?)
}

/// A token for `name` in all rooms.
pub(crate) fn good(name: &str) -> Result<String> {
    signed(name, SECRET)
}

/// The same with a wrong signature.
pub(crate) fn forged(name: &str) -> Result<String> {
    signed(name, b"a guess that is as long as the secret is")
}

fn signed(name: &str, secret: &[u8]) -> Result<String> {
    let end = SystemTime::now() + Duration::from_secs(3600);
    let claims = json!({
        "sub": name,
        "aud": "rooms",
        "exp": end.duration_since(SystemTime::UNIX_EPOCH)?.as_secs(),
        "rooms": ["*"],
        "rights": ["join", "publish", "history"],
    });
    let key = EncodingKey::from_secret(secret);
    encode(&Header::default(), &claims, &key).context("the token cannot be signed")
}

/// Of the servers in this suite alone.
const SECRET: &[u8] = b"forty bytes that nobody but us can guess";
