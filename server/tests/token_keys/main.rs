//! Keys for tokens: which files are accepted, and that nothing published ever becomes a secret.
//!
//! The kind: content that is taken for a shared secret because it is nothing else (mercure#1315, GHSA-ww5h-9m49-7xx4).
//! Members tested: PEM of public and private keys, plain, indented, cut off, after byte order marks and white space, in
//! UTF-16; certificates; DER; points; compressed files; JSON Web Keys and sets, whole and cut off; OpenSSH, SSH2, `PuTTY`;
//! pages of HTML, XML and HTTP; JSON documents; each of them in base64, base64url, hexadecimal and after `base64:`, with
//! byte order marks, white space and zeros around it, inside and outside of the encoding; texts of several lines.

#![allow(
    clippy::large_futures,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, needs no small stack, and tables are long"
)]

#[path = "../common/mod.rs"]
mod common;
mod secrets;

use std::path::Path;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use certs::SecretFiles;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};
use server::access::Access;

const KEY: &str = "--rooms-token-key";
const SECRET: &str = "--rooms-token-secret";

/// Access by a file with `content` that `option` names, or the reason against it.
fn access(option: &str, content: &[u8]) -> Result<Access, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    std::fs::write(&file, content).unwrap();
    set_mode(&file, 0o600);
    access_by(directory.path(), &[option, file.to_str().unwrap()])
}

fn access_by(directory: &Path, flags: &[&str]) -> Result<Access, String> {
    let config = common::config(directory, flags);
    Access::new(&config.rooms, SecretFiles::Checked).map_err(|error| error.to_string())
}

