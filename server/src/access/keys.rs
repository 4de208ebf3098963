//! The keys that tokens are checked with, and the check.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Grant;
use super::claims::{Claims, Conditions};
use super::key::{self, Key};

/// The keys that tokens are checked with.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

/// The reason for refusing a token. The text ends the sentence "the token is not accepted".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its form, or what it says under a good signature.
    Content(String),
    /// No key here is for its algorithm and key id.
    UnknownKey,
    /// A key here is, and the signature is not that key's: a guess, or a forgery.
    Signature,
}

/// The members of a token's header that count here (RFC 7515 §4.1).
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that the receiver must understand; there are none here.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

impl Keys {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the grant of a token at `now`, by these keys or those of `others`.
    ///
    /// # Errors
    /// Nothing, and why. What it says is looked at only under a good signature.
    pub(super) fn verify(
        &self,
        others: &Self,
        token: &str,
        conditions: &Conditions,
        now: SystemTime,
    ) -> Result<Grant, Fault> {
        let content = |text: String| Fault::Content(text);
        if token.len() > MAX_TOKEN_BYTES {
            let bytes = token.len();
            return Err(content(format!(
                "it has {bytes} bytes, at most {MAX_TOKEN_BYTES} are allowed"
            )));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(content(NO_TOKEN.to_owned()));
        };
        let header: Header = decode(header).map_err(|_| content(NO_TOKEN.to_owned()))?;
        if header.crit {
            let text = "its header names critical extensions, and none is known (RFC 7515 §4.1.11)";
            return Err(content(text.to_owned()));
        }
        let message = &token[..token.len() - signature.len() - 1];
        let keys = self.0.iter().chain(&others.0);
        check_signature(keys, &header, message.as_bytes(), signature)?;
        let claims: Claims = decode(payload).map_err(content)?;
        claims.grant(conditions, now).map_err(content)
    }
}

/// Looks for a key that verifies the signature.
fn check_signature<'a>(
    keys: impl Iterator<Item = &'a Key>,
    header: &Header,
    message: &[u8],
    signature: &str,
) -> Result<(), Fault> {
    let algorithm: Algorithm = key::algorithm(&header.alg).ok_or(Fault::UnknownKey)?;
    let mut fault = Fault::UnknownKey;
    for key in keys {
        if !key.fits(algorithm, header.kid.as_deref()) {
            continue;
        }
        if key.verifies(message, signature) {
            return Ok(());
        }
        fault = Fault::Signature;
    }
    Err(fault)
}

impl Fault {
    /// The text for the token's bearer.
    pub(super) fn text(self) -> String {
        match self {
            Self::Content(text) => text,
            Self::UnknownKey => "no key here is for its algorithm and key id".to_owned(),
            Self::Signature => "its signature is wrong".to_owned(),
        }
    }
}

/// A part of a token: base64url of JSON.
fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, String> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| NO_TOKEN)?;
    serde_json::from_slice(&json).map_err(|error| format!("its content cannot be read: {error}"))
}

/// Tells that a member is there, whatever its value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|_| true)
}

const NO_TOKEN: &str = "it is no JSON Web Token";

/// Maximum length of a token, in bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;
