//! Hundreds of PEM files as people really have them: each is read or refused in one clear line, never a panic.
//!
//! The keys in `tests/data` were made for this test and open nothing.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml excepts only the tests themselves"
)]

use std::fs;
use std::path::{Path, PathBuf};

use certs::{
    Error, KeyAccess, MAX_FILE_BYTES, Request, ensure, load_certificates, load_pair,
    load_pair_with, load_private_key, load_roots, pem,
};

const ENCRYPTED: &str = include_str!("data/encrypted-pkcs8.key");
const ENCRYPTED_LEGACY: &str = include_str!("data/encrypted-legacy.key");
const SEC1: &str = include_str!("data/sec1.key");
const PKCS1: &str = include_str!("data/pkcs1.key");
const ED448: &str = include_str!("data/ed448.key");
const RSA_1024: &str = include_str!("data/rsa1024.key");
const PUBLIC: &str = include_str!("data/public.pem");

/// A directory with a good pair and its CA.
struct Good {
    directory: tempfile::TempDir,
}

impl Good {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        ensure(directory.path(), &Request::default()).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file that only the owner can read.
    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        restrict(&path, 0o600);
        path
    }
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) {}

fn utf16(text: &str, big_endian: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some('\u{feff}');
    let units = mark
        .into_iter()
        .chain(text.chars())
        .map(|c| u16::try_from(u32::from(c)).unwrap());
    units
        .flat_map(|unit| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn der(pem_text: &str) -> Vec<u8> {
    pem::certificates(pem_text.as_bytes()).unwrap()[0].to_vec()
}

/// What the files of a pair hold, and a part of the line that must come of it; `None` when it must be accepted.
type Case = (&'static str, Vec<u8>, Vec<u8>, Option<&'static str>);

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases(good: &Good) -> Vec<Case> {
    let (crt, key) = (good.text("server.crt"), good.text("server.key"));
    let (ca, ca_key) = (good.text("ca.crt"), good.text("ca.key"));
    let c = || crt.clone().into_bytes();
    let k = || key.clone().into_bytes();
    let join = |parts: &[&str]| parts.concat().into_bytes();
    let crlf = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let no_end = |text: &str| text.split_once("-----END").unwrap().0.as_bytes().to_vec();
    vec![
        ("as made", c(), k(), None),
        ("CRLF", crlf(&crt), crlf(&key), None),
        (
            "old Mac line ends",
            crt.replace('\n', "\r").into_bytes(),
            key.replace('\n', "\r").into_bytes(),
            None,
        ),
        (
            "no last line end",
            crt.trim_end().into(),
            key.trim_end().into(),
            None,
        ),
        (
            "text around",
            join(&["subject: x\n", &crt, "\nbye\n"]),
            join(&["Bag Attributes\n", &key, "\n\n"]),
            None,
        ),
        (
            "byte order mark of UTF-8",
            join(&["\u{feff}\n", &crt]),
            k(),
            None,
        ),
        ("chain in order", join(&[&crt, &ca]), k(), None),
        (
            "key and certificate in both files",
            join(&[&key, &crt]),
            join(&[&key, &crt]),
            None,
        ),
        (
            "EC parameters before the key",
            c(),
            join(&[
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
                &key,
            ]),
            None,
        ),
        (
            "certificate empty",
            vec![],
            k(),
            Some("server.crt is empty"),
        ),
        ("key empty", c(), vec![], Some("server.key is empty")),
        (
            "white space only",
            b" \n\t\r\n".to_vec(),
            k(),
            Some("server.crt is empty"),
        ),
        (
            "key is white space",
            c(),
            b"\n\n".to_vec(),
            Some("server.key is empty"),
        ),
        ("no END line", no_end(&crt), k(), Some("no END line")),
        (
            "key without END line",
            c(),
            no_end(&key),
            Some("no END line"),
        ),
        (
            "END of another kind",
            crt.replace("END CERTIFICATE", "END PRIVATE KEY")
                .into_bytes(),
            k(),
            Some("no END line"),
        ),
        (
            "BEGIN line cut",
            crt.replacen("CERTIFICATE-----", "CERTIFICATE---", 1)
                .into_bytes(),
            k(),
            Some("five dashes"),
        ),
        (
            "key where the certificate belongs",
            k(),
            k(),
            Some("holds a private key, but no certificate"),
        ),
        (
            "certificate where the key belongs",
            c(),
            c(),
            Some("holds a certificate, but no private key"),
        ),
        (
            "public key where the key belongs",
            c(),
            PUBLIC.into(),
            Some("but no private key"),
        ),
        (
            "public key where the certificate belongs",
            PUBLIC.into(),
            k(),
            Some("but no certificate"),
        ),
        (
            "two keys",
            c(),
            join(&[&key, &ca_key]),
            Some("holds 2 private keys"),
        ),
        (
            "the same key twice",
            c(),
            join(&[&key, &key]),
            Some("holds 2 private keys"),
        ),
        (
            "encrypted key",
            c(),
            ENCRYPTED.into(),
            Some("encrypted private key"),
        ),
        (
            "encrypted key, old format",
            c(),
            ENCRYPTED_LEGACY.into(),
            Some("encrypted private key"),
        ),
        (
            "encrypted key, CRLF",
            c(),
            crlf(ENCRYPTED),
            Some("encrypted private key"),
        ),
        (
            "chain reversed",
            join(&[&ca, &crt]),
            k(),
            Some("number 2, it must come first"),
        ),
        (
            "key of the CA",
            c(),
            ca_key.clone().into_bytes(),
            Some("does not belong to certificate"),
        ),
        (
            "certificate of the CA",
            ca.clone().into_bytes(),
            k(),
            Some("does not belong to certificate"),
        ),
        (
            "SEC 1 key of another pair",
            c(),
            SEC1.into(),
            Some("does not belong to certificate"),
        ),
        (
            "PKCS#1 key of another pair",
            c(),
            PKCS1.into(),
            Some("does not belong to certificate"),
        ),
        (
            "key of a kind without use",
            c(),
            ED448.into(),
            Some("cannot be used"),
        ),
        (
            "RSA key too short",
            c(),
            RSA_1024.into(),
            Some("cannot be used"),
        ),
        ("certificate in DER", der(&crt), k(), Some("is binary")),
        ("key in DER", c(), der(&ca), Some("is binary")),
        (
            "UTF-16 LE with mark",
            utf16(&crt, false, true),
            k(),
            Some("is UTF-16"),
        ),
        (
            "UTF-16 BE with mark",
            utf16(&crt, true, true),
            k(),
            Some("is UTF-16"),
        ),
        (
            "UTF-16 LE",
            utf16(&crt, false, false),
            k(),
            Some("is UTF-16"),
        ),
        (
            "UTF-16 BE",
            utf16(&crt, true, false),
            k(),
            Some("is UTF-16"),
        ),
        (
            "key in UTF-16",
            c(),
            utf16(&key, false, true),
            Some("is UTF-16"),
        ),
        ("NULs only", vec![0; 4096], k(), Some("no PEM section")),
        (
            "NUL in the base64",
            crt.replacen("\nMI", "\n\0MI", 1).into_bytes(),
            k(),
            Some("not valid base64"),
        ),
        (
            "star in the base64",
            crt.replacen("\nMI", "\n*I", 1).into_bytes(),
            k(),
            Some("not valid base64"),
        ),
        (
            "key with a damaged character",
            c(),
            key.replacen("\nM", "\n*", 1).into_bytes(),
            Some("not valid base64"),
        ),
        (
            "empty section",
            b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_vec(),
            k(),
            Some("not an X.509"),
        ),
        (
            "empty key section",
            c(),
            b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_vec(),
            Some("cannot be used"),
        ),
        (
            "base64 of nothing useful",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            k(),
            Some("not an X.509"),
        ),
        (
            "bytes behind the certificate",
            padded(&crt),
            k(),
            Some("not an X.509"),
        ),
        (
            "second certificate damaged",
            join(&[
                &crt,
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ]),
            k(),
            Some("section 2"),
        ),
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
            "plain words",
            b"this is not a certificate".to_vec(),
            k(),
            Some("no PEM section"),
        ),
        (
            "an HTML page",
            b"<!DOCTYPE html><title>404</title>".to_vec(),
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
        (
            "10 MiB",
            vec![b'A'; 10 << 20],
            k(),
            Some("has 10485760 bytes, at most 1048576"),
        ),
        (
            "key of 10 MiB",
            c(),
            vec![b'A'; 10 << 20],
            Some("has 10485760 bytes, at most 1048576"),
        ),
    ]
}

/// The certificate with a byte appended inside its section.
fn padded(pem_text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let mut bytes = der(pem_text);
    bytes.push(0);
    let body = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}

#[test]
fn each_file_is_read_or_refused_by_name() {
    let good = Good::new();
    for (name, certificate, key, expected) in cases(&good) {
        let certificate = good.write("server.crt", &certificate);
        let key = good.write("server.key", &key);
        match (load_pair(&certificate, &key), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                let line = error.to_string();
                assert!(line.contains(expected), "{name}: {line}");
                assert!(line.contains("server."), "{name} names the file: {line}");
                assert!(
                    line.lines().count() == 1 && line.len() < 400,
                    "{name}: {line}"
                );
            }
            (Ok(_), Some(expected)) => panic!("{name}: accepted, expected \"{expected}\""),
            (Err(error), None) => panic!("{name}: {error}"),
        }
    }
}

/// Every cut and many flips of real files: whatever comes out, it is no panic, and never key material.
#[test]
fn damaged_files_never_panic_and_never_leak_the_key() {
    let good = Good::new();
    let mut inputs = 0;
    let key = good.text("server.key");
    let secret = key.lines().nth(1).unwrap();
    for name in ["server.crt", "server.key", "ca.crt"] {
        let text = good.text(name).into_bytes();
        let cuts = (0..text.len()).map(|end| text[..end].to_vec());
        let tails = (0..text.len())
            .step_by(3)
            .map(|start| text[start..].to_vec());
        let flips = (0..text.len()).flat_map(|at| {
            [0x01, 0x20].map(|bits| {
                let mut flipped = text.clone();
                flipped[at] ^= bits;
                flipped
            })
        });
        for input in cuts.chain(tails).chain(flips) {
            inputs += 1;
            let read = [
                pem::certificates(&input)
                    .map(drop)
                    .err()
                    .map(|fault| fault.to_string()),
                pem::private_key(&input)
                    .map(drop)
                    .err()
                    .map(|fault| fault.to_string()),
            ];
            for line in read.into_iter().flatten() {
                assert!(
                    !line.contains(&secret[..16]) && line.lines().count() == 1,
                    "{line}"
                );
            }
        }
    }
    assert!(inputs > 2_000, "{inputs}");
    println!("{inputs} bad inputs: PEM files cut or changed, 0 wrong");
}

/// Damage inside the ASN.1 rather than in the text around it.
#[test]
fn damaged_der_never_panics() {
    use base64::Engine as _;
    let good = Good::new();
    let (certificate, key) = load_pair(&good.path("server.crt"), &good.path("server.key")).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for (label, bytes) in [
        ("CERTIFICATE", certificate[0].to_vec()),
        ("PRIVATE KEY", key.secret_der().to_vec()),
    ] {
        for at in 0..bytes.len() {
            for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let body = base64::engine::general_purpose::STANDARD.encode(damaged);
                let text = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
                let (crt, key) = match label {
                    "CERTIFICATE" => (
                        good.write("bad.crt", text.as_bytes()),
                        good.path("server.key"),
                    ),
                    _ => (
                        good.path("server.crt"),
                        good.write("bad.key", text.as_bytes()),
                    ),
                };
                match load_pair(&crt, &key) {
                    Ok((chain, _)) => accepted += usize::from(certs::describe(&chain[0]).is_some()),
                    Err(error) => {
                        assert_eq!(error.to_string().lines().count(), 1, "{error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{refused} bad inputs: certificates and keys with a byte changed, 0 wrong");
    assert!(
        accepted > 0,
        "dates and signature may change without harm to the form"
    );
}

#[test]
fn paths_that_are_no_files_are_refused_by_name() {
    let good = Good::new();
    let missing = load_certificates(&good.path("none.crt")).unwrap_err();
    assert!(
        matches!(missing, Error::Missing { .. }) && missing.to_string().contains("none.crt"),
        "{missing}"
    );
    let directory = load_roots(good.directory.path()).unwrap_err();
    assert!(matches!(directory, Error::NotAFile { .. }), "{directory}");
    let device = load_private_key(Path::new("/dev/null"), KeyAccess::Owner).unwrap_err();
    assert!(
        matches!(device, Error::NotAFile { .. } | Error::Missing { .. }),
        "{device}"
    );
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let crt = good.text("server.crt");
    let padding = |to: usize| [crt.as_bytes(), &vec![b'\n'; to - crt.len()]].concat();
    assert!(load_certificates(&good.write("full.crt", &padding(limit))).is_ok());
    assert!(load_certificates(&good.write("over.crt", &padding(limit + 1))).is_err());
}

#[cfg(unix)]
#[test]
fn key_must_be_for_its_owner_alone_or_for_the_group_of_root() {
    use std::os::unix::fs::MetadataExt;
    let good = Good::new();
    let (crt, key) = (good.path("server.crt"), good.path("server.key"));
    let owned_by_root = fs::metadata(&key).unwrap().uid() == 0;
    for (mode, for_owner, for_group) in [
        (0o600, true, true),
        (0o400, true, true),
        (0o700, true, true),
        (0o640, false, owned_by_root),
        (0o440, false, owned_by_root),
        (0o660, false, false),
        (0o650, false, false),
        (0o604, false, false),
        (0o644, false, false),
        (0o601, false, false),
        (0o666, false, false),
    ] {
        restrict(&key, mode);
        for (access, allowed) in [
            (KeyAccess::Owner, for_owner),
            (KeyAccess::RootAndGroup, for_group),
        ] {
            match load_pair_with(&crt, &key, access) {
                Ok(_) => assert!(allowed, "{mode:o} {access:?}"),
                Err(error) => {
                    assert!(!allowed, "{mode:o} {access:?}: {error}");
                    let line = error.to_string();
                    assert!(
                        line.contains(&format!("mode {mode:04o}")) && line.contains("server.key"),
                        "{line}"
                    );
                }
            }
        }
    }
}

/// The inputs that scripts/fuzz starts from, each also cut at every position.
#[test]
fn fuzz_seeds_are_read_or_refused_in_one_line() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/pem");
    let mut seeds = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        seeds += 1;
        for end in 0..=seed.len() {
            let input = &seed[..end];
            let faults = [
                pem::certificates(input).err(),
                pem::private_key(input).err(),
            ];
            for line in faults.into_iter().flatten().map(|fault| fault.to_string()) {
                assert_eq!(line.lines().count(), 1, "{line}");
            }
        }
    }
    assert!(seeds >= 8, "{seeds}");
}
