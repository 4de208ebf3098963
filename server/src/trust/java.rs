//! Java's store of CAs, by keytool.

use std::path::{Path, PathBuf};

use super::authority::Authority;
use super::plan::{Change, Plan, Step};
use super::program::{Invocation, find};

/// The plan for Java's store; `None` where there is no Java.
pub(super) fn plan(change: Change, authority: &Authority) -> Option<Plan> {
    let of_home = || {
        let home = PathBuf::from(std::env::var_os("JAVA_HOME")?);
        Some(home.join("bin/keytool")).filter(|keytool| keytool.is_file())
    };
    let keytool = of_home().or_else(|| find("keytool"))?;
    // Debian copies the system's CAs into Java's store, and forgets those that are removed there.
    let aliases = [
        authority.name.clone(),
        format!("debian:{}.pem", authority.name),
    ];
    let present: Vec<&String> = aliases
        .iter()
        .filter(|alias| {
            let exported = call(&keytool, "-exportcert", alias, &[]).run();
            exported.is_ok_and(|der| authority.is(&der))
        })
        .collect();
    let file = authority.file.to_string_lossy();
    let step = match change {
        Change::Trust if present.is_empty() => {
            let more = ["-noprompt", "-file", &file];
            Step::Run(vec![call(&keytool, "-importcert", &aliases[0], &more)])
        }
        Change::Trust => Step::Nothing("the CA is in it already".to_owned()),
        Change::Untrust if present.is_empty() => Step::Nothing("the CA is not in it".to_owned()),
        Change::Untrust => {
            let deletions = present.into_iter();
            Step::Run(
                deletions
                    .map(|alias| call(&keytool, "-delete", alias, &[]))
                    .collect(),
            )
        }
    };
    Some(Plan {
        store: format!("Java ({})", keytool.display()),
        needs_root: true,
        step,
    })
}

/// A call of keytool on the store of the Java that it belongs to.
fn call(keytool: &Path, command: &str, alias: &str, more: &[&str]) -> Invocation {
    // The password that every Java is delivered with.
    let fixed = ["-cacerts", "-storepass", "changeit", "-alias", alias];
    let words = std::iter::once(command).chain(fixed);
    let words = words.chain(more.iter().copied());
    Invocation::new(keytool, words.map(str::to_owned))
}
