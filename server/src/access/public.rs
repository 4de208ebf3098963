//! The file of `--rooms-token-key`: public keys in PEM, or a JSON Web Key Set.

use jsonwebtoken::Algorithm;
use x509_parser::der_parser::oid;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::{PublicKey, RSAPublicKey};

use super::key::{Curve, Key};
use super::look::{look, text};
use super::set;

/// Reads all keys of a file; at least one.
///
/// # Errors
/// A file without public keys, by what it looks like, or a key that cannot be used, with the reason.
pub(super) fn parse(content: &[u8]) -> Result<Vec<Key>, String> {
    let text = text(content);
    if text.starts_with('{') {
        return set::parse(text.as_bytes())?.all();
    }
    if text.contains("-----BEGIN") {
        return parse_pem(&text);
    }
    Err(match look(content) {
        Some(look) => format!(
            "it looks like {look}; it must hold public keys in PEM, as `openssl pkey -pubout` writes them, or a JSON Web Key Set"
        ),
        None => "it holds neither a public key in PEM nor a JSON Web Key Set; a shared secret is named with --rooms-token-secret FILE in place of --rooms-token-key".to_owned(),
    })
}

/// Every section of a PEM text.
fn parse_pem(text: &str) -> Result<Vec<Key>, String> {
    // White space around lines comes with copies out of YAML.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let text = lines.join("\n");
    let sections = Pem::iter_from_buffer(text.as_bytes()).enumerate();
    let keys = sections.map(|(index, section)| {
        let section = section.map_err(|_| format!("PEM section {} is damaged", index + 1))?;
        parse_section(&section).map_err(|problem| {
            format!(
                "PEM section {} ({}) holds {problem}",
                index + 1,
                section.label
            )
        })
    });
    let keys: Vec<Key> = keys.collect::<Result<_, String>>()?;
    if keys.is_empty() {
        return Err("its PEM is damaged".to_owned());
    }
    Ok(keys)
}

fn parse_section(section: &Pem) -> Result<Key, String> {
    let der = section.contents.as_slice();
    match section.label.as_str() {
        "PUBLIC KEY" => match SubjectPublicKeyInfo::from_der(der) {
            Ok(([], info)) => parse_info(&info),
            _ => Err("no public key (SPKI)".to_owned()),
        },
        "CERTIFICATE" => match X509Certificate::from_der(der) {
            Ok(([], certificate)) => parse_info(certificate.public_key()),
            _ => Err("no certificate".to_owned()),
        },
        "RSA PUBLIC KEY" => match RSAPublicKey::from_der(der) {
            Ok(([], key)) => Key::rsa(key.modulus, key.exponent, Algorithm::RS256),
            _ => Err("no RSA public key (PKCS#1)".to_owned()),
        },
        label if label.contains("PRIVATE KEY") => {
            Err("a private key; the public one is needed here".to_owned())
        }
        _ => Err("no public key".to_owned()),
    }
}

/// The key of an SPKI; PEM has no field for an algorithm, so each kind has one: RSA stands for RS256.
fn parse_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Key, String> {
    let kind = &info.algorithm.algorithm;
    let bytes = info.subject_public_key.data.as_ref();
    if *kind == oid!(1.3.101.112) {
        return Key::edwards(bytes);
    }
    if *kind == oid!(1.2.840.10045.2.1) {
        let parameters = info.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
        let curve = curve.map(|curve| curve.to_id_string()).unwrap_or_default();
        let known = match curve.as_str() {
            "1.2.840.10045.3.1.7" => Curve::P256,
            "1.3.132.0.34" => Curve::P384,
            other => {
                return Err(format!(
                    "a key on the curve {}; P-256 and P-384 are known",
                    curve_name(other)
                ));
            }
        };
        return Key::elliptic(known, bytes);
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) if *kind == oid!(1.2.840.113549.1.1.1) => {
            Key::rsa(key.modulus, key.exponent, Algorithm::RS256)
        }
        _ => Err(format!(
            "a key of the kind {kind}; RSA, P-256, P-384 and Ed25519 are known"
        )),
    }
}

fn curve_name(id: &str) -> &str {
    match id {
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.33" => "P-224",
        "" => "of its own parameters",
        other => other,
    }
}
