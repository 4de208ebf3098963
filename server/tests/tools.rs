//! Subcommands that read no settings: they do what they say, and refuse what is not theirs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::process::Output;

use common::program::{command, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A program that succeeds and prints nothing.
fn stand_in(directory: &Path, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = directory.join(name);
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// `server` with `arguments` where `home` is the user's and its folder `bin` has the only programs.
fn at_home(home: &Path, arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command
        .current_dir(home)
        .env("HOME", home)
        .env("PATH", home.join("bin"))
        .env_remove("JAVA_HOME");
    command.output().unwrap()
}

/// A home with a CA in `certs`, a Chromium and NSS' certutil.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    certs::ensure(&home.path().join("certs"), &certs::Request::default()).unwrap();
    std::fs::create_dir(home.path().join("bin")).unwrap();
    for program in ["chromium", "certutil"] {
        stand_in(&home.path().join("bin"), program);
    }
    home
}

#[test]
fn trust_prints_its_commands_and_changes_nothing() {
    let home = home();
    let output = at_home(home.path(), &["trust", "--dry-run"]);
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    let store = home.path().join(".pki/nssdb");
    let certutil = home.path().join("bin/certutil");
    let ca = home.path().join("certs/ca.crt");
    let created = format!(
        "{} -d sql:{} -N --empty-password",
        certutil.display(),
        store.display()
    );
    let added = "-A -t C,, -n local-websocket-";
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with(&format!("# {}, SHA-256 ", ca.display())),
        "{shown}{errors}"
    );
    assert!(lines.contains(&created.as_str()), "{shown}");
    let adds = lines.iter().find(|line| line.contains(added)).unwrap();
    assert!(adds.ends_with(&format!(" -i {}", ca.display())), "{shown}");
    assert!(!store.exists());
}

#[test]
fn untrust_finds_nothing_where_nothing_was_trusted() {
    let home = home();
    let output = at_home(home.path(), &["untrust", "--dry-run"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("nssdb): the CA is not in it\n"), "{shown}");
    assert!(!shown.contains(" -D "), "{shown}");
}

#[test]
fn trust_leaves_every_other_certificate_alone() {
    let home = home();
    let of = |certs: &str| {
        let output = at_home(home.path(), &["trust", "--dry-run", "--certs", certs]);
        (output.status.code(), text(&output.stderr))
    };
    let (code, error) = of("elsewhere");
    assert_eq!(code, Some(1));
    assert!(
        error.contains("elsewhere/ca.crt does not exist; start the server once"),
        "{error}"
    );
    // A certificate that is no CA, and a CA of somebody else.
    std::fs::create_dir(home.path().join("leaf")).unwrap();
    std::fs::copy(
        home.path().join("certs/server.crt"),
        home.path().join("leaf/ca.crt"),
    )
    .unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let foreign = parameters
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap();
    std::fs::create_dir(home.path().join("foreign")).unwrap();
    std::fs::write(home.path().join("foreign/ca.crt"), foreign.pem()).unwrap();
    for certs in ["leaf", "foreign"] {
        let (code, error) = of(certs);
        assert_eq!(code, Some(1), "{certs}: {error}");
        assert!(
            error.contains("is not a development CA of this program"),
            "{error}"
        );
    }
}

#[test]
fn a_file_of_settings_is_written_once_and_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.toml");
    let path = file.to_str().unwrap();
    let written = run(&["config", "init", "--output", path]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let again = run(&["config", "init", "--output", path]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains(path));
    let printed = run(&["config", "init"]);
    assert_eq!(
        text(&printed.stdout),
        std::fs::read_to_string(&file).unwrap()
    );
    let certs = directory.path().to_str().unwrap();
    let checked = run(&["check", "--config", path, "--certs", certs]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

#[test]
fn completions_and_the_manual_know_options_and_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(&["completions", shell]).stdout);
        for word in ["max-message-bytes", "untrust", "dry-run"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let manual = text(&run(&["man"]).stdout);
    assert!(manual.contains(".SH NAME\nserver") && manual.contains("max\\-message\\-bytes"));
}

#[test]
fn help_begins_with_what_the_program_is() {
    for flag in ["-h", "--help"] {
        let help = text(&run(&[flag]).stdout);
        assert!(
            help.starts_with("A wss server with permessage-deflate"),
            "{help}"
        );
        for word in ["trust", "untrust", "completions", "check"] {
            assert!(help.contains(word), "{flag}: {word}");
        }
    }
}

#[test]
fn a_strict_check_fails_on_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let certs = directory.path().to_str().unwrap();
    let checked = |flags: &[&str]| {
        let mut command = command(&[&["check", "--certs", certs], flags].concat());
        // The former name of a variable.
        let output = command.env("SERVER_MAX_STREAMS", "7").output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, warning) = checked(&[]);
    assert_eq!(code, Some(0), "{warning}");
    assert!(warning.contains("SERVER_MAX_STREAMS"), "{warning}");
    assert_eq!(checked(&["--strict"]).0, Some(2));
}
