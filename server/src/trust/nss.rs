//! The stores of NSS, which Chromium on Linux and Firefox use, by its certutil.

use std::path::{Path, PathBuf};

use super::authority::Authority;
use super::plan::{Change, Plan, Step};
use super::program::{Invocation, find};

/// A store of NSS.
struct Store {
    browser: &'static str,
    directory: PathBuf,
}

/// The plans for the stores of this user's browsers.
pub(super) fn plans(change: Change, authority: &Authority) -> Vec<Plan> {
    let Some(home) = std::env::home_dir() else {
        return Vec::new();
    };
    let certutil = find("certutil");
    let stores = stores(&home);
    stores
        .into_iter()
        .map(|store| Plan {
            store: format!("{} ({})", store.browser, store.directory.display()),
            needs_root: false,
            step: match &certutil {
                Some(certutil) => step(change, authority, &store, certutil),
                None => Step::Cannot(
                    "certutil is missing; install libnss3-tools (Debian) or nss-tools (Fedora)"
                        .to_owned(),
                ),
            },
        })
        .collect()
}

fn step(change: Change, authority: &Authority, store: &Store, certutil: &Path) -> Step {
    let certutil = Certutil {
        program: certutil,
        directory: &store.directory,
    };
    let nickname = certutil.nickname(authority);
    match change {
        Change::Trust => {
            let mut commands = Vec::new();
            if !store.exists() {
                let directory = store.directory.as_os_str();
                commands.push(Invocation::new("mkdir", ["-p".as_ref(), directory]));
                commands.push(certutil.call(&["-N", "--empty-password"]));
            }
            let nickname = nickname.unwrap_or_else(|| authority.name.clone());
            let file = authority.file.to_string_lossy();
            commands.push(certutil.call(&["-A", "-t", "C,,", "-n", &nickname, "-i", &file]));
            Step::Run(commands)
        }
        Change::Untrust => match nickname {
            Some(nickname) => Step::Run(vec![certutil.call(&["-D", "-n", &nickname])]),
            None => Step::Nothing("the CA is not in it".to_owned()),
        },
    }
}

/// NSS' certutil on one store.
struct Certutil<'a> {
    program: &'a Path,
    directory: &'a Path,
}

impl Certutil<'_> {
    fn call(&self, more: &[&str]) -> Invocation {
        let database = format!("sql:{}", self.directory.display());
        let words = ["-d", &database].into_iter().chain(more.iter().copied());
        Invocation::new(self.program, words.map(str::to_owned))
    }

    /// The nickname under which the store has this very CA, whoever imported it.
    fn nickname(&self, authority: &Authority) -> Option<String> {
        let listing = self.call(&["-L"]).run().ok()?;
        let is_ours = |nickname: &String| {
            let exported = self.call(&["-L", "-r", "-n", nickname]).run();
            exported.is_ok_and(|der| authority.is(&der))
        };
        nicknames(&String::from_utf8_lossy(&listing)).find(is_ours)
    }
}

/// The nicknames of a listing, whose lines end with trust flags such as `C,,`.
fn nicknames(listing: &str) -> impl Iterator<Item = String> {
    listing.lines().filter_map(|line| {
        let (nickname, flags) = line.trim_end().rsplit_once(char::is_whitespace)?;
        let is_entry = flags.matches(',').count() == 2 && !flags.contains('/');
        is_entry.then(|| nickname.trim().to_owned())
    })
}

impl Store {
    fn exists(&self) -> bool {
        self.directory.join("cert9.db").is_file()
    }
}

/// The stores in `home`; where a Chromium is installed that has none yet, the one that it will look for.
fn stores(home: &Path) -> Vec<Store> {
    let chromium = |directory: &str| Store {
        browser: "Chromium",
        directory: home.join(directory),
    };
    let mut stores: Vec<Store> = CHROMIUM.map(chromium).into();
    stores.retain(Store::exists);
    if stores.is_empty() && CHROMIUM_PROGRAMS.iter().any(|name| find(name).is_some()) {
        stores.push(chromium(CHROMIUM[0]));
    }
    let profiles = FIREFOX.iter().flat_map(|directory| {
        let entries = std::fs::read_dir(home.join(directory))
            .into_iter()
            .flatten();
        entries.flatten().map(|entry| Store {
            browser: "Firefox",
            directory: entry.path(),
        })
    });
    let mut profiles: Vec<Store> = profiles.filter(Store::exists).collect();
    profiles.sort_by(|one, other| one.directory.cmp(&other.directory));
    stores.extend(profiles);
    stores
}

/// Directories of Chromium's store, relative to the user's home; the first is made where none exists.
const CHROMIUM: [&str; 3] = [
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
];
const CHROMIUM_PROGRAMS: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "brave-browser",
];
/// Directories of Firefox' profiles, relative to the user's home.
const FIREFOX: [&str; 4] = [
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicknames_are_read_from_a_listing() {
        let listing = "\nCertificate Nickname                                         Trust Attributes\n\
                       \x20                                                            SSL,S/MIME,JAR/XPI\n\n\
                       browser-test CA                                              C,,  \n\
                       local-websocket-00                                           CT,C,C\n";
        let found: Vec<String> = nicknames(listing).collect();
        assert_eq!(found, ["browser-test CA", "local-websocket-00"]);
    }

    #[test]
    fn stores_are_found_in_the_home() {
        let home = tempfile::tempdir().unwrap();
        for directory in [
            ".local/share/pki/nssdb",
            ".mozilla/firefox/b.default",
            ".mozilla/firefox/a.old",
        ] {
            let directory = home.path().join(directory);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("cert9.db"), "").unwrap();
        }
        std::fs::create_dir_all(home.path().join(".mozilla/firefox/empty")).unwrap();
        let found: Vec<_> = stores(home.path())
            .into_iter()
            .map(|store| {
                store
                    .directory
                    .strip_prefix(home.path())
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let expected = [
            ".local/share/pki/nssdb",
            ".mozilla/firefox/a.old",
            ".mozilla/firefox/b.default",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
