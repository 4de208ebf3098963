//! Every cut and many changes of real files: whatever comes out, it is no panic.

use std::fs;
use std::path::Path;

use certs::{load_pair, pem};

use super::good::Good;

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
