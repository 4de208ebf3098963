//! The page about the settings says what the program reads.

use std::io::Write;

use server::Config;
use values::units::{ByteSize, TimeSpan};

/// `UPDATE=1 cargo test -p server --test configuration` writes the page anew.
#[test]
fn page_is_what_the_program_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFIGURATION.md");
    let reference = Config::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &reference).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == reference,
        "{path} is stale; write it with: cargo run -q -p server -- reference >server/CONFIGURATION.md"
    );
}

/// Each setting that `server check` lists has its row, with its variable.
#[test]
fn page_has_every_setting() {
    let reference = Config::reference();
    let loaded = Config::load(["server".into()]).unwrap();
    assert!(loaded.settings.len() > 60);
    for setting in loaded
        .settings
        .iter()
        .filter(|setting| setting.name != "config")
    {
        let variable = format!("WSS_{}", setting.name.replace('-', "_").to_uppercase());
        let row = format!("| `--{} ", setting.name);
        let row = reference.lines().find(|line| line.starts_with(&row));
        assert!(
            row.is_some_and(|row| row.contains(&format!("| `{variable}` |"))),
            "{}: {row:?}",
            setting.name
        );
    }
}

/// The file that the page shows can be used as it stands.
#[test]
fn file_of_the_page_is_read() {
    let reference = Config::reference();
    let (_, rest) = reference.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(example.as_bytes()).unwrap();
    let arguments = ["server".into(), "--config".into(), file.path().into()];
    let loaded = Config::load(arguments).unwrap();
    assert_eq!(loaded.config.network.listen[0].tcp().unwrap().port(), 443);
    assert_eq!(loaded.config.tls.cert.len(), 1);
}

/// Defaults with a unit are printed as the shared grammar writes them, so that both reference pages have one style.
#[test]
fn defaults_are_written_in_one_style() {
    let reference = Config::reference();
    for row in reference.lines().filter(|line| line.starts_with("| `--")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let default = cells[2].trim_matches('`');
        // The two words for the absence of a value.
        if ["off", "none"].contains(&default) {
            continue;
        }
        let written = match cells[0].rsplit(' ').next() {
            Some("TIME`") => default.parse::<TimeSpan>().unwrap().to_string(),
            Some("SIZE`") => default.parse::<ByteSize>().unwrap().to_string(),
            _ => continue,
        };
        assert_eq!(default, written, "{row}");
    }
}
