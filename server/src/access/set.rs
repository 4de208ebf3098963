//! JSON Web Key Sets (RFC 7517 §5), and single JSON Web Keys.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::key::{self, Curve, Key};
use super::look::base64;

/// The keys of a set that are meant for signatures.
#[derive(Debug)]
pub(super) struct KeySet {
    usable: Vec<Key>,
    /// The faults of the others, each by its name.
    unusable: Vec<String>,
}

/// The members of a key that count here.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// There if the private key is.
    d: Option<Value>,
}

/// Reads a set, or a single key. Keys of unknown kinds and for other purposes are ignored (RFC 7517 §5).
///
/// # Errors
/// It is neither.
pub(super) fn parse(content: &[u8]) -> Result<KeySet, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("it is no JSON Web Key Set: {error}");
    let document: Value = serde_json::from_slice(content).map_err(|error| wrong(&error))?;
    let keys = match (document.get("keys"), document.get("kty")) {
        (Some(Value::Array(keys)), _) => keys.as_slice(),
        (None, Some(_)) => std::slice::from_ref(&document),
        _ => return Err(wrong(&"it has no list `keys`")),
    };
    if keys.len() > MAX_KEYS {
        let count = keys.len();
        return Err(format!(
            "it holds {count} keys, at most {MAX_KEYS} are allowed"
        ));
    }
    let mut set = KeySet {
        usable: Vec::new(),
        unusable: Vec::new(),
    };
    for (index, key) in keys.iter().enumerate() {
        match parse_key(key) {
            Ok(key) => set.usable.extend(key),
            Err(problem) => set
                .unusable
                .push(format!("{} is {problem}", name(index, key))),
        }
    }
    Ok(set)
}

impl KeySet {
    /// All keys.
    ///
    /// # Errors
    /// One of them cannot be used, or there is none.
    pub(super) fn all(self) -> Result<Vec<Key>, String> {
        match self.unusable.first() {
            Some(problem) => Err(problem.clone()),
            None => self.usable().map(|(keys, _)| keys),
        }
    }

    /// The keys that can be used, and what is wrong with the others.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn usable(self) -> Result<(Vec<Key>, Vec<String>), String> {
        if self.usable.is_empty() {
            return Err(match self.unusable.first() {
                Some(problem) => problem.clone(),
                None => "none of its keys is for signatures with RSA, P-256, P-384 or Ed25519"
                    .to_owned(),
            });
        }
        Ok((self.usable, self.unusable))
    }
}

/// A key by its `kid`, or else by its position.
fn name(index: usize, key: &Value) -> String {
    match key.get("kid").and_then(Value::as_str) {
        Some(id) => format!(
            "the key {:?} of the set",
            id.chars().take(64).collect::<String>()
        ),
        None => format!("key {} of the set", index + 1),
    }
}

/// One key; `None` if it is for another purpose or of an unknown kind.
fn parse_key(key: &Value) -> Result<Option<Key>, String> {
    let jwk = Jwk::deserialize(key).map_err(|error| format!("malformed: {error}"))?;
    if !jwk.is_for_signatures() {
        return Ok(None);
    }
    if jwk.d.is_some() {
        return Err("a private key, which only its owner may have".to_owned());
    }
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let algorithm = jwk.algorithm(&RSA_ALGORITHMS)?;
            Key::rsa(
                &number(jwk.n.as_ref(), "n")?,
                &number(jwk.e.as_ref(), "e")?,
                algorithm,
            )?
        }
        ("EC", Some("P-256")) => jwk.elliptic(Curve::P256, Algorithm::ES256, 32)?,
        ("EC", Some("P-384")) => jwk.elliptic(Curve::P384, Algorithm::ES384, 48)?,
        ("OKP", Some("Ed25519")) => {
            jwk.algorithm(&[Algorithm::EdDSA])?;
            Key::edwards(&number(jwk.x.as_ref(), "x")?)?
        }
        ("EC" | "OKP", curve) => {
            let curve = curve.unwrap_or("without a name").escape_debug();
            return Err(format!(
                "on the curve {curve}; P-256, P-384 and Ed25519 are known"
            ));
        }
        ("oct", _) => {
            return Err(
                "a shared secret, which belongs into a file of its own: --rooms-token-secret FILE with `base64:` and the value of `k`"
                    .to_owned(),
            );
        }
        _ => return Ok(None),
    };
    Ok(Some(key.with_id(jwk.kid)))
}

impl Jwk {
    /// Tells if signatures may be checked with it, as far as it says.
    fn is_for_signatures(&self) -> bool {
        let is_agreement = matches!(self.crv.as_deref(), Some("X25519" | "X448"));
        let is_encryption = |alg: &str| {
            alg.starts_with("RSA-OAEP") || alg == "RSA1_5" || alg.starts_with("ECDH-ES")
        };
        let verifies = |operations: &Vec<String>| {
            let wanted = ["verify", "sign"];
            operations
                .iter()
                .any(|name| wanted.contains(&name.as_str()))
        };
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(verifies)
            && !self.alg.as_deref().is_some_and(is_encryption)
            && !is_agreement
    }

    /// The algorithm that it names, which must be among `known`; the first of them if it names none.
    fn algorithm(&self, known: &[Algorithm]) -> Result<Algorithm, String> {
        let Some(name) = &self.alg else {
            return Ok(known[0]);
        };
        let algorithm = key::algorithm(name).filter(|algorithm| known.contains(algorithm));
        algorithm.ok_or_else(|| {
            format!(
                "for the algorithm {}, which its kind cannot be used for",
                name.escape_debug()
            )
        })
    }

    fn elliptic(&self, curve: Curve, algorithm: Algorithm, size: usize) -> Result<Key, String> {
        self.algorithm(&[algorithm])?;
        let mut point = vec![4];
        for (name, value) in [("x", &self.x), ("y", &self.y)] {
            let value = number(value.as_ref(), name)?;
            if value.len() != size {
                let bytes = value.len();
                return Err(format!("malformed: `{name}` has {bytes} bytes, not {size}"));
            }
            point.extend_from_slice(&value);
        }
        Key::elliptic(curve, &point)
    }
}

/// A number in base64url.
fn number(value: Option<&String>, name: &str) -> Result<Vec<u8>, String> {
    let value = value.ok_or_else(|| format!("malformed: it has no `{name}`"))?;
    base64(value).ok_or_else(|| format!("malformed: `{name}` is no base64url"))
}

/// Algorithms that RSA keys may name; without a name RS256.
const RSA_ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Maximum number of keys in a set: a token that names none of them is checked with each.
const MAX_KEYS: usize = 100;
