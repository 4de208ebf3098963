//! Paths: what is no file, too large a file, or a key that others can read.

use std::path::Path;

use certs::{
    Error, Kind, MAX_FILE_BYTES, SecretFiles, load_certificates, load_pair_with, load_private_key,
    load_roots, read_secret_file,
};

use super::good::{Good, restrict};

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
    let device = load_private_key(Path::new("/dev/null"), SecretFiles::Checked).unwrap_err();
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
fn key_must_be_closed_to_others_and_to_writers_in_its_group() {
    let good = Good::new();
    let (crt, key) = (good.path("server.crt"), good.path("server.key"));
    for (mode, is_safe) in [
        (0o600, true),
        (0o400, true),
        (0o700, true),
        (0o640, true),
        (0o440, true),
        (0o660, false),
        (0o604, false),
        (0o644, false),
        (0o601, false),
        (0o666, false),
    ] {
        restrict(&key, mode);
        match load_pair_with(&crt, &key, SecretFiles::Checked) {
            Ok(_) => assert!(is_safe, "{mode:o}"),
            Err(error) => {
                assert!(!is_safe, "{mode:o}: {error}");
                let line = error.to_string();
                assert!(
                    line.contains(&format!("mode {mode:04o}")) && line.contains("server.key"),
                    "{line}"
                );
            }
        }
        assert!(load_pair_with(&crt, &key, SecretFiles::Insecure).is_ok());
    }
}

#[cfg(unix)]
#[test]
fn secret_files_follow_the_rule_of_keys_and_are_never_quoted() {
    let good = Good::new();
    let path = good.write("user", b"ana:hunter2");
    let kind = Kind::Secret;
    let content = read_secret_file(kind, &path, SecretFiles::Checked).unwrap();
    assert_eq!(content, b"ana:hunter2");
    restrict(&path, 0o644);
    let line = read_secret_file(kind, &path, SecretFiles::Checked)
        .unwrap_err()
        .to_string();
    assert!(
        line.contains("secret file") && line.contains("0644") && !line.contains("hunter2"),
        "{line}"
    );
    assert!(read_secret_file(kind, &path, SecretFiles::Insecure).is_ok());
    for missing in [good.path("none"), good.directory.path().to_owned()] {
        let line = read_secret_file(kind, &missing, SecretFiles::Insecure)
            .unwrap_err()
            .to_string();
        assert!(!line.contains("generate-certs"), "{line}");
    }
}
