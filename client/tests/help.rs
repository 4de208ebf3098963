//! Help, completions, man pages and the README say the same as the program does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;

use common::{client, run};
use values::units::{ByteSize, TimeSpan};

const SUBCOMMANDS: [&str; 9] = [
    "record",
    "replay",
    "grpc",
    "bench",
    "compare",
    "autobahn",
    "completions",
    "reference",
    "man",
];

const README: &str = include_str!("../README.md");

fn shown(arguments: &[&str]) -> String {
    let ended = run(&mut client(arguments));
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (0, ""),
        "{arguments:?}"
    );
    ended.stdout
}

/// The long flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(Into::into)
        .collect()
}

#[test]
fn short_help_has_one_line_for_each_flag() {
    for arguments in [
        &["-h"][..],
        &["bench", "-h"],
        &["grpc", "-h"],
        &["compare", "-h"],
    ] {
        let help = shown(arguments);
        for line in help.lines().filter(|line| !line.starts_with("Exit status")) {
            assert!(line.chars().count() <= 140, "too long: {line}");
            // A description that was broken off stands deep to the right without a flag.
            assert!(!line.starts_with("            "), "broken: {line}");
            let trimmed = line.trim_start();
            if line.starts_with(' ') && trimmed.starts_with('-') {
                assert!(trimmed.contains("  "), "no description: {line}");
            }
        }
    }
    for heading in [
        "Request:",
        "TLS:",
        "Network:",
        "Compression and limits:",
        "Messages:",
        "Output:",
    ] {
        assert!(shown(&["-h"]).contains(heading), "{heading}");
    }
}

#[test]
fn long_help_has_defaults_environment_and_examples() {
    let help = shown(&["--help"]);
    for part in [
        "[default: 1.2]",
        "[env: CLIENT_CA=]",
        "CLIENT_GRPC_URL",
        "Examples:",
        "client compare",
        "Exit status:",
        "130  interrupted",
    ] {
        assert!(help.contains(part), "{part}");
    }
    assert!(help.lines().count() > 3 * shown(&["-h"]).lines().count());
}

#[test]
fn completions_and_man_pages_know_every_subcommand_and_flag() {
    let wanted = flags(&shown(&["-h"]));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shown(&["completions", shell]);
        for name in SUBCOMMANDS {
            assert!(script.contains(name), "{name} in {shell}");
        }
        for flag in [
            "show-handshake",
            "in-flight",
            "grpc-url",
            "sender",
            "proxy-ca",
        ] {
            assert!(script.contains(flag), "{flag} in {shell}");
        }
    }
    // roff writes a hyphen as \-.
    let plain = |text: String| text.replace("\\-", "-");
    let page = plain(shown(&["man"]));
    for flag in &wanted {
        assert!(page.contains(&format!("--{flag}")), "{flag}");
    }
    for name in SUBCOMMANDS {
        assert!(page.contains(&format!("client-{name}(1)")), "{name}");
        let help = shown(&[name, "-h"]);
        let page = plain(shown(&["man", name]));
        assert!(page.contains(&format!(".TH client-{name} 1")), "{page}");
        for flag in flags(&help) {
            assert!(
                page.contains(&format!("--{flag}")),
                "{flag} in client-{name}(1)"
            );
        }
    }
    assert_eq!(run(&mut client(&["man", "nope"])).status, 2);
    assert!(shown(&["--version"]).contains("RFC 7692"));
}

#[test]
fn the_committed_reference_is_what_the_program_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/REFERENCE.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == shown(&["reference"]),
        "{path} is stale; write it with: cargo run -q -p client -- reference >client/REFERENCE.md"
    );
}

#[test]
fn the_tables_of_errors_are_what_the_program_prints() {
    let tables = shown(&["reference", "--errors"]);
    assert!(
        README.contains(&tables),
        "the tables in README.md are stale; replace them with what `client reference --errors` prints"
    );
}

#[test]
fn readme_and_program_agree() {
    let rows: Vec<&str> = README
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    for (status, meaning) in client::ExitStatus::TABLE {
        let row = format!("| {} | {meaning} |", status.code());
        assert!(rows.contains(&row.as_str()), "{row}");
    }
    let mut known = flags(&shown(&["-h"]));
    for name in SUBCOMMANDS {
        known.extend(flags(&shown(&[name, "-h"])));
        assert!(README.contains(&format!("`client {name}")), "{name}");
    }
    // Flags of other programs in the README: the server's, and those of generate-certs.
    let others = ["client", "client-auth", "client-ca", "grpc-listen"];
    known.extend(others.map(String::from));
    for flag in flags(README) {
        assert!(known.contains(&flag), "the README has --{flag}");
    }
    let told = flags(README);
    let missing: Vec<&String> = known.difference(&told).collect();
    assert!(missing.is_empty(), "the README lacks {missing:?}");
}

/// Defaults with a unit are printed as the shared grammar writes them, so that both reference pages have one style.
#[test]
fn defaults_are_written_in_one_style() {
    let reference = shown(&["reference"]);
    let rows = reference.lines().filter(|line| line.starts_with("| `-"));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let default = cells[2].trim_matches('`');
        let written = match cells[0].rsplit(' ').next() {
            Some("TIME`") if default != "–" => default.parse::<TimeSpan>().unwrap().to_string(),
            Some("SIZE`") if default != "–" => default.parse::<ByteSize>().unwrap().to_string(),
            _ => continue,
        };
        assert_eq!(default, written, "{row}");
        seen += 1;
    }
    assert!(seen >= 3, "{seen} defaults");
}

#[test]
fn mistyped_subcommands_are_not_taken_for_hosts() {
    for (typed, meant) in [
        ("becnh", "bench"),
        ("Bench", "bench"),
        ("benchh", "bench"),
        ("comapre", "compare"),
        ("repaly", "replay"),
        ("rceord", "record"),
        ("gprc", "grpc"),
        ("autoban", "autobahn"),
        ("completion", "completions"),
    ] {
        let ended = run(&mut client(&[typed, "wss://localhost:1/"]));
        assert_eq!(ended.status, 2, "{ended:?}");
        let question = format!("did you mean `client {meant}`?");
        assert!(ended.stderr.contains(&question), "{ended:?}");
    }
    // A host is a host.
    assert_eq!(run(&mut client(&["bench.invalid:1", "x"])).status, 3);
    let ended = run(&mut client(&["elsewhere"]));
    assert!(!ended.stderr.contains("did you mean"), "{ended:?}");
}
