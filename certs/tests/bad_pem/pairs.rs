//! Files whose sections can be read, and are perhaps not those that belong there.

use super::Case;
use super::good::Good;

const ENCRYPTED: &str = include_str!("../data/encrypted-pkcs8.key");
const ENCRYPTED_LEGACY: &str = include_str!("../data/encrypted-legacy.key");
const SEC1: &str = include_str!("../data/sec1.key");
const PKCS1: &str = include_str!("../data/pkcs1.key");
const ED448: &str = include_str!("../data/ed448.key");
const RSA_1024: &str = include_str!("../data/rsa1024.key");
const PUBLIC: &str = include_str!("../data/public.pem");

/// Sections of the wrong kind, of another pair, too many of them, in another order.
#[rustfmt::skip]
pub fn cases(good: &Good) -> Vec<Case> {
    let (crt, key) = (good.text("server.crt"), good.text("server.key"));
    let (ca, ca_key) = (good.text("ca.crt"), good.text("ca.key"));
    let c = || crt.clone().into_bytes();
    let k = || key.clone().into_bytes();
    let join = |parts: &[&str]| parts.concat().into_bytes();
    let crlf = |text: &str| text.replace('\n', "\r\n").into_bytes();
    vec![
        ("chain in order", join(&[&crt, &ca]), k(), None),
        ("key and certificate in both files", join(&[&key, &crt]), join(&[&key, &crt]), None),
        (
            "EC parameters before the key",
            c(),
            join(&[
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
                &key,
            ]),
            None,
        ),
        ("key where the certificate belongs", k(), k(), Some("holds a private key, but no certificate")),
        ("certificate where the key belongs", c(), c(), Some("holds a certificate, but no private key")),
        ("public key where the key belongs", c(), PUBLIC.into(), Some("but no private key")),
        ("public key where the certificate belongs", PUBLIC.into(), k(), Some("but no certificate")),
        ("two keys", c(), join(&[&key, &ca_key]), Some("holds 2 private keys")),
        ("the same key twice", c(), join(&[&key, &key]), Some("holds 2 private keys")),
        ("encrypted key", c(), ENCRYPTED.into(), Some("encrypted private key")),
        ("encrypted key, old format", c(), ENCRYPTED_LEGACY.into(), Some("encrypted private key")),
        ("encrypted key, CRLF", c(), crlf(ENCRYPTED), Some("encrypted private key")),
        ("chain reversed", join(&[&ca, &crt]), k(), Some("number 2, it must come first")),
        ("key of the CA", c(), ca_key.clone().into_bytes(), Some("does not belong to certificate")),
        ("certificate of the CA", ca.clone().into_bytes(), k(), Some("does not belong to certificate")),
        ("SEC 1 key of another pair", c(), SEC1.into(), Some("does not belong to certificate")),
        ("PKCS#1 key of another pair", c(), PKCS1.into(), Some("does not belong to certificate")),
        ("key of a kind without use", c(), ED448.into(), Some("cannot be used")),
        ("RSA key too short", c(), RSA_1024.into(), Some("cannot be used")),
        (
            "key labelled as certificate",
            key.replace("PRIVATE KEY", "CERTIFICATE").into_bytes(),
            k(),
            Some("not an X.509"),
        ),
        (
            "certificate labelled as key",
            c(),
            crt.replace("CERTIFICATE", "PRIVATE KEY").into_bytes(),
            Some("cannot be used"),
        ),
        (
            "trusted certificate of OpenSSL",
            crt.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
                .into_bytes(),
            k(),
            Some("no PEM section"),
        ),
        (
            "an OpenSSH key",
            c(),
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
                .to_vec(),
            Some("no PEM section"),
        ),
    ]
}
