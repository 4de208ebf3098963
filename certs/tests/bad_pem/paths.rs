//! Paths: what is no file, too large a file, or a key that others can read.

use std::fs;
use std::path::Path;

use certs::{
    Error, KeyAccess, MAX_FILE_BYTES, load_certificates, load_pair_with, load_private_key,
    load_roots,
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
