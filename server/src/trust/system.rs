//! The system's store, which OpenSSL, curl, Go, Python and others use.

use std::path::{Path, PathBuf};

use super::authority::Authority;
use super::plan::{Change, Plan, Step};
use super::program::{Invocation, find};

/// A directory of CAs with the program that makes the system's bundle from it.
struct Directory {
    path: &'static str,
    update: &'static str,
    /// Arguments after a file was added.
    add: &'static [&'static str],
    /// Arguments after a file was removed.
    remove: &'static [&'static str],
}

/// Debian and its relatives, then Fedora and its relatives.
const DIRECTORIES: [Directory; 2] = [
    Directory {
        path: "/usr/local/share/ca-certificates",
        update: "update-ca-certificates",
        add: &[],
        // Else its links to the file stay, and Java's store keeps the CA.
        remove: &["--fresh"],
    },
    Directory {
        path: "/etc/pki/ca-trust/source/anchors",
        update: "update-ca-trust",
        add: &["extract"],
        remove: &["extract"],
    },
];

/// The plan for the system's store.
pub(super) fn plan(change: Change, authority: &Authority) -> Plan {
    let step = if cfg!(target_os = "macos") {
        keychain(change, authority)
    } else {
        let directories = DIRECTORIES.iter();
        let mut found = directories
            .filter(|directory| Path::new(directory.path).is_dir())
            .filter_map(|directory| Some((directory, find(directory.update)?)));
        match found.next() {
            Some((directory, update)) => bundle(change, authority, directory, update),
            None => anchor(change, authority),
        }
    };
    Plan {
        store: "system store".to_owned(),
        needs_root: !cfg!(target_os = "macos"),
        step,
    }
}

/// A file of our own in `directory`, and the bundle made anew.
fn bundle(change: Change, authority: &Authority, directory: &Directory, update: PathBuf) -> Step {
    let file = Path::new(directory.path).join(format!("{}.crt", authority.name));
    let arguments = match change {
        Change::Trust => directory.add,
        Change::Untrust => directory.remove,
    };
    let update = Invocation::new(update, arguments.iter().copied());
    match change {
        Change::Trust => Step::Run(vec![
            Invocation::new(
                "install",
                [
                    "-m".as_ref(),
                    "644".as_ref(),
                    authority.file.as_os_str(),
                    file.as_os_str(),
                ],
            ),
            update,
        ]),
        Change::Untrust if !file.exists() => Step::Nothing("the CA is not in it".to_owned()),
        Change::Untrust if !authority.is_in(&file) => Step::Cannot(format!(
            "{} holds another certificate, and is left alone",
            file.display()
        )),
        Change::Untrust => Step::Run(vec![Invocation::new("rm", [file]), update]),
    }
}

/// The store of p11-kit, on systems that have no directory for CAs.
fn anchor(change: Change, authority: &Authority) -> Step {
    let Some(trust) = find("trust") else {
        return Step::Cannot(
            "neither update-ca-certificates, update-ca-trust nor trust (p11-kit) is installed"
                .to_owned(),
        );
    };
    let option = match change {
        Change::Trust => "--store",
        Change::Untrust => "--remove",
    };
    Step::Run(vec![Invocation::new(
        trust,
        [
            "anchor".as_ref(),
            option.as_ref(),
            authority.file.as_os_str(),
        ],
    )])
}

/// The keychain of the user on macOS.
fn keychain(change: Change, authority: &Authority) -> Step {
    let file = authority.file.as_os_str();
    let arguments = match change {
        Change::Trust => vec![
            "add-trusted-cert".as_ref(),
            "-r".as_ref(),
            "trustRoot".as_ref(),
            file,
        ],
        Change::Untrust => vec!["remove-trusted-cert".as_ref(), file],
    };
    Step::Run(vec![Invocation::new("/usr/bin/security", arguments)])
}
