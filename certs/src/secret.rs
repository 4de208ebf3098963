//! Files with secrets: which of them may be used, and their content.

use std::fs::File;
use std::path::Path;

use tracing::{info, warn};

use crate::error::{Error, SecretFault};
use crate::file::read;
use crate::pem::Kind;

/// Rule for files that hold a private key, a shared secret or a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretFiles {
    /// Only files that other users of the machine can neither read nor write; see [`check_secret_file`]. The default.
    #[default]
    Checked,
    /// Any file. What the check finds is logged as a warning.
    Insecure,
}

/// Reads a whole file with a secret, after [`check_secret_file`] on the open file, so that nobody can swap it between.
///
/// # Errors
/// The file is missing, unreadable, larger than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), no regular file, or
/// refused by `rule`.
pub fn read_secret_file(kind: Kind, path: &Path, rule: SecretFiles) -> Result<Vec<u8>, Error> {
    read(path, kind, |file| check_secret_file(kind, path, file, rule))
}

/// Reads a whole file whose content is public but decides who is trusted, such as the public keys that tokens are
/// checked with: anybody may read it, but only its owner and group may change it.
///
/// # Errors
/// As [`read_secret_file`], except that permissions to read are no fault.
pub fn read_public_file(kind: Kind, path: &Path, rule: SecretFiles) -> Result<Vec<u8>, Error> {
    read(path, kind, |file| {
        check(kind, path, file, rule, Permissions::judge_public)
    })
}

/// Answers "may this file be used as a secret?" for the open `file`, the one rule of the workspace.
///
/// | file | answer |
/// |---|---|
/// | 0600, 0400, of our own user or root | yes |
/// | 0640, 0440: readable by its group (Debian's `ssl-cert`, Kubernetes' `fsGroup`, systemd credentials) | yes, with a line in the log |
/// | any permission for others | no |
/// | writable by its group | no |
/// | of another user, neither root nor the effective user of this process | no |
///
/// Links are followed: what counts is the file at their end. `path` serves messages only. [`SecretFiles::Insecure`]
/// turns each "no" into a warning in the log. On systems without Unix permissions every file may be used.
///
/// # Errors
/// [`Error::Secret`] tells the fault and the remedy; [`Error::Read`] if the system does not tell the permissions.
pub fn check_secret_file(
    kind: Kind,
    path: &Path,
    file: &File,
    rule: SecretFiles,
) -> Result<(), Error> {
    check(kind, path, file, rule, Permissions::judge)
}

/// Asks `judge` about the open `file`.
fn check(
    kind: Kind,
    path: &Path,
    file: &File,
    rule: SecretFiles,
    judge: impl Fn(Permissions) -> Result<Readers, SecretFault>,
) -> Result<(), Error> {
    let permissions = permissions(file).map_err(|source| Error::Read {
        kind,
        path: path.to_owned(),
        source,
    })?;
    let Some(permissions) = permissions else {
        return Ok(());
    };
    match (judge(permissions), rule) {
        (Ok(Readers::Owner), _) => Ok(()),
        (Ok(Readers::Group), _) => {
            let mode = format!("{:04o}", permissions.mode);
            info!(file = %path.display(), mode, "{kind} is readable by its group");
            Ok(())
        }
        (Err(fault), SecretFiles::Checked) => Err(Error::Secret {
            kind,
            path: path.to_owned(),
            fault,
        }),
        (Err(fault), SecretFiles::Insecure) => {
            warn!(file = %path.display(), %fault, "{kind} is exposed and used all the same");
            Ok(())
        }
    }
}

/// Owner and mode of a file, beside the user who asks.
#[derive(Clone, Copy, Debug)]
struct Permissions {
    mode: u32,
    owner: u32,
    own: u32,
}

/// Users who can read a file that may be used, beside root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    Owner,
    Group,
}

