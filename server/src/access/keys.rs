//! The keys that tokens are checked with, each with the one algorithm that it is for.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::Grant;
use super::claims::Claims;

/// The keys that tokens are checked with.
///
/// What algorithm a key is for is a property of the key (RFC 8725 §3.1): a token that names another is refused before
/// anything is computed, so a public key can never be taken for a secret.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    leeway: Duration,
}

#[derive(Debug)]
struct Key {
    /// The name that tokens may call it by.
    id: Option<String>,
    verifying: DecodingKey,
    validation: Validation,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key for tokens in {}: {problem}", path.display())]
pub struct KeyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Keys {
    /// Reads `path`: a public key (PEM), a set of keys (JWKS, RFC 7517 §5), or else a secret as it stands there.
    pub(super) fn load(path: &Path, audience: &str, leeway: Duration) -> Result<Self, KeyError> {
        let wrong = |problem: String| KeyError {
            path: path.to_owned(),
            problem,
        };
        let (content, is_exposed) = read(path).map_err(|error| wrong(error.to_string()))?;
        let found = parse(&content).map_err(wrong)?;
        let has_secret = |(_, algorithm, _): &(_, Algorithm, _)| *algorithm == Algorithm::HS256;
        if is_exposed && found.iter().any(has_secret) {
            return Err(wrong(
                "it holds a secret and others may read it; at most mode 0600 is allowed".to_owned(),
            ));
        }
        Ok(Self::new(found, audience, leeway))
    }

    /// The keys that `content` of a file holds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(content: &[u8], audience: &str, leeway: Duration) -> Result<Self, String> {
        Ok(Self::new(parse(content)?, audience, leeway))
    }

    fn new(found: Vec<Found>, audience: &str, leeway: Duration) -> Self {
        let keys = found.into_iter().map(|(id, algorithm, key)| Key {
            id,
            verifying: key,
            validation: validation(algorithm, audience, leeway),
        });
        Self {
            keys: keys.collect(),
            leeway,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What a token allows, or why it is not accepted.
    pub(super) fn verify(&self, token: &str) -> Result<Grant, String> {
        if token.len() > MAX_TOKEN_BYTES {
            let bytes = token.len();
            return Err(format!(
                "it has {bytes} bytes, at most {MAX_TOKEN_BYTES} are allowed"
            ));
        }
        let header = decode_header(token).map_err(|error| explain(error.kind()))?;
        let mut refusal = "no key here is for its algorithm and key id".to_owned();
        for key in self.keys.iter().filter(|key| key.fits(&header)) {
            match decode::<Claims>(token, &key.verifying, &key.validation) {
                Ok(token) => return token.claims.grant(self.leeway),
                Err(error) => refusal = explain(error.kind()),
            }
        }
        Err(refusal)
    }
}

impl Key {
    /// Whether a token with this header may be checked with this key.
    fn fits(&self, header: &jsonwebtoken::Header) -> bool {
        let is_meant = match (&header.kid, &self.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        is_meant && self.validation.algorithms.contains(&header.alg)
    }
}

/// What a token must fulfil beside its signature.
fn validation(algorithm: Algorithm, audience: &str, leeway: Duration) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = leeway.as_secs();
    validation
}

/// The content of a file, and whether others than its owner may read it.
fn read(path: &Path) -> std::io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let is_exposed = is_exposed(&file)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut content)?;
    Ok((content, is_exposed))
}

#[cfg(unix)]
fn is_exposed(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "permission bits exist on Unix only"
)]
fn is_exposed(_: &File) -> std::io::Result<bool> {
    Ok(false)
}

type Found = (Option<String>, Algorithm, DecodingKey);

/// What a file holds.
fn parse(content: &[u8]) -> Result<Vec<Found>, String> {
    let trimmed = content.trim_ascii();
    if trimmed.starts_with(b"{") {
        return parse_set(trimmed);
    }
    if trimmed.starts_with(b"-----BEGIN") {
        return Ok(vec![parse_pem(trimmed)?]);
    }
    if trimmed.len() < MIN_SECRET_BYTES {
        let bytes = trimmed.len();
        return Err(format!(
            "a secret of {bytes} bytes, HS256 needs at least {MIN_SECRET_BYTES} (RFC 7518 §3.2)"
        ));
    }
    Ok(vec![(
        None,
        Algorithm::HS256,
        DecodingKey::from_secret(trimmed),
    )])
}

/// A public key for RS256 or ES256.
fn parse_pem(content: &[u8]) -> Result<Found, String> {
    if content.windows(11).any(|window| window == b"PRIVATE KEY") {
        return Err("it is a private key; the public one is needed here".to_owned());
    }
    if let Ok(key) = DecodingKey::from_ec_pem(content) {
        return Ok((None, Algorithm::ES256, key));
    }
    let key = DecodingKey::from_rsa_pem(content);
    let key = key.map_err(|_| "it is neither an RSA nor a P-256 public key in PEM".to_owned())?;
    Ok((None, Algorithm::RS256, key))
}

/// The keys of a set that are of a kind known here and meant for signatures; others are left alone (RFC 7517 §5).
fn parse_set(content: &[u8]) -> Result<Vec<Found>, String> {
    let set: JwkSet = serde_json::from_slice(content)
        .map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
    let mut found = Vec::new();
    for jwk in &set.keys {
        let is_for_signing = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
        let Some(algorithm) = algorithm(jwk).filter(|_| is_for_signing) else {
            continue;
        };
        let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("a key of it: {error}"))?;
        if let AlgorithmParameters::OctetKey(parameters) = &jwk.algorithm {
            // Base64 takes four characters for three bytes.
            if parameters.value.len() * 3 / 4 < MIN_SECRET_BYTES {
                return Err(format!(
                    "a secret of it has fewer than {MIN_SECRET_BYTES} bytes"
                ));
            }
        }
        found.push((jwk.common.key_id.clone(), algorithm, key));
    }
    if found.is_empty() {
        return Err("none of its keys is for HS256, RS256 or ES256".to_owned());
    }
    Ok(found)
}

/// The one algorithm that a key of a set is for, if it is known here.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, "RS256"),
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, "HS256"),
        AlgorithmParameters::EllipticCurve(parameters)
            if parameters.curve == EllipticCurve::P256 =>
        {
            (Algorithm::ES256, "ES256")
        }
        _ => return None,
    };
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    named.is_none_or(|named| named == name).then_some(algorithm)
}

/// Why a token is not accepted, without telling more than its bearer may know.
fn explain(error: &ErrorKind) -> String {
    match error {
        ErrorKind::ExpiredSignature => "it has expired".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet".to_owned(),
        ErrorKind::InvalidAudience => "it is meant for another audience".to_owned(),
        ErrorKind::InvalidSignature => "its signature is wrong".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no claim {claim}"),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "no key here is for its algorithm".to_owned()
        }
        _ => "it is no JSON Web Token with the claims sub, rooms and rights".to_owned(),
    }
}

/// Longest token.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// Longest file of keys that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Shortest secret: as long as the hash (RFC 7518 §3.2).
const MIN_SECRET_BYTES: usize = 32;
