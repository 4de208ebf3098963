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

mod common;

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

/// The same by a secret, for many contents: the settings are read once.
fn access_by_secrets() -> impl Fn(&[u8]) -> Result<Access, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    std::fs::write(&file, []).unwrap();
    set_mode(&file, 0o600);
    let config = common::config(directory.path(), &[SECRET, file.to_str().unwrap()]);
    move |content| {
        std::fs::write(directory.path().join("keys"), content).unwrap();
        Access::new(&config.rooms, SecretFiles::Checked).map_err(|error| error.to_string())
    }
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

/// Everything that must never be a secret, by name.
fn no_secrets() -> Vec<(&'static str, Vec<u8>)> {
    let (pair, rsa) = (p256(), pair(&rcgen::PKCS_RSA_SHA256));
    let (pem, private) = (pair.public_key_pem(), pair.serialize_pem());
    let certificate = CertificateParams::default().self_signed(&pair).unwrap();
    let keys = set(&[jwk(&pair, &json!({"kid": "one"}))]);
    let der = pair.subject_public_key_info();
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &[7; 32]].concat();
    let ssh = format!("ssh-ed25519 {} ana@example", STANDARD.encode(&blob));
    let utf16 = |text: &str, mark: bool| -> Vec<u8> {
        let mark = mark.then_some('\u{feff}');
        let text: String = mark.into_iter().chain(text.chars()).collect();
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    #[rustfmt::skip]
    let texts = [
        ("PEM", pem.clone()),
        ("PEM of RSA", rsa.public_key_pem()),
        ("behind a byte order mark", format!("\u{feff}{pem}")),
        ("behind two of them", format!("\u{feff}\u{feff}\n{pem}")),
        ("behind white space", format!(" \t\r\n\u{a0}\u{2003}{pem}")),
        ("behind words", format!("# the key\n{pem}")),
        ("indented", pem.replace('\n', "\n    ")),
        ("in one line", pem.replace('\n', "\\n")),
        ("with CRLF", pem.replace('\n', "\r\n")),
        ("without its end", pem[..pem.len() - 30].to_owned()),
        ("without its beginning", pem[27..].to_owned()),
        ("its base64 alone", pem.lines().filter(|line| !line.starts_with('-')).collect()),
        ("private PEM", private),
        ("certificate", certificate.pem()),
        ("set", keys.clone()),
        ("set behind a mark", format!("\u{feff}{keys}")),
        ("set cut off", keys[..keys.len() - 9].to_owned()),
        ("empty set", r#"{"keys":[]}                        "#.to_owned()),
        ("key of a set", jwk(&pair, &json!({})).to_string()),
        ("JSON", r#"{"error":"not_found","message":"no such realm"}"#.to_owned()),
        ("list", r#"["not_found", "no such realm", "at all"]"#.to_owned()),
        ("OpenSSH", ssh.clone()),
        ("OpenSSH with options", format!("no-pty,command=\"x\" {ssh}")),
        ("SSH2", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----".to_owned()),
        ("PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n".to_owned()),
        ("HTML", "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>".to_owned()),
        ("HTML in capitals", "\n\n<HTML><TITLE>502 Bad Gateway, try again</TITLE></HTML>".to_owned()),
        ("XML", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_owned()),
        ("RSA of .NET", "<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>".to_owned()),
        ("a token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.AAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("HTTP", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("nothing", String::new()),
        ("white space", " \n".repeat(40)),
    ];
    #[rustfmt::skip]
    let binaries = [
        ("DER", der.clone()),
        ("DER with a new line", [&der[..], b"\n"].concat()),
        ("DER of RSA", rsa.subject_public_key_info()),
        ("DER of RSA cut off", rsa.subject_public_key_info()[..200].to_vec()),
        ("DER of a certificate", certificate.der().to_vec()),
        ("DER of a private key", pair.serialize_der()),
        ("a point", pair.der_bytes().to_vec()),
        ("blob of OpenSSH", blob),
        ("PEM in UTF-16", utf16(&pem, true)),
        ("PEM in UTF-16 without a mark", utf16(&pem, false)),
        ("PEM compressed with gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03 and more than thirty bytes".to_vec()),
        ("ZIP archive", b"PK\x03\x04\x14\0\0\0\x08\0 an archive that holds keys".to_vec()),
        ("PEM compressed with zstd", b"\x28\xb5\x2f\xfd\x24\x20 and more than thirty bytes".to_vec()),
        ("HTML in UTF-16", utf16("<!DOCTYPE html><html>502</html>", true)),
    ];
    let texts = texts
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()));
    texts.chain(binaries).collect()
}

#[test]
fn s1_nothing_published_becomes_a_secret() {
    let access = access_by_secrets();
    for (name, content) in no_secrets() {
        for (around, content) in padded(&content) {
            let encoded = [
                STANDARD.encode(&content).into_bytes(),
                URL_SAFE_NO_PAD.encode(&content).into_bytes(),
                format!("base64:{}", STANDARD.encode(&content)).into_bytes(),
                content
                    .iter()
                    .flat_map(|byte| format!("{byte:02x}").into_bytes())
                    .collect(),
            ];
            let once = encoded.iter().filter(|_| around == "as it is");
            let outer = once.flat_map(|encoded| padded(encoded));
            let bare = encoded.iter().map(|encoded| ("as it is", encoded.clone()));
            for (outside, wrapped) in [("", content.clone())].into_iter().chain(bare).chain(outer) {
                let refused = access(&wrapped).err().unwrap_or_default();
                let why = refused.contains("it looks like") || refused.contains("a secret of");
                assert!(
                    why && refused.contains("--rooms-token-secret"),
                    "{name}, {around}, {outside}, {wrapped:x?}: {refused}"
                );
            }
        }
    }
}

/// Content with what editors and tools put around it, each before and behind.
fn padded(content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    const PADDING: [(&str, &[u8]); 7] = [
        ("byte order mark", b"\xef\xbb\xbf"),
        ("LF", b"\n"),
        ("LF LF", b"\n\n"),
        ("CRLF", b"\r\n"),
        ("space", b" "),
        ("NUL", b"\0"),
        ("several", b" \xef\xbb\xbf\0\r\n\t"),
    ];
    let padding = PADDING.iter().flat_map(|&(name, padding)| {
        [
            (name, [padding, content].concat()),
            (name, [content, padding].concat()),
            (name, [padding, content, padding].concat()),
        ]
    });
    let bare = [("as it is", content.to_vec())];
    bare.into_iter().chain(padding).collect()
}

#[test]
fn s1_keys_that_end_like_white_space_never_become_a_secret() {
    let access = access_by_secrets();
    // Points and keys whose last byte is one of those that are removed.
    for last in *b" \n\r\t\x0c\0" {
        let pair = std::iter::repeat_with(p256)
            .find(|pair| pair.der_bytes().last() == Some(&last))
            .unwrap();
        for content in [pair.der_bytes().to_vec(), pair.subject_public_key_info()] {
            for (around, content) in padded(&content) {
                let refused = access(&content).expect_err(around);
                assert!(refused.contains("it looks like"), "{around}: {refused}");
            }
        }
    }
}

#[test]
fn s1_texts_of_several_lines_are_secrets_in_base64_alone() {
    let access = access_by_secrets();
    let pair = p256();
    let point = pair.der_bytes();
    let colons: Vec<String> = point.iter().map(|byte| format!("{byte:02x}")).collect();
    let printed = format!(
        "Public-Key: (256 bit)\npub:\n    {}\nASN1 OID: prime256v1\n",
        colons.join(":")
    );
    let texts = [
        printed,
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 91\n".to_owned(),
        "keys:\r\n- kty: EC\r\n  crv: P-256\r\n".to_owned(),
        "a secret of more than\rthirty-two bytes, in lines".to_owned(),
    ];
    for text in texts {
        for (around, content) in padded(text.as_bytes()) {
            let refused = access(&content).expect_err(&text);
            let hint = refused.contains("several lines") && refused.contains("`base64:`");
            assert!(hint, "{text}, {around}: {refused}");
        }
        let whole = format!("base64:{}", STANDARD.encode(&text));
        let access = access(whole.as_bytes()).unwrap();
        let key = EncodingKey::from_secret(text.as_bytes());
        assert!(accepts(&access, &token(Algorithm::HS256, &key, None)));
    }
}

#[test]
fn s1_file_of_public_keys_never_makes_a_secret() {
    let words: &[&[u8]] = &[
        b"a secret of more than thirty-two bytes",
        b"base64:YSBzZWNyZXQgb2YgbW9yZSB0aGFuIHRoaXJ0eS10d28gYnl0ZXM=",
        &[0xa5; 64],
    ];
    let words = words.iter().map(|words| ("a secret", words.to_vec()));
    for (name, content) in no_secrets().into_iter().chain(words) {
        // The bytes as they are, and as older versions took them.
        let secrets = [content.as_slice(), content.trim_ascii()];
        let Ok(access) = access(KEY, &content) else {
            continue;
        };
        for secret in secrets {
            let key = EncodingKey::from_secret(secret);
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                assert!(!accepts(&access, &token(algorithm, &key, None)), "{name}");
            }
        }
    }
}

#[test]
fn secrets_are_refused_as_public_keys_with_what_to_do() {
    let refused = access(KEY, b"a secret of more than thirty-two bytes").unwrap_err();
    let advice = "is named with --rooms-token-secret FILE in place of --rooms-token-key";
    assert!(refused.contains(advice), "{refused}");
    assert!(!refused.contains("thirty-two"), "{refused}");
}

#[test]
fn secrets_of_all_forms_are_accepted() {
    let text = b"a secret of more than thirty-two bytes";
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let binary: Vec<u8> = (100..180).collect();
    let encoded = |text: String| text.into_bytes();
    #[rustfmt::skip]
    let cases = [
        (text.to_vec(), text.to_vec()),
        (encoded(format!("{hex}\n")), hex.as_bytes().to_vec()),
        (binary.clone(), binary.clone()),
        (encoded(format!("base64:{}\n", STANDARD.encode(&binary))), binary.clone()),
        (encoded(format!("base64: {}", URL_SAFE_NO_PAD.encode(&binary))), binary.clone()),
        // In lines, as `base64` writes it.
        (encoded(format!("base64:\n{}\r\n{}\n", &STANDARD.encode(&binary)[..76], &STANDARD.encode(&binary)[76..])), binary),
        (encoded(format!("\u{feff}{hex}\r\n")), hex.as_bytes().to_vec()),
        ("um segredo com acentuação e espaços".into(), "um segredo com acentuação e espaços".into()),
    ];
    for (content, secret) in cases {
        let access = access(SECRET, &content).unwrap();
        let key = EncodingKey::from_secret(&secret);
        assert!(
            accepts(&access, &token(Algorithm::HS256, &key, None)),
            "{content:?}"
        );
        assert!(
            !accepts(&access, &token(Algorithm::HS512, &key, None)),
            "{content:?}"
        );
    }
    for (content, part) in [
        ("short", "a secret of 5 bytes"),
        (
            "                  thirty-one bytes are too few..                ",
            "a secret of 30 bytes",
        ),
        ("base64:c2hvcnQ=", "a secret of 5 bytes"),
        ("base64:!!!!", "is no base64"),
        ("base64:", "looks like"),
    ] {
        let refused = access(SECRET, content.as_bytes()).unwrap_err();
        assert!(refused.contains(part), "{content}: {refused}");
    }
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