impl Permissions {
    /// Judges a file that anybody may read.
    fn judge_public(self) -> Result<Readers, SecretFault> {
        let Self { mode, owner, own } = self;
        if owner != 0 && owner != own {
            return Err(SecretFault::ForeignOwner { owner, own });
        }
        if mode & 0o002 != 0 {
            return Err(SecretFault::WritableByOthers { mode });
        }
        Ok(Readers::Owner)
    }

    /// Judges a file that holds a secret.
    fn judge(self) -> Result<Readers, SecretFault> {
        let Self { mode, owner, own } = self;
        if owner != 0 && owner != own {
            return Err(SecretFault::ForeignOwner { owner, own });
        }
        match mode {
            mode if mode & 0o007 != 0 => Err(SecretFault::OpenToOthers { mode }),
            mode if mode & 0o020 != 0 => Err(SecretFault::WritableByGroup { mode }),
            mode if mode & 0o040 != 0 => Ok(Readers::Group),
            _ => Ok(Readers::Owner),
        }
    }
}

#[cfg(unix)]
fn permissions(file: &File) -> std::io::Result<Option<Permissions>> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata()?;
    Ok(Some(Permissions {
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
        own: rustix::process::geteuid().as_raw(),
    }))
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "permission bits exist on Unix only"
)]
fn permissions(_: &File) -> std::io::Result<Option<Permissions>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_mode_decide() {
        use Readers::{Group, Owner};
        let open = |mode| Err(SecretFault::OpenToOthers { mode });
        let writable = |mode| Err(SecretFault::WritableByGroup { mode });
        let foreign = |owner, own| Err(SecretFault::ForeignOwner { owner, own });
        let (root, user, other) = (0, 1000, 1001);
        for (owner, own, mode, expected) in [
            (user, user, 0o600, Ok(Owner)),
            (user, user, 0o400, Ok(Owner)),
            (user, user, 0o700, Ok(Owner)),
            (user, user, 0o000, Ok(Owner)),
            (user, user, 0o4600, Ok(Owner)),
            (user, user, 0o610, Ok(Owner)),
            // A group of one's own, as most distributions give.
            (user, user, 0o640, Ok(Group)),
            // Kubernetes with fsGroup, systemd credentials; Debian's ssl-cert.
            (root, user, 0o440, Ok(Group)),
            (root, user, 0o640, Ok(Group)),
            (root, root, 0o640, Ok(Group)),
            (root, user, 0o750, Ok(Group)),
            (root, user, 0o400, Ok(Owner)),
            (user, user, 0o660, writable(0o660)),
            (root, user, 0o620, writable(0o620)),
            (user, user, 0o644, open(0o644)),
            // Docker's secrets, and Kubernetes' default.
            (root, root, 0o444, open(0o444)),
            (user, user, 0o604, open(0o604)),
            (user, user, 0o602, open(0o602)),
            (user, user, 0o601, open(0o601)),
            (user, user, 0o666, open(0o666)),
            (other, user, 0o600, foreign(other, user)),
            (other, root, 0o600, foreign(other, root)),
            (other, user, 0o640, foreign(other, user)),
            // `nobody`, as unmapped users of a container look.
            (65_534, user, 0o440, foreign(65_534, user)),
        ] {
            let judged = Permissions { mode, owner, own }.judge();
            assert_eq!(judged, expected, "{owner} {own} {mode:o}");
        }
    }

    #[test]
    fn public_files_may_be_read_by_all_and_changed_by_few() {
        let (root, user, other) = (0, 1000, 1001);
        for (owner, own, mode, is_good) in [
            (user, user, 0o644, true),
            (user, user, 0o664, true),
            (root, user, 0o444, true),
            (user, user, 0o646, false),
            (root, user, 0o666, false),
            (other, user, 0o644, false),
        ] {
            let judged = Permissions { mode, owner, own }.judge_public();
            assert_eq!(judged.is_ok(), is_good, "{owner} {own} {mode:o}");
        }
    }
}
