//! Tokens for rooms, good and bad.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

/// Stands in the flags of a row where the file with the secret is named.
pub(crate) const PLACEHOLDER: &str = "{secret}";
/// Stands there where the file with a public key is named.
const PUBLIC_PLACEHOLDER: &str = "{public}";

/// Writes the secret and the public key into `directory`, for its owner alone.
pub(crate) fn write_keys(directory: &Path) -> Result<()> {
    for (name, content) in FILES {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.join(name))?;
        file.write_all(content)?;
    }
    Ok(())
}

/// A flag with the files in `directory` for their placeholders.
pub(crate) fn in_place(flag: &str, directory: &Path) -> String {
    match FILES.iter().find(|(name, _)| flag == *name) {
        Some((name, _)) => directory.join(name).display().to_string(),
        None => flag.to_owned(),
    }
}

/// A token for `name` in all rooms.
pub(crate) fn good(name: &str) -> Result<String> {
    signed(name, SECRET)
}

/// The same with a wrong signature.
pub(crate) fn forged(name: &str) -> Result<String> {
    signed(name, b"a guess that is as long as the secret is")
}

/// A token of ES384, the algorithm that takes longest to check, with a signature that is none.
pub(crate) fn forged_slowly(name: &str) -> Result<String> {
    // Both numbers of it are in range, so that the curve has to be computed.
    let signature = URL_SAFE_NO_PAD.encode([0x11; 96]);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES384"}"#);
    let token = forged(name)?;
    let claims = token.split('.').nth(1).context("a token has claims")?;
    Ok(format!("{header}.{claims}.{signature}"))
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
/// A key for ES384, whose private half nobody has.
const PUBLIC_KEY: &[u8] = b"\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEDLwsfdk/S0VdPD80kF6ve06Z+IGlhLJW
vvj0+jtVke5Po4eUWPNH5oeO1a3T8LDkRZ+fXIxJ1wpJEq2Fbbh41dFlOBiBu+22
VrJrNxP5KOpenpXbT1TngyxFC7T5N8Sl
-----END PUBLIC KEY-----
";
/// Every placeholder, and the content of its file.
const FILES: [(&str, &[u8]); 2] = [(PLACEHOLDER, SECRET), (PUBLIC_PLACEHOLDER, PUBLIC_KEY)];
