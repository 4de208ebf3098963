//! One key that tokens are checked with, and the one algorithm that it is for.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    VerificationAlgorithm,
};
use jsonwebtoken::{Algorithm, DecodingKey};

/// A key and the one algorithm that it is for (RFC 8725 §3.1): a token that names another is refused before anything
/// is computed, so a public key can never be taken for a secret.
#[derive(Debug)]
pub(super) struct Key {
    /// The name that tokens may call it by.
    pub(super) id: Option<String>,
    algorithm: Algorithm,
    verifying: DecodingKey,
}

impl Key {
    /// A shared secret, for HS256.
    ///
    /// # Errors
    /// It is shorter than the hash (RFC 7518 §3.2).
    pub(super) fn secret(secret: &[u8]) -> Result<Self, String> {
        let bytes = secret.len();
        if bytes < MIN_SECRET_BYTES {
            return Err(format!(
                "a secret of {bytes} bytes; HS256 needs at least {MIN_SECRET_BYTES} (RFC 7518 §3.2), as `openssl rand -base64 32` makes them"
            ));
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            verifying: DecodingKey::from_secret(secret),
        })
    }

    /// An RSA public key from its modulus and exponent, big-endian.
    ///
    /// # Errors
    /// The modulus has fewer than 2,048 bits (RFC 7518 §3.3) or more than 8,192, or the numbers are no RSA key.
    pub(super) fn rsa(
        modulus: &[u8],
        exponent: &[u8],
        algorithm: Algorithm,
    ) -> Result<Self, String> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let bits = bits(modulus);
        if !RSA_BITS.contains(&bits) {
            return Err(format!(
                "an RSA key of {bits} bits; from {} to {} are accepted",
                RSA_BITS.start(),
                RSA_BITS.end()
            ));
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
            return Err("an RSA key with an impossible modulus or exponent".to_owned());
        }
        Ok(Self {
            id: None,
            algorithm,
            verifying: DecodingKey::from_rsa_raw_components(modulus, exponent),
        })
    }

    /// A point on P-256 or P-384, uncompressed: 4, x, y.
    ///
    /// # Errors
    /// It lies on neither curve.
    pub(super) fn elliptic(curve: Curve, point: &[u8]) -> Result<Self, String> {
        let (algorithm, verifier): (_, &'static dyn VerificationAlgorithm) = match curve {
            Curve::P256 => (Algorithm::ES256, &ECDSA_P256_SHA256_FIXED),
            Curve::P384 => (Algorithm::ES384, &ECDSA_P384_SHA384_FIXED),
        };
        let is_uncompressed = point.first() == Some(&4);
        if !is_uncompressed || ParsedPublicKey::new(verifier, point).is_err() {
            return Err(format!(
                "a point that does not lie on the curve {}, or is not written in full",
                curve.name()
            ));
        }
        Ok(Self {
            id: None,
            algorithm,
            verifying: DecodingKey::from_ec_der(point),
        })
    }

    /// An Ed25519 public key of 32 bytes.
    ///
    /// # Errors
    /// It has another length, or is no point.
    pub(super) fn edwards(point: &[u8]) -> Result<Self, String> {
        let is_one = point.len() == 32 && ParsedPublicKey::new(&ED25519, point).is_ok();
        if !is_one || point.iter().all(|&byte| byte == 0) {
            return Err("something that is no Ed25519 public key".to_owned());
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::EdDSA,
            verifying: DecodingKey::from_ed_der(point),
        })
    }

    /// The same key under a name.
    pub(super) fn with_id(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    /// Tells if a token with this algorithm and key id may be checked with this key.
    pub(super) fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let is_meant = match (id, self.id.as_deref()) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        is_meant && self.algorithm == algorithm
    }

    /// Tells if `signature`, in base64url, is this key's over `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.verifying, self.algorithm)
            .unwrap_or(false)
    }
}

/// A curve of NIST that tokens are signed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

/// The algorithm that `name` stands for in tokens and key sets; `Ed25519` is the name of `EdDSA` since RFC 9864.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        _ => name.parse().ok(),
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

/// The length of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    number.len() * 8 - leading as usize
}

/// Lengths of RSA keys that are accepted: not below RFC 7518 §3.3, not above what aws-lc verifies.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Minimum length of a secret: that of the hash (RFC 7518 §3.2).
const MIN_SECRET_BYTES: usize = 32;
