//! Checks lock files against a local copy of the RustSec advisory database, without a network.
//!
//! usage: advisories DATABASE.tar.gz LOCK…
//!
//! Ends with 1 when a package is vulnerable, unsound, unmaintained or yanked and no exception below says why that is
//! borne; an exception that nothing needs is a finding too.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use flate2::read::GzDecoder;
use rustsec::advisory::Informational;
use rustsec::report::Settings;
use rustsec::{Database, Lockfile, Report};

/// What is known and borne: the advisory, since when, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "RUSTSEC-2025-0134",
    "2026-11-21",
    "rustls-pemfile is archived, not broken; its parser is the one of rustls-pki-types, and it is used in one place",
)];

/// A lock file with a known hole: a database that does not find it would find nothing else either.
const CANARY: (&str, &str) = (
    "version = 3\n[[package]]\nname = \"smallvec\"\nversion = \"0.6.9\"\n\
     source = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
    "RUSTSEC-2019-0009",
);

/// One thing to mend.
struct Finding {
    id: String,
    text: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((database, locks)) = arguments
        .split_first()
        .filter(|(_, locks)| !locks.is_empty())
    else {
        eprintln!("usage: advisories DATABASE.tar.gz LOCK…");
        return ExitCode::from(2);
    };
    match check(Path::new(database), locks) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("advisories: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the findings and gives their number.
fn check(database: &Path, locks: &[String]) -> Result<usize, Box<dyn Error>> {
    let database = open(database)?;
    let newest = database
        .iter()
        .map(|advisory| advisory.metadata.date.to_string())
        .max();
    if !findings(&database, &CANARY.0.parse()?)
        .iter()
        .any(|finding| finding.id == CANARY.1)
    {
        return Err(format!("the database does not know {}", CANARY.1).into());
    }
    let (mut needed, mut count) = (BTreeSet::new(), 0);
    for path in locks {
        let lock = Lockfile::load(path).map_err(|error| format!("{path}: {error}"))?;
        println!("{path}: {} packages", lock.packages.len());
        for Finding { id, text } in findings(&database, &lock) {
            if let Some((id, since, reason)) = EXCEPTIONS.iter().find(|(borne, ..)| *borne == id) {
                needed.insert(*id);
                println!("  borne since {since}: {text}: {reason}");
            } else {
                count += 1;
                println!("  FOUND {text}");
            }
        }
    }
    for (id, since, _) in EXCEPTIONS.iter().filter(|(id, ..)| !needed.contains(id)) {
        count += 1;
        println!("FOUND the exception for {id} of {since} is needed no more: remove it");
    }
    println!(
        "{} advisories, the newest of {}; {count} findings",
        database.iter().count(),
        newest.unwrap_or_default()
    );
    Ok(count)
}

/// Unpacks the archive to where the library can read it.
fn open(archive: &Path) -> Result<Database, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = File::open(archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    tar::Archive::new(GzDecoder::new(file)).unpack(directory.path())?;
    Ok(Database::open(directory.path())?)
}

/// What the database says about the packages of a lock file: holes, and all that it warns of.
fn findings(database: &Database, lock: &Lockfile) -> Vec<Finding> {
    let settings = Settings {
        informational_warnings: vec![
            Informational::Notice,
            Informational::Unmaintained,
            Informational::Unsound,
        ],
        ..Settings::default()
    };
    let report = Report::generate(database, lock, &settings);
    let holes = report
        .vulnerabilities
        .list
        .iter()
        .map(|hole| (&hole.advisory, &hole.package));
    let warnings = report.warnings.values().flatten();
    let warnings =
        warnings.filter_map(|warning| Some((warning.advisory.as_ref()?, &warning.package)));
    holes
        .chain(warnings)
        .map(|(advisory, package)| Finding {
            id: advisory.id.to_string(),
            text: format!(
                "{} {}: {} ({})",
                package.name, package.version, advisory.title, advisory.id
            ),
        })
        .collect()
}
