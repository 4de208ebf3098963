//! Whole files, of a limited size.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::Error;
use crate::pem::Kind;

/// Largest file that is read, in bytes: 1 MiB. A chain of ten certificates has about 20 KiB.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads a whole file after `check` has seen it open, so that nobody can swap it in between.
pub(crate) fn read(
    path: &Path,
    kind: Kind,
    check: impl FnOnce(&File) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let refused = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::Missing {
            kind,
            path: path.to_owned(),
        },
        _ => Error::Read {
            kind,
            path: path.to_owned(),
            source,
        },
    };
    // Opening a pipe would wait for a writer, so look first.
    if !std::fs::metadata(path).map_err(refused)?.is_file() {
        return Err(Error::NotAFile {
            kind,
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(refused)?;
    check(&file)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(refused)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        let bytes = std::fs::metadata(path).map_or(content.len() as u64, |metadata| metadata.len());
        return Err(Error::TooLarge {
            kind,
            path: path.to_owned(),
            bytes,
            allowed: MAX_FILE_BYTES,
        });
    }
    Ok(content)
}
