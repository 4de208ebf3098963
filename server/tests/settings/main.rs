//! Settings of the running program: where they come from, and that `check` refuses what can never work.
//!
//! The kinds: values that are no values of their setting, values that never have an effect, settings that contradict each
//! other, keys and variables that nobody reads, files that cannot be used. Each table names the members tried.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod paths;

use std::path::Path;

use common::program::{command, run};

/// Exit code and standard error of `check` with `flags`, in an empty directory.
fn check(flags: &[&str]) -> (Option<i32>, String) {
    check_with(flags, &[])
}

/// The same with `variables`.
fn check_with(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(&[&["check"], flags].concat());
    let output = command
        .envs(variables.iter().copied())
        .current_dir(&directory)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The same with a file of settings; its name is `settings.toml`.
fn check_file(text: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    check(&["--config", path.to_str().unwrap()])
}

#[test]
fn check_prints_every_value_with_its_origin() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.toml");
    std::fs::write(
        &file,
        "max-streams = 7\nmax-headers = 60\nlisten = \"127.0.0.1:2\"\n",
    )
    .unwrap();
    let arguments = ["check", "--listen", "127.0.0.1:8443"];
    let output = command(&arguments)
        .env("WSS_CONFIG", &file)
        .env("WSS_MAX_HEADERS", "50")
        .env(
            "WSS_ORIGIN_ALLOW",
            "https://a.example, HTTPS://B.example:443/",
        )
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    for line in [
        "listen = 127.0.0.1:8443  (command line)",
        "max-headers = 50  (environment)",
        "max-streams = 7  (file)",
        "origin-allow = https://a.example, HTTPS://B.example:443/  (environment)",
        "deflate = on  (default)",
        "client-ca = (none)  (default)",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
}

#[test]
fn values_that_can_never_work_are_refused() {
    // The longest label, and the longest name.
    let label = "a".repeat(63);
    let name = format!("{label}.{label}.{label}.{}", &label[2..]);
    #[rustfmt::skip]
    let cases = [
        // S4: units.
        ("--ping-interval", "10ss", "`10ss`"),
        ("--max-message-bytes", "64KiBKiB", "`64KiBKiB`"),
        ("--max-message-bytes", "1MB", "write MiB"),
        ("--drain-timeout", "36501d", "maximum"),
        ("--max-buffered-bytes", "18446744073709551615", "maximum"),
        // Origins and hosts.
        ("--origin-allow", "example.org", "write https://example.org"),
        ("--origin-allow", "https://example.org/page", "write https://example.org"),
        ("--origin-allow", "https://a.example,https://b.example", "not an origin"),
        ("--origin-allow", "https://a.example,b.example", "list each origin"),
        ("--host-allow", "a.example,b.example", "list each host"),
        ("--origin-allow", "https://*.example.org", "no patterns"),
        ("--host-allow", "https://example.org", "scheme"),
        ("--host-allow", "example.org:0", "1 to 65535"),
        ("--host-allow", "*.example.org", "no patterns"),
        ("--origin-allow", "https:example.org", "write https://example.org\n"),
        ("--origin-allow", "HTTP:/example.org:80", "write http://example.org:80\n"),
        ("--origin-allow", "https://a..example", "no name or address"),
        ("--origin-allow", &format!("https://{label}a.example"), "no name or address"),
        ("--host-allow", ".example.org", "empty label"),
        ("--host-allow", "a..example:8443", "empty label"),
        ("--host-allow", "example.org..", "empty label"),
        ("--host-allow", &format!("{label}a.example"), "more than 63"),
        ("--host-allow", &format!("{name}a"), "more than 253"),
        // Addresses.
        ("--listen", "localhost:8443", "a name is not looked up"),
        ("--listen", "::1:8443", "[::1]:8443"),
        ("--listen", "127.0.0.1", "port is missing"),
        ("--grpc-listen", "50051", "ADDR:PORT"),
        ("--listen", "224.0.0.1:8443", "many machines"),
        ("--admin-listen", "plain://255.255.255.255:1", "many machines"),
        ("--grpc-listen", "[ff02::1]:50051", "many machines"),
        ("--unix-socket-mode", "0444", "lets nobody write"),
        ("--unix-socket-mode", "0888", "octal"),
        ("--nats", "nats://n:0", "1 to 65535"),
        ("--trusted-proxy", "::ffff:0:0/96", "everybody"),
        ("--trusted-proxy", "224.0.0.0/4", "nobody"),
        ("--trusted-proxy", "0.0.0.0", "nobody"),
        ("--trusted-proxy", "10.0.0.1/8", "write 10.0.0.0/8"),
        ("--trusted-proxy", "proxy.example", "not a network"),
        ("--rooms-kind", "tea", "PATTERN=POLICY"),
        ("--rooms-kind", "a b=latest", "no pattern"),
        ("--rooms-kind", "tea=fast", "`fast`"),
        ("--nats", "localhost:4222", "nats://"),
        // Counts and rates of zero.
        ("--max-connections", "0", "at least 1"),
        ("--max-streams", "0", "at least 1"),
        ("--max-fragments", "0", "at least 1"),
        ("--handshake-burst", "0", "at least 1"),
        ("--handshake-rate", "0", "at least 1"),
        ("--control-burst", "0", "at least 1"),
        ("--rooms-burst", "0", "at least 1"),
        ("--max-websockets", "0", "at least 1"),
        ("--max-websockets-per-address", "0", "at least 1"),
        ("--rooms-presence-burst", "0", "at least 1"),
        ("--rooms-presence-per-second", "0", "at least 1"),
        ("--rooms-join-burst", "0", "at least 1"),
        ("--rooms-joins-per-second", "0", "at least 1"),
        ("--rooms-member-join-burst", "0", "at least 1"),
        ("--rooms-member-joins-per-second", "0", "at least 1"),
        ("--max-headers", "32769", "32768"),
        ("--nats-replicas", "6", "maximum of 5"),
        // Deadlines and intervals of zero.
        ("--handshake-timeout", "0", "longer than 0"),
        ("--head-timeout", "0s", "longer than 0"),
        ("--write-timeout", "0ms", "longer than 0"),
        ("--message-timeout", "0", "`off` switches it off"),
        ("--ping-interval", "0", "`off` switches it off"),
        ("--pong-timeout", "0", "longer than 0"),
        ("--close-timeout", "0", "`off` switches it off"),
        ("--tcp-user-timeout", "0", "`off` switches it off"),
        ("--certificate-poll", "0", "`off` switches it off"),
        ("--memory-trim-interval", "99ms", "100ms"),
        ("--rooms-publish-timeout", "0", "longer than 0"),
        ("--hsts", "500ms", "whole seconds"),
        ("--hsts", "on", "`off` switches it off"),
        ("--nats-timeout", "0", "longer than 0"),
        // Sizes below what has to fit.
        ("--max-message-bytes", "124", "minimum of 125B"),
        ("--max-head-bytes", "1023", "minimum of 1KiB"),
        ("--max-uri-bytes", "63", "minimum of 64B"),
        ("--rooms-max-text-bytes", "0", "minimum of 1B"),
        ("--nats-max-bytes", "0", "minimum of 1B"),
        ("--min-progress-bytes", "0", "minimum of 1B"),
        // Levels (S6) and words.
        ("--log-level", "verbose", "`verbose`"),
        ("--log-level", "info,server=loud", "`loud`"),
        ("--log-level", "", "empty"),
        ("--log-format", "xml", "text, json"),
        ("--client-auth", "on", "off, optional, required"),
        ("--deflate-level", "10", "1..=9"),
        ("--server-max-window-bits", "8", "9..=15"),
        ("--rooms-token-audience", "", "value"),
    ];
    for (flag, value, part) in cases {
        let (code, errors) = check(&[flag, value]);
        assert_eq!(code, Some(2), "{flag} {value}: {errors}");
        assert!(
            errors.contains(flag) && errors.contains(part),
            "{flag} {value}: {errors}"
        );
    }
}

/// Settings for which no time at all has a meaning.
const ZERO_WORKS: [&str; 6] = [
    "--drain-delay",
    "--drain-window",
    "--drain-timeout",
    "--hsts",
    "--rooms-retention",
    "--rooms-token-leeway",
];

/// Every time of the reference: what can never work with zero is refused by name.
#[test]
fn times_of_zero_are_refused_unless_they_mean_something() {
    let reference = command(&["reference"]).output().unwrap().stdout;
    let reference = String::from_utf8(reference).unwrap();
    let times: Vec<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" TIME"))
        .map(|(flag, _)| flag)
        .collect();
    assert!(times.len() > 20, "{times:?}");
    for flag in times {
        for zero in ["0", "0s", "0ms"] {
            let (code, errors) = check(&[flag, zero]);
            if ZERO_WORKS.contains(&flag) {
                assert!(!errors.contains("longer than 0"), "{flag}: {errors}");
            } else {
                assert_eq!(code, Some(2), "{flag} {zero}: {errors}");
                assert!(errors.contains(flag), "{flag} {zero}: {errors}");
            }
        }
    }
}

