//! Files of one directory that appear together, each whole, or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// A directory that this process alone changes while the value lives.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Held open for its lock and for the last fsync.
    directory: File,
}

impl Store {
    /// Opens the directory, made with mode 0700 if it is not there, and waits for its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        if !path.exists() {
            private_directory().create(path).map_err(failed)?;
        }
        let directory = File::open(path).map_err(failed)?;
        if !directory.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        lock(&directory).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    /// The path of a file in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reports whether something has this name, be it a dangling link.
    pub(crate) fn holds(&self, name: &str) -> bool {
        fs::symlink_metadata(self.file(name)).is_ok()
    }

    /// Begins a set of files that will appear together.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            store: self,
            staged: Vec::new(),
        }
    }
}

/// Files that are written and synced under temporary names, to be renamed together.
///
/// Dropped without [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    store: &'a Store,
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    temporary: NamedTempFile,
    target: PathBuf,
    replace: bool,
}

impl Batch<'_> {
    /// Writes a private key, mode 0600 from the first moment on whatever the umask says.
    pub(crate) fn key(&mut self, name: &str, pem: &str) -> Result<(), Error> {
        self.stage(name, ".key", pem, 0o600)
    }

    /// Writes a certificate, mode 0644.
    pub(crate) fn certificate(&mut self, name: &str, pem: &str) -> Result<(), Error> {
        self.stage(name, ".crt", pem, 0o644)
    }

    fn stage(&mut self, name: &str, suffix: &str, pem: &str, mode: u32) -> Result<(), Error> {
        let target = self.store.file(name);
        let failed = |source| Error::Write {
            path: target.clone(),
            source,
        };
        // The suffix keeps even a temporary file within what .gitignore covers.
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .suffix(suffix)
            .tempfile_in(&self.store.path)
            .map_err(failed)?;
        set_mode(temporary.as_file(), mode).map_err(failed)?;
        temporary.write_all(pem.as_bytes()).map_err(failed)?;
        temporary.as_file().sync_all().map_err(failed)?;
        let replace = self.store.holds(name);
        self.staged.push(Staged {
            temporary,
            target,
            replace,
        });
        Ok(())
    }

    /// Gives all files their names, then syncs the directory.
    ///
    /// A file that was absent at staging is never put over one that has appeared since. When a rename fails, the new
    /// files of this batch are taken away again.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let mut created: Vec<PathBuf> = Vec::new();
        for Staged {
            temporary,
            target,
            replace,
        } in self.staged
        {
            let renamed = if replace {
                temporary.persist(&target)
            } else {
                temporary.persist_noclobber(&target)
            };
            match renamed {
                Ok(_) if replace => {}
                Ok(_) => created.push(target),
                Err(failed) => {
                    for path in created {
                        let _ = fs::remove_file(path);
                    }
                    return Err(Error::Write {
                        path: target,
                        source: failed.error,
                    });
                }
            }
        }
        self.store
            .directory
            .sync_all()
            .map_err(|source| Error::Write {
                path: self.store.path.clone(),
                source,
            })
    }
}

#[cfg(unix)]
fn private_directory() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;

    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Two first starts in one directory must not both make a CA: the second waits and finds the first one's files.
#[cfg(unix)]
fn lock(directory: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    loop {
        match flock(directory, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            // A file system without locks: the rename that refuses to overwrite still protects the files.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}
