//! Shared secrets: nothing that is published ever becomes one.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use certs::SecretFiles;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{CertificateParams, PublicKeyData};
use serde_json::json;
use server::access::Access;

use super::{KEY, SECRET, accepts, access, common, jwk, p256, pair, set, set_mode, token};

/// Reads files of a secret, with settings that are read once.
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