fn set_mode(file: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn pair(kind: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(kind).unwrap()
}

fn p256() -> KeyPair {
    pair(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn token(algorithm: Algorithm, key: &EncodingKey, id: Option<&str>) -> String {
    let mut header = Header::new(algorithm);
    header.kid = id.map(str::to_owned);
    let claims = json!({"sub": "ana", "aud": "rooms", "exp": 1e10});
    encode(&header, &claims, key).unwrap()
}

/// Tells if the token is accepted.
fn accepts(access: &Access, token: &str) -> bool {
    let address: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    access.check(Some(token), address, Instant::now()).is_ok()
}

/// The key in a set, with `changes` over its members.
fn jwk(pair: &KeyPair, changes: &Value) -> Value {
    let raw = pair.der_bytes();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut key = match raw.len() {
        32 => json!({"kty": "OKP", "crv": "Ed25519", "x": text(raw)}),
        65 => json!({"kty": "EC", "crv": "P-256", "x": text(&raw[1..33]), "y": text(&raw[33..])}),
        97 => json!({"kty": "EC", "crv": "P-384", "x": text(&raw[1..49]), "y": text(&raw[49..])}),
        // SEQUENCE (82 xx xx), INTEGER (82 xx xx) with a zero in front of 256 bytes, INTEGER 65537.
        270 => json!({"kty": "RSA", "n": text(&raw[9..265]), "e": "AQAB"}),
        other => panic!("{other}"),
    };
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[test]
fn each_key_serves_its_own_algorithm() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = pair(&rcgen::PKCS_RSA_SHA256);
    let (p256, p384) = (p256(), pair(&rcgen::PKCS_ECDSA_P384_SHA384));
    let ed25519 = pair(&rcgen::PKCS_ED25519);
    let signing = [
        EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).unwrap(),
        EncodingKey::from_ec_pem(p256.serialize_pem().as_bytes()).unwrap(),
        EncodingKey::from_ec_pem(p384.serialize_pem().as_bytes()).unwrap(),
        EncodingKey::from_ed_pem(ed25519.serialize_pem().as_bytes()).unwrap(),
    ];
    let algorithms = [
        (RS256, 0),
        (RS384, 0),
        (RS512, 0),
        (PS256, 0),
        (PS384, 0),
        (PS512, 0),
        (ES256, 1),
        (ES384, 2),
        (EdDSA, 3),
    ];
    let certificate = CertificateParams::default().self_signed(&p384).unwrap();
    let pkcs1 = rsa.der_bytes();
    let pkcs1 = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        STANDARD.encode(pkcs1)
    );
    let named = |pair, name: &str| set(&[jwk(pair, &json!({"alg": name}))]);
    #[rustfmt::skip]
    let cases = [
        (rsa.public_key_pem(), RS256),
        (pkcs1, RS256),
        (p256.public_key_pem(), ES256),
        (format!("\u{feff}  {}", p256.public_key_pem().replace('\n', "\r\n  ")), ES256),
        (certificate.pem(), ES384),
        (ed25519.public_key_pem(), EdDSA),
        (set(&[jwk(&rsa, &json!({}))]), RS256),
        (named(&rsa, "RS384"), RS384),
        (named(&rsa, "RS512"), RS512),
        (named(&rsa, "PS256"), PS256),
        (named(&rsa, "PS384"), PS384),
        (named(&rsa, "PS512"), PS512),
        (set(&[jwk(&p256, &json!({}))]), ES256),
        (named(&p384, "ES384"), ES384),
        (named(&ed25519, "EdDSA"), EdDSA),
        (named(&ed25519, "Ed25519"), EdDSA),
        (jwk(&p256, &json!({"use": "sig", "key_ops": ["verify"]})).to_string(), ES256),
    ];
    for (content, expected) in cases {
        let access = access(KEY, content.as_bytes()).unwrap();
        for (algorithm, key) in &algorithms {
            let token = token(*algorithm, &signing[*key], None);
            assert_eq!(
                accepts(&access, &token),
                *algorithm == expected,
                "{algorithm:?} by {content}"
            );
        }
    }
}

#[test]
fn several_keys_serve_at_once() {
    let (one, two) = (p256(), p256());
    let sign = |pair: &KeyPair, id| {
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        token(Algorithm::ES256, &key, id)
    };
    let both = access(
        KEY,
        (one.public_key_pem() + &two.public_key_pem()).as_bytes(),
    )
    .unwrap();
    assert!(accepts(&both, &sign(&one, None)) && accepts(&both, &sign(&two, Some("any"))));
    let directory = tempfile::tempdir().unwrap();
    let (keys, secret) = (
        directory.path().join("keys"),
        directory.path().join("secret"),
    );
    std::fs::write(&keys, one.public_key_pem()).unwrap();
    std::fs::write(&secret, [0xa5; 40]).unwrap();
    set_mode(&secret, 0o600);
    let flags = [
        KEY,
        keys.to_str().unwrap(),
        SECRET,
        secret.to_str().unwrap(),
    ];
    let access = access_by(directory.path(), &flags).unwrap();
    let hs256 = token(
        Algorithm::HS256,
        &EncodingKey::from_secret(&[0xa5; 40]),
        None,
    );
    assert!(accepts(&access, &hs256) && accepts(&access, &sign(&one, None)));
    assert!(!accepts(&access, &sign(&two, None)));
}

const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEkFknDdYk7rlB+nwUuQsF9au6FHLRNUfY
ctS4OUczmeDZ61I+YmpEDJ5p9Y9pONDaJSe/FEbqR9sNY1lRrp798w==
-----END PUBLIC KEY-----";
const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCWpiiES+jnS0cotOwUryWPlrDW
rKKQ53bVHwroCt9ESzFYP2QsiKCQjJXRGwmZjCw4Efplqxi9RjJ8fTDZT3gXwOcp
2ocxgL7zdpEyZWUCdWhODJ4NbRTvqHxMw61TLskfz5XphTr2d6szlIEUdAAc6Ek3
qy93iM2YQXpCy+sC1QIDAQAB
-----END PUBLIC KEY-----";
const ED448: &str = "-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoAtQcbnta44Bi64suUKzX0YwcyoTtgR8JyvKgp6LSB2uRrwXNN
y4lXNuq02at0A2uMpKLU0aSOojqA
-----END PUBLIC KEY-----";
const P521: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAOrGf16Rq6yEUNIz0CAgFUI8k9EW0
ki/EPieHPfy+0fcrFHnJfJVHo1fq+Pw2EOTDjB1jiI+UY06NO0Wg74YhouwA4+cq
iHiT1AyFSPMD/2fmFjtXVqjFHg9yQgrXz4rZoXWQtMdxb7DhzdsMqbTRnCTcT3vz
1/CQNOHdZJUfR8ujhH0=
-----END PUBLIC KEY-----";

#[test]
fn unusable_keys_are_refused_by_name() {
    let (good, rsa) = (p256(), pair(&rcgen::PKCS_RSA_SHA256));
    let bad = |changes: Value| {
        let bad = jwk(
            if changes.get("n").is_some() || changes.get("e").is_some() {
                &rsa
            } else {
                &good
            },
            &changes,
        );
        set(&[jwk(&good, &json!({"kid": "good"})), bad])
    };
    let x = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![7; bytes]);
    let many: Vec<Value> = (0..101).map(|_| jwk(&good, &json!({}))).collect();
    let two = format!("{}{SECP256K1}", good.public_key_pem());
    #[rustfmt::skip]
    let cases = [
        (SECP256K1.to_owned(), "PEM section 1 (PUBLIC KEY) holds a key on the curve secp256k1"),
        (two, "PEM section 2 (PUBLIC KEY) holds a key on the curve secp256k1"),
        (P521.to_owned(), "the curve P-521"),
        (RSA_1024.to_owned(), "an RSA key of 1024 bits"),
        (ED448.to_owned(), "of the kind 1.3.101.113"),
        (good.serialize_pem(), "a private key"),
        ("-----BEGIN CERTIFICATE-----\n".to_owned(), "PEM section 1 is damaged"),
        ("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n".to_owned(), "no public key (SPKI)"),
        ("-----BEGIN X509 CRL-----\nMFkw\n-----END X509 CRL-----\n".to_owned(), "no public key"),
        (set(&[]), "none of its keys"),
        (set(&[json!({"kty": "unheard-of"})]), "none of its keys"),
        (bad(json!({"kid": "k1", "crv": "secp256k1"})), r#"the key "k1" of the set is on the curve secp256k1"#),
        (bad(json!({"kid": "small", "n": x(128)})), r#"the key "small" of the set is an RSA key of 1019 bits"#),
        (bad(json!({"n": x(2048)})), "key 2 of the set is an RSA key of 16379 bits"),
        (bad(json!({"e": "AQ"})), "impossible modulus or exponent"),
        (bad(json!({"e": "Ag"})), "impossible modulus or exponent"),
        (bad(json!({"kid": "off", "x": x(32)})), "does not lie on the curve P-256"),
        (bad(json!({"x": x(31)})), "has 31 bytes, not 32"),
        (bad(json!({"x": null})), "has no `x`"),
        (bad(json!({"x": "?"})), "no base64url"),
        (bad(json!({"alg": "ES384"})), "for the algorithm ES384"),
        (bad(json!({"alg": "HS256"})), "for the algorithm HS256"),
        (bad(json!({"alg": "none"})), "for the algorithm none"),
        (bad(json!({"d": "AQAB"})), "a private key"),
        (bad(json!({"kty": "oct", "k": "c2hvcnQ", "kid": "s"})), "--rooms-token-secret FILE with `base64:`"),
        (bad(json!({"kty": 7})), "malformed"),
        (set(&many), "101 keys, at most 100"),
        ("{]".to_owned(), "no JSON Web Key Set"),
        (r#"{"keys":{}}"#.to_owned(), "it has no list `keys`"),
        ("<!DOCTYPE html><html></html>".to_owned(), "an HTML or XML document"),
        ("ssh-rsa AAAAB3NzaC1yc2E= ana".to_owned(), "a public key of OpenSSH"),
        (String::new(), "an empty file"),
    ];
    for (content, part) in cases {
        let refused = access(KEY, content.as_bytes()).unwrap_err();
        assert!(refused.contains(part), "{content}: {refused}");
        assert!(refused.starts_with("--rooms-token-key /"), "{refused}");
    }
}

#[test]
fn keys_for_other_purposes_are_ignored() {
    let (good, other) = (p256(), p256());
    for changes in [
        json!({"use": "enc"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"alg": "ECDH-ES+A256KW"}),
        json!({"kty": "unheard-of"}),
        json!({"kty": "OKP", "crv": "X25519"}),
    ] {
        let keys = set(&[jwk(&good, &json!({})), jwk(&other, &changes)]);
        let access = access(KEY, keys.as_bytes()).unwrap();
        let sign = |pair: &KeyPair| {
            let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
            token(Algorithm::ES256, &key, None)
        };
        assert!(accepts(&access, &sign(&good)), "{changes}");
        assert!(!accepts(&access, &sign(&other)), "{changes}");
    }
}

#[test]
#[cfg(unix)]
fn s11_modes_decide_which_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let public = p256().public_key_pem();
    #[rustfmt::skip]
    let cases = [
        (SECRET, "a secret of more than thirty-two bytes", 0o600, None),
        (SECRET, "a secret of more than thirty-two bytes", 0o640, None),
        (SECRET, "a secret of more than thirty-two bytes", 0o440, None),
        (SECRET, "a secret of more than thirty-two bytes", 0o644, Some("every user of this machine may use it")),
        (SECRET, "a secret of more than thirty-two bytes", 0o660, Some("its group may change it")),
        (KEY, &public, 0o644, None),
        (KEY, &public, 0o666, Some("every user of this machine may change it")),
    ];
    for (option, content, mode, part) in cases {
        std::fs::write(&file, content).unwrap();
        set_mode(&file, mode);
        let read = access_by(directory.path(), &[option, file.to_str().unwrap()]);
        match part {
            None => assert!(read.is_ok(), "{option} {mode:o}: {:?}", read.err()),
            Some(part) => {
                let refused = read.unwrap_err();
                assert!(
                    refused.contains(part) && !refused.contains("thirty"),
                    "{refused}"
                );
            }
        }
        std::fs::remove_file(&file).unwrap();
    }
}

/// A token with this header and content, signed with the secret.
fn signed(header: &str, secret: &[u8]) -> String {
    let claims = r#"{"sub":"ana","aud":"rooms","exp":10000000000}"#;
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn critical_headers_are_refused() {
    let secret = [0xa5; 40];
    let access = access(SECRET, &secret).unwrap();
    for (header, is_good) in [
        (r#"{"alg":"HS256"}"#, true),
        (
            r#"{"alg":"HS256","typ":"at+jwt","x5t":7,"exp":1,"b64":false}"#,
            true,
        ),
        (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, false),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, false),
        (r#"{"alg":"HS256","crit":["unheard-of"]}"#, false),
        (r#"{"alg":"HS256","crit":[]}"#, false),
        (r#"{"alg":"HS256","crit":null}"#, false),
        (r#"{"alg":"HS256","crit":"alg"}"#, false),
        (r#"{"alg":"HS256","alg":"HS256"}"#, false),
        (r#"{"alg":"hs256"}"#, false),
        (r#"{"alg":"none"}"#, false),
        (r#"{"alg":null}"#, false),
        (r"{}", false),
        (r#"["HS256"]"#, false),
    ] {
        assert_eq!(
            accepts(&access, &signed(header, &secret)),
            is_good,
            "{header}"
        );
    }
}
