//! Addresses and directories that cannot be used: found by `check` before the server starts.

use std::path::Path;

use super::check;

/// Addresses that no socket can have here. What is in use is none of them: the server that is checked may be running.
#[test]
fn addresses_that_cannot_be_listened_on_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().display();
    let _listening = std::os::unix::net::UnixListener::bind(directory.path().join("used")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(directory.path().join("stale")).unwrap());
    std::fs::write(directory.path().join("file"), "").unwrap();
    let long = "a".repeat(120);
    for (path, part) in [
        (format!("unix:{folder}/file"), "no socket"),
        (format!("unix:{folder}/file/wss.sock"), "Not a directory"),
        (format!("unix:{folder}"), "no socket"),
        ("unix:/dev/null".to_owned(), "no socket"),
        (format!("unix:{folder}/none/wss.sock"), "No such file"),
        (format!("unix:{folder}/{long}"), "too long"),
        // 203.0.113.0/24 is for documents (RFC 5737), fe80:: lacks its interface.
        ("203.0.113.1:9443".to_owned(), "address of this machine"),
        (
            "plain://[2001:db8::1]:9443".to_owned(),
            "[2001:db8::1]:9443",
        ),
        ("[fe80::1]:9443".to_owned(), "[fe80::1]:9443"),
    ] {
        for flag in ["--listen", "--admin-listen"] {
            let public = ["--insecure-plain-public", "on"];
            let (code, errors) = check(&[&[flag, &path], &public[..]].concat());
            assert_eq!(code, Some(1), "{path}: {errors}");
            assert!(
                errors.contains("cannot listen on") && errors.contains(part),
                "{path}: {errors}"
            );
        }
    }
    let (code, errors) = check(&["--grpc-listen", "203.0.113.1:1234"]);
    assert_eq!(code, Some(1), "{errors}");
    let twice = [
        format!("unix:{folder}/a.sock"),
        format!(
            "unix:{folder}/../{}/a.sock",
            directory.path().file_name().unwrap().to_str().unwrap()
        ),
    ];
    let (code, errors) = check(&["--listen", &twice[0], "--admin-listen", &twice[1]]);
    assert!(code == Some(1) && errors.contains("same file"), "{errors}");

    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    for listen in [
        &format!("unix:{folder}/used"),
        &format!("unix:{folder}/stale"),
        &format!("unix:{folder}/new"),
        &busy,
    ] {
        assert_eq!(
            check(&["--listen", listen]),
            (Some(0), String::new()),
            "{listen}"
        );
    }
    assert!(
        directory.path().join("stale").exists(),
        "check changes nothing"
    );
    assert!(
        !directory.path().join("new").exists(),
        "check changes nothing"
    );
}

/// Exit code and standard error of `check` for a user without rights, whoever runs the test.
fn check_as_nobody(program: &Path, flags: &[&str]) -> (Option<i32>, String) {
    use std::os::unix::process::CommandExt;

    let mut command = std::process::Command::new(program);
    command.arg("check").args(flags).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), errors)
}

#[test]
fn directories_that_cannot_be_written_to_are_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let open_to_read = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let closed = directory.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    // Root's own build may be where nobody else can look.
    let program = directory.path().join("server");
    std::fs::copy(env!("CARGO_BIN_EXE_server"), &program).unwrap();
    std::fs::set_permissions(&program, open_to_read.clone()).unwrap();
    std::fs::set_permissions(&closed, open_to_read).unwrap();
    let certs = closed.join("certs").display().to_string();
    let socket = format!("unix:{}/wss.sock", closed.display());
    for (flags, part) in [
        (["--certs", &certs], "cannot be written to"),
        (["--listen", &socket], "Permission denied"),
        (["--admin-listen", &socket], "Permission denied"),
    ] {
        let (code, errors) = check_as_nobody(&program, &flags);
        assert_eq!(code, Some(1), "{flags:?}: {errors}");
        assert!(
            errors.contains(part) && errors.contains("closed"),
            "{flags:?}: {errors}"
        );
    }
}
