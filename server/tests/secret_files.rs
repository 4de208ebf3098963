//! Private keys by mode, owner and kind of path, as the running program takes or refuses them (threat T11).
//!
//! Members of the kind: the usual 0600 and 0400; Debian's `ssl-cert` (root, 0640); Kubernetes' secrets (links, 0440);
//! systemd's credentials (0440 in a directory of their own); Docker's secrets and Kubernetes' default (0444, 0644);
//! a group that may write; another user's file.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use common::program::{begin, command};
use tempfile::TempDir;

/// A pair of files as an administrator would lay them out.
struct Files {
    _directory: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// A pair in one directory; the key has `mode`.
    fn plain(mode: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pair = certs::ensure(directory.path(), &certs::Request::default()).unwrap();
        set_mode(&pair.key, mode);
        Self {
            _directory: directory,
            certificate: pair.certificate,
            key: pair.key,
        }
    }

    /// A mounted secret of Kubernetes: two links lead to each file, so that all change at once.
    fn mounted(mode: u32) -> Self {
        let mut files = Self::plain(mode);
        let directory = files.key.parent().unwrap().to_owned();
        let version = directory.join("..2026_11_30");
        fs::create_dir(&version).unwrap();
        symlink("..2026_11_30", directory.join("..data")).unwrap();
        for (file, name) in [
            (&mut files.certificate, "tls.crt"),
            (&mut files.key, "tls.key"),
        ] {
            fs::rename(&*file, version.join(name)).unwrap();
            *file = directory.join(name);
            symlink(Path::new("..data").join(name), &*file).unwrap();
        }
        files
    }

    fn flags<'a>(&'a self) -> [&'a str; 4] {
        let text = |path: &'a Path| path.to_str().unwrap();
        ["--cert", text(&self.certificate), "--key", text(&self.key)]
    }

    /// Standard error of `server check` and whether it was content.
    fn check(&self, more: &[&str]) -> (bool, String) {
        let arguments = [&["check"], &self.flags()[..], more].concat();
        let output = command(&arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), errors)
    }

    /// Everything that the program logs from its start to its end.
    fn log(&self, more: &[&str]) -> String {
        let flags = [&self.flags()[..], more].concat();
        let program = begin(&flags);
        program.signal("TERM");
        let (code, output, errors) = program.end();
        assert_eq!(code, Some(0), "{output}{errors}");
        output + &errors
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

const OVERRIDE: [&str; 2] = ["--insecure-secret-files", "on"];
const READABLE: &str = "private key is readable by its group";
const EXPOSED: &str = "private key is exposed and used all the same";

#[test]
fn keys_that_only_owner_and_group_read_are_used() {
    for (name, files, is_for_group) in [
        ("0600", Files::plain(0o600), false),
        ("0400", Files::plain(0o400), false),
        ("a group of one's own, ssl-cert", Files::plain(0o640), true),
        ("systemd's credentials", Files::plain(0o440), true),
        ("Kubernetes, defaultMode 0400", Files::mounted(0o400), false),
        ("Kubernetes with fsGroup", Files::mounted(0o440), true),
    ] {
        assert_eq!(files.check(&[]), (true, String::new()), "{name}");
        let log = files.log(&[]);
        assert_eq!(log.contains(READABLE), is_for_group, "{name}: {log}");
        assert!(!log.contains("insecure"), "{name}: {log}");
    }
}

#[test]
fn keys_that_others_can_use_are_refused_with_remedy_unless_overridden() {
    #[rustfmt::skip]
    let cases = [
        ("Kubernetes' default", Files::mounted(0o644), "0644", "chmod 600"),
        ("Docker's secrets", Files::plain(0o444), "0444", "chmod 600"),
        ("written by all", Files::plain(0o602), "0602", "chmod 600"),
        ("written by the group", Files::plain(0o660), "0660", "chmod g-w"),
        ("searched by all", Files::plain(0o601), "0601", "chmod 600"),
    ];
    for (name, files, mode, remedy) in cases {
        let (is_usable, line) = files.check(&[]);
        assert!(!is_usable, "{name}");
        for part in [
            mode,
            remedy,
            "--insecure-secret-files",
            files.key.to_str().unwrap(),
        ] {
            assert!(line.contains(part), "{name}: {part} in {line}");
        }
        let log = files.log(&OVERRIDE);
        assert!(log.contains(EXPOSED) && log.contains(mode), "{name}: {log}");
        assert!(log.contains("--insecure-secret-files: "), "{name}: {log}");
    }
}

#[test]
fn key_of_another_user_is_refused_unless_overridden() {
    let files = Files::plain(0o600);
    let own = fs::metadata(&files.key).unwrap().uid();
    if chown(&files.key, Some(own + 4321), None).is_err() {
        // Only root gives files away; the rule itself is tested in certs/src/secret.rs.
        return;
    }
    let (is_usable, line) = files.check(&[]);
    assert!(!is_usable, "{line}");
    for part in [
        &format!("belongs to user {}", own + 4321),
        "chown",
        "--insecure",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let log = files.log(&OVERRIDE);
    assert!(log.contains(EXPOSED), "{log}");
}
