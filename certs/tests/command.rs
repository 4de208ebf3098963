//! The program `generate-certs` as a script runs it: output, exit codes, umask, full disk.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml excepts only the tests themselves"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_generate-certs");

/// Runs `before; exec generate-certs --out DIRECTORY ARGUMENTS` in a shell.
fn run(before: &str, directory: &Path, arguments: &str) -> Output {
    let script = format!(
        "{before}; exec {PROGRAM} --out '{}' {arguments}",
        directory.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .env_remove("CERTS_OUT")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asserts failure with exactly one line on standard error; returns it.
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[test]
fn prints_files_names_end_and_fingerprint() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("certs");
    let first = run(":", &directory, "--name '*.dev.test'");
    assert!(
        first.status.success() && first.stderr.is_empty(),
        "{first:?}"
    );
    let text = stdout(&first);
    #[rustfmt::skip]
    let cases = [
        "ca.crt", "ca.key", "server.crt", "server.key: made",
        "localhost, 127.0.0.1, ::1, *.dev.test", "(90 days)", "SHA-256  ", "sha256//",
    ];
    for part in cases {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(stdout(&run(":", &directory, "")).contains("server.key: kept"));
    let renewed = stdout(&run(":", &directory, "--name other.test"));
    assert!(
        renewed.contains("renewed: other names: now also other.test, no longer *.dev.test"),
        "{renewed}"
    );
    assert!(renewed.contains("import"), "{renewed}");
    assert!(stdout(&run(":", &directory, "--force --days 30")).contains("renewed: forced"));
    assert!(stdout(&run(":", &directory, "--client alice")).contains("CN=alice"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("certs");
    #[rustfmt::skip]
    let cases = [
        "--days 0", "--days 826", "--days x", "--name https://a.test", "--name a:1",
        "--client a --name b.test", "--expired --not-yet-valid", "--wrong",
    ];
    for arguments in cases {
        let output = run(":", &directory, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    }
    assert!(!directory.exists());
}

#[test]
fn keys_are_private_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("certs");
        let output = run(&format!("umask {umask}"), &directory, "");
        assert!(output.status.success(), "{output:?}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        for (file, expected) in [
            ("ca.key", 0o600),
            ("server.key", 0o600),
            ("ca.crt", 0o644),
            ("server.crt", 0o644),
        ] {
            assert_eq!(
                mode(&directory.join(file)),
                expected,
                "umask {umask}: {file}"
            );
        }
    }
}

/// No file may grow beyond 0 bytes, as on a full disk: nothing is left, not even a temporary file.
#[test]
fn full_disk_leaves_no_half_file() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("certs");
    let full = "trap '' XFSZ; ulimit -f 0";
    let line = failed(&run(full, &directory, ""));
    assert!(
        line.contains("cannot write") && line.contains("ca."),
        "{line}"
    );
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);

    run(":", &directory, "");
    let before = fs::read(directory.join("server.crt")).unwrap();
    failed(&run(full, &directory, "--force"));
    assert_eq!(fs::read(directory.join("server.crt")).unwrap(), before);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 4);
    assert!(stdout(&run(":", &directory, "")).contains("kept"));
}

#[test]
fn directory_that_cannot_be_written_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.join("below"), file.clone()] {
        let line = failed(&run(":", &directory, ""));
        assert!(
            line.contains("cannot write") && line.contains("file"),
            "{line}"
        );
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn output_that_cannot_be_written_fails() {
    let parent = tempfile::tempdir().unwrap();
    let output = run("exec >/dev/full", &parent.path().join("certs"), "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