#[test]
fn caps_on_websockets_follow_those_on_connections_unless_given() {
    #[rustfmt::skip]
    let cases = [
        (&[][..], "10000", "2000"),
        (&["--max-connections", "20000"], "20000", "2000"),
        (&["--max-connections-per-address", "5000"], "10000", "5000"),
        (&["--max-connections", "10"], "10000", "2000"),
        (&["--max-connections", "20000", "--max-websockets", "100"], "100", "100"),
        (&["--max-connections-per-address", "3000", "--max-websockets-per-address", "7"], "10000", "7"),
    ];
    for (flags, total, per_address) in cases {
        let output = command(&[&["check"], flags].concat()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for (name, value) in [
            ("max-websockets ", total),
            ("max-websockets-per-address ", per_address),
        ] {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(
                line.split_whitespace().any(|word| word == value),
                "{flags:?}: {line}"
            );
        }
    }
}

#[test]
fn the_budget_of_a_connection_follows_the_longest_message_unless_given() {
    #[rustfmt::skip]
    let cases = [
        (&[][..], "8MiB"),
        (&["--max-message-bytes", "4MiB"], "8MiB"),
        (&["--max-message-bytes", "5MiB"], "10MiB"),
        (&["--max-message-bytes", "100MiB"], "128MiB"),
        (&["--max-message-bytes", "5MiB", "--max-buffered-bytes-per-connection", "6MiB"], "6MiB"),
    ];
    for (flags, expected) in cases {
        let output = command(&[&["check"], flags].concat()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let wanted = format!("max-buffered-bytes-per-connection = {expected}  (");
        assert!(text.contains(&wanted), "{flags:?}: {text}");
    }
}

#[test]
fn values_on_the_right_side_of_a_bound_work() {
    for flags in [
        &["--ping-interval", "1.5s"][..],
        &[
            "--max-message-bytes",
            "125",
            "--rooms-max-text-bytes",
            "125",
        ],
        &["--max-head-bytes", "1KiB", "--max-uri-bytes", "1KiB"],
        &["--max-headers", "32768"],
        &["--handshake-rate", "50/s"],
        &["--hsts", "0"],
        &["--max-websockets", "10"],
        &["--max-message-bytes", "64MiB"],
        &["--max-buffered-bytes-per-connection", "1KiB"],
        &[
            "--trusted-proxy",
            "::ffff:10.0.0.0/104",
            "--proxy-protocol",
            "on",
        ],
        &[
            "--rooms-kind",
            "tea=latest",
            "--rooms-kind",
            "tea*=disconnect",
        ],
        &["--listen", "unix:wss.sock", "--unix-socket-mode", "0600"],
        &["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
        &["--listen", "0.0.0.0:8443", "--admin-listen", "[::1]:8443"],
        &["--max-buffered-bytes", "4MiB"],
        &["--rooms-joins-per-second", "100/s"],
        &["--drain-delay", "0"],
        &["--drain-delay", "1h"],
        &["--hsts", "365d"],
        &["--drain-timeout", "1s"],
        &["--drain-timeout", "0", "--drain-window", "0"],
        &["--max-connections", "10"],
        &["--ping-interval", "off", "--close-timeout", "off"],
        &["--pong-timeout", "10"],
        &["--memory-trim-interval", "100ms"],
        &["--log-level", "warning"],
        &["--log-level", "WARN,server=debug"],
        &["--origin-allow", "HTTPS://Example.org:443/"],
        &["--origin-allow", "chrome-extension://abcdefghijklmnop"],
        &["--host-allow", "Example.org", "--host-allow", "[::1]:8443"],
        &["--deflate", "false"],
        &["--rooms-history-messages", "0"],
    ] {
        assert_eq!(check(flags), (Some(0), String::new()), "{flags:?}");
    }
}

#[test]
fn contradictions_are_refused() {
    #[rustfmt::skip]
    let cases = [
        ("--listen 127.0.0.1:50051 --grpc-listen 127.0.0.1:50051", "--grpc-listen is the address"),
        ("--max-connections 10 --max-connections-per-address 11", "--max-connections-per-address exceeds"),
        ("--handshake-rate off --handshake-burst 5", "--handshake-burst has no effect"),
        ("--handshake-rate off --handshake-rate-loopback on", "--handshake-rate-loopback has no effect"),
        ("--max-head-bytes 4KiB --max-uri-bytes 5KiB", "--max-uri-bytes exceeds"),
        ("--client-ca ca.pem", "--client-ca has no effect"),
        ("--drain-window 11s", "--drain-window exceeds --drain-timeout"),
        ("--max-websockets 10 --max-websockets-per-address 11", "--max-websockets-per-address exceeds"),
        (
            "--max-buffered-bytes 4MiB --max-buffered-bytes-per-connection 5MiB",
            "--max-buffered-bytes-per-connection exceeds",
        ),
        ("--max-buffered-bytes 16MiB --deflate-memory 17MiB", "--deflate-memory exceeds"),
        ("--ping-interval off --pong-timeout 5s", "--pong-timeout has no effect"),
        ("--origin-allow * --origin-allow https://a.example", "--origin-allow has `*`"),
        ("--max-message-bytes 1KiB --rooms-max-text-bytes 2KiB", "--rooms-max-text-bytes exceeds"),
        ("--rooms-queue-bytes 1KiB", "--rooms-queue-bytes is below"),
        ("--rooms-history-memory 1KiB", "--rooms-history-memory is below"),
        ("--nats-replicas 3", "--nats-replicas has no effect without --nats"),
        ("--nats-required-for-readiness on", "never be fulfilled"),
        ("--nats nats://n --nats-credentials a --nats-user-file b", "two identities"),
        ("--nats nats://n --nats-max-age 1m --nats-duplicate-window 2m", "exceeds --nats-max-age"),
        ("--listen 127.0.0.1:1 --admin-listen plain://127.0.0.1:1", "--admin-listen has an address twice"),
        ("--listen unix:/tmp/a --admin-listen unix:/tmp/a", "--admin-listen has an address twice"),
        ("--unix-socket-mode 0660", "no address is unix:PATH"),
        (
            "--max-message-bytes 9MiB --max-buffered-bytes-per-connection 8MiB",
            "--max-message-bytes exceeds",
        ),
        ("--max-message-bytes 129MiB", "--max-message-bytes exceeds"),
        ("--rooms-token-jwks-ca ca.pem", "without --rooms-token-jwks-url"),
        ("--rooms-token-jwks-timeout 5s", "without --rooms-token-jwks-url"),
        ("--rooms-token-audience tea", "without keys for tokens"),
        ("--rooms-token-failures 9", "without keys for tokens"),
        ("--rooms-token-leeway 1s", "without keys for tokens"),
        ("--rooms-kind *=latest --rooms-kind tea=disconnect", "never counts"),
        ("--rooms-kind live-*=latest --rooms-kind live-a*=disconnect", "never counts"),
        ("--rooms-kind tea=latest --rooms-kind tea=disconnect", "never counts"),
    ];
    for (flags, part) in cases {
        let flags: Vec<&str> = flags.split(' ').collect();
        let (code, errors) = check(&flags);
        assert_eq!(code, Some(2), "{flags:?}: {errors}");
        assert!(errors.contains(part), "{flags:?}: {errors}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().to_str().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "not PEM\n").unwrap();
    let text = text.to_str().unwrap();
    for path in ["/nonexistent/file", folder, text] {
        for flags in [
            vec!["--cert", path, "--key", path],
            vec!["--client-auth", "required", "--client-ca", path],
            vec!["--rooms-token-key", path],
            vec!["--nats", "nats://n", "--nats-credentials", path],
            vec!["--nats", "nats://n", "--nats-user-file", path],
            vec!["--nats", "tls://n", "--nats-ca", path],
            vec!["--config", path],
        ] {
            let (code, errors) = check(&flags);
            assert!(matches!(code, Some(1 | 2)), "{flags:?}: {errors}");
            assert!(errors.contains(path), "{flags:?}: {errors}");
        }
    }
    for certs in [text, &format!("{text}/certs")] {
        let (code, errors) = check(&["--certs", certs]);
        assert!(
            code == Some(1) && errors.contains("is not a directory"),
            "{errors}"
        );
    }
    let (code, errors) = check(&["--client-auth", "required"]);
    assert!(
        code == Some(1) && errors.contains("--client-ca"),
        "{errors}"
    );
    assert_eq!(check(&["--key", text]).0, Some(1));
}

#[test]
fn unknown_keys_fail_with_their_position_and_a_suggestion() {
    #[rustfmt::skip]
    let cases = [
        ("max-conections = 3\n", ":1:1", "did you mean `max-connections`?"),
        ("listen = \"127.0.0.1:1\"\n\n  orgin-allow = []\n", ":3:3", "did you mean `origin-allow`?"),
        ("[rooms]\nmax = 3\nmax-member = 4\n", ":3:1", "did you mean `rooms-max-members`?"),
        ("rooms = { polciy = \"latest\" }\n", ":1:11", "did you mean `rooms-policy`?"),
        ("[xyzzy]\nlevel = 1\na = 1\n", ":3:1", "`xyzzy-a` is not a setting of this server\n"),
        ("config = \"other.toml\"\n", ":1:1", "`config` is not a setting"),
        ("task = \"check\"\n", ":1:1", "`task` is not a setting"),
        ("help = true\n", ":1:1", "`help`"),
        ("max-streams = 1\nmax_streams = 2\n", ":2:1", "twice"),
        ("rooms-max = 1\n[rooms]\nmax = 2\n", ":3:1", "twice"),
        ("grpc-listen = [\"127.0.0.1:1\"]\n", ":1:1", "one value"),
        ("max-streams = \"many\"\n", ":1:1", "many"),
        ("\n\nping-interval = \"10ss\"\n", ":3:1", "`10ss`"),
        ("origin-allow = [\"https://a.example\", \"b.example\"]\n", ":1:1", "write https://b.example"),
        ("origin-allow = \"https://a.example,https://b.example\"\n", ":1:1", "not an origin"),
        ("listen = 1979-05-27\n", ":1:1", "must be a string"),
        ("log-level = \"verbose\"\n", ":1:1", "`verbose`"),
        ("a = [\n", "settings.toml", "not valid TOML"),
    ];
    for (text, position, part) in cases {
        let (code, errors) = check_file(text);
        assert_eq!(code, Some(2), "{text}: {errors}");
        assert!(
            errors.contains(position) && errors.contains(part),
            "{text}: {errors}"
        );
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let (code, errors) = check_file("lisen = 1\nmax-conections = 3\n");
    assert_eq!((code, errors.lines().count()), (Some(2), 2), "{errors}");
    let (code, errors) = check_file("max-streams = 0\nping-interval = \"x\"\n");
    assert_eq!((code, errors.lines().count()), (Some(2), 2), "{errors}");
}

#[test]
fn files_in_every_kind_of_toml_are_read() {
    for text in [
        "",
        "\u{feff}max-streams = 7\r\n",
        "max-streams = 0x10\nmax-headers = 1_00\n",
        "ping-interval = 1.5\nping_interval_ = 1"
            .split('\n')
            .next()
            .unwrap(),
        "deflate = true\n[rooms]\npolicy = \"latest\"\nkind = [\"tea=disconnect\"]\n[rooms.max]\nmembers = 3\n",
        "origin-allow = \"https://a.example\"\n",
        "origin-allow = []\n",
        // A former name of an option is one of its key too.
        "max-unfinished-bytes = \"64MiB\"\n",
    ] {
        assert_eq!(check_file(text), (Some(0), String::new()), "{text}");
    }
}

#[test]
fn variables_have_a_prefix_of_their_own() {
    for name in [
        "SERVER_NAME",
        "SERVER_SOFTWARE",
        "SERVER_PORT",
        "SERVER_ADDR",
        "SERVER_PROTOCOL",
        "SERVER_SERVICE_HOST",
        "WSS_PORT",
        "WSS_SERVICE_HOST",
        "WSS_SERVICE_PORT_HTTPS",
        "WSS_PORT_8443_TCP_ADDR",
        "WSS_PROXY",
    ] {
        assert_eq!(
            check_with(&[], &[(name, "tcp://10.0.0.1:1")]),
            (Some(0), String::new()),
            "{name}"
        );
    }
    let (code, errors) = check_with(&[], &[("SERVER_MAX_STREAMS", "many")]);
    assert!(
        code == Some(0) && errors.contains("WSS_MAX_STREAMS"),
        "{errors}"
    );
}

#[test]
fn errors_about_variables_name_them() {
    #[rustfmt::skip]
    let cases = [
        ("WSS_PING_INTERVAL", "10ss", "`10ss`"),
        ("WSS_GRPC_LISTEN", "", "WSS_GRPC_LISTEN"),
        ("WSS_CLIENT_AUTH", "", "WSS_CLIENT_AUTH"),
        ("WSS_DEFLATE", "maybe", "maybe"),
        ("WSS_LOG_LEVEL", "verbose", "`verbose`"),
        ("WSS_ORIGIN_ALLOW", "https://a.example,b.example", "write https://b.example"),
        ("WSS_CONFIG", "/nonexistent.toml", "/nonexistent.toml"),
        ("WSS_ORIGIN_ALOW", "https://a.example", "did you mean WSS_ORIGIN_ALLOW?"),
        ("WSS_XYZZY", "1", "not a setting"),
    ];
    for (name, value, part) in cases {
        let (code, errors) = check_with(&[], &[(name, value)]);
        assert_eq!(code, Some(2), "{name}: {errors}");
        let named = errors.contains(name) || name == "WSS_CONFIG";
        assert!(named && errors.contains(part), "{name}: {errors}");
    }
}

#[test]
fn a_variable_that_a_flag_overrides_does_not_matter() {
    let told = check_with(&["--ping-interval", "5s"], &[("WSS_PING_INTERVAL", "10ss")]);
    assert_eq!(told, (Some(0), String::new()));
}

#[test]
fn running_with_wrong_settings_ends_with_2_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path: &Path = &directory.path().join("settings.toml");
    std::fs::write(path, "max-conections = 3\n").unwrap();
    let output = run(&["--config", path.to_str().unwrap()]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("max-connections"), "{errors}");
}
