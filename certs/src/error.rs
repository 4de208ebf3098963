//! Errors about certificate files, one clear line each.

use std::io;
use std::path::PathBuf;

use crate::pem::{Kind, PemFault};

/// A certificate file could not be read, made or kept.
///
/// The text is one line that names the file, what was seen and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not there.
    #[error("{kind} {} does not exist; {}", path.display(), kind.remedy())]
    Missing {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused to read the file.
    #[error("cannot read {kind} {}: {source}", path.display())]
    Read {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is a directory, a device or a pipe.
    #[error("{kind} {} is not a regular file; name a file", path.display())]
    NotAFile {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The path.
        path: PathBuf,
    },
    /// The file is larger than any certificate or key.
    #[error("{kind} {} has {bytes} bytes, exceeding the limit of {allowed}; name the right file", path.display())]
    TooLarge {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit, [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
        allowed: u64,
    },
    /// The file holds a secret that other users can read or replace.
    #[error("{kind} {} {fault} {}, or set --insecure-secret-files", path.display(), path.display())]
    Secret {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: SecretFault,
    },
    /// The file's content cannot be used.
    #[error("{kind} {} {fault}", path.display())]
    Pem {
        /// The purpose for which it was opened.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: PemFault,
    },
    /// Certificate and key are both readable but do not belong together.
    #[error("private key {} does not belong to certificate {}; take both from the same pair", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key belongs to a later certificate of the file: the chain is upside down.
    #[error("certificate {} has its chain in the wrong order: the certificate of {} is number {position}, it must come first", certificate.display(), key.display())]
    WrongOrder {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Position of the key's certificate, from 1.
        position: usize,
    },
    /// One file of a pair is there, the other is not. Nothing was written.
    #[error("{} exists but {} does not; restore the missing one or move {} away, nothing was changed", present.display(), absent.display(), present.display())]
    HalfPresent {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        absent: PathBuf,
    },
    /// The certificate was not made by this directory's CA. Nothing was written.
    #[error("{} was not signed by {}; move it and its key away or choose another directory, nothing was changed", certificate.display(), authority.display())]
    Foreign {
        /// The certificate's file.
        certificate: PathBuf,
        /// The CA's file, which may not even exist.
        authority: PathBuf,
    },
    /// The file in place of the CA cannot sign what is asked for. Nothing was written.
    #[error("{} cannot sign this certificate: {reason}; nothing was changed", path.display())]
    Authority {
        /// The CA's file.
        path: PathBuf,
        /// The shortcoming and its remedy.
        reason: String,
    },
    /// A test certificate was asked for where a good one is. Nothing was written.
    #[error("{} is good until {until}; choose another directory for a test pair, or force it, nothing was changed", path.display())]
    WouldReplace {
        /// The certificate's file.
        path: PathBuf,
        /// Its end.
        until: String,
    },
    /// The request cannot be met as it is written.
    #[error("{0}")]
    Request(String),
    /// The operating system refused to write. No half file is left.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Key or certificate could not be made.
    #[error("cannot make {}: {reason}", path.display())]
    Make {
        /// The file that was to be made.
        path: PathBuf,
        /// The crypto library's reason.
        reason: String,
    },
}

/// The reason for which a file with a secret is not used.
///
/// The text is the rest of a sentence that begins with the file's name; it never repeats the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFault {
    /// Users beside the owner and the group have access.
    #[error(
        "has mode {mode:04o}, so every user of this machine may use it; 0640 is the widest mode allowed; run: chmod 600"
    )]
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// The group may write, so a member may put a secret of its own there.
    #[error(
        "has mode {mode:04o}, so its group may change it; 0640 is the widest mode allowed; run: chmod g-w"
    )]
    WritableByGroup {
        /// The permission bits.
        mode: u32,
    },
    /// Users beside the owner and the group may write to a file that anybody may read.
    #[error("has mode {mode:04o}, so every user of this machine may change it; run: chmod o-w")]
    WritableByOthers {
        /// The permission bits.
        mode: u32,
    },
    /// The owner, who can read and replace the content, is another user.
    #[error(
        "belongs to user {owner}, who is neither root nor the user of this process ({own}); run: chown {own}"
    )]
    ForeignOwner {
        /// The owner's number.
        owner: u32,
        /// The number of the user that this process runs as.
        own: u32,
    },
}
