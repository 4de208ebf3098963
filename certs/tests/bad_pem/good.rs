//! A directory with a good pair in it.

use std::fs;
use std::path::{Path, PathBuf};

use certs::{Request, ensure};

/// A directory with a good pair and its CA.
pub struct Good {
    pub directory: tempfile::TempDir,
}

impl Good {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        ensure(directory.path(), &Request::default()).unwrap();
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file that only the owner can read.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        restrict(&path, 0o600);
        path
    }
}

#[cfg(unix)]
pub fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
pub fn restrict(_: &Path, _: u32) {}
