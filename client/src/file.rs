//! Files that are read whole: never more than a limit, never longer than a deadline.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::OFlags;

/// Longest time that opening and reading a file may take: a FIFO may have no writer, a network file system no server.
const DEADLINE: Duration = Duration::from_secs(10);

/// Reads a file that the user named; that may be a pipe, such as `<(command)` of a shell.
///
/// # Errors
/// It cannot be read, has more than `max_bytes`, or gave no end within 10 s.
pub(crate) fn read_named(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    within_deadline(move || read_bounded(File::open(path)?, max_bytes))
}

/// Reads a file that nobody named and that is trusted because of its path; `None` when there is none.
///
/// Whoever can put a file there must be the user or root: it has to be a regular file of one of them that nobody else
/// can write to. All of this is asked of the open descriptor, so that nothing can be exchanged in between.
///
/// # Errors
/// It is not such a file, cannot be read, or has more than `max_bytes`.
pub(crate) fn read_trusted(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let path = path.to_owned();
    within_deadline(move || {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        check_trust(&file)?;
        read_bounded(file, max_bytes).map(Some)
    })
}

/// Only the user or root may have written the file.
fn check_trust(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    // With a group of one's own of the same number, as most systems make them, group-writable is nobody else.
    let has_own_group = metadata.gid() == group && group == user;
    let problem = if !metadata.is_file() {
        "it is not a regular file".to_owned()
    } else if ![0, user].contains(&metadata.uid()) {
        format!("it belongs to the user {}", metadata.uid())
    } else if metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && !has_own_group) {
        format!(
            "others can write to it (mode {:o})",
            metadata.mode() & 0o777
        )
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

fn read_bounded(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let text = format!("it has more than {max_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Runs `work` in a thread, which stays behind when the deadline passes: nothing else ends a call of a file system.
fn within_deadline<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || drop(sender.send(work())));
    receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let text = format!("it was not read within {} s", DEADLINE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn reason(path: &Path) -> String {
        read_trusted(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn only_plain_files_of_our_own_are_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert_eq!(read_trusted(&at("missing"), 10).unwrap(), None);
        std::fs::write(at("good"), "ca").unwrap();
        assert_eq!(read_trusted(&at("good"), 10).unwrap(), Some(b"ca".to_vec()));
        symlink(at("good"), at("link")).unwrap();
        assert_eq!(read_trusted(&at("link"), 10).unwrap(), Some(b"ca".to_vec()));
        std::fs::write(at("large"), "more than ten").unwrap();
        assert!(reason(&at("large")).contains("more than 10 bytes"));
        std::fs::write(at("open"), "ca").unwrap();
        std::fs::set_permissions(at("open"), PermissionsExt::from_mode(0o646)).unwrap();
        assert!(reason(&at("open")).contains("others can write to it (mode 646)"));
        for (name, target) in [
            ("zero", "/dev/zero"),
            ("null", "/dev/null"),
            ("directory", "/tmp"),
            ("terminal", "/dev/ptmx"),
        ] {
            symlink(target, at(name)).unwrap();
            assert!(reason(&at(name)).contains("not a regular file"), "{name}");
        }
        let fifo = at("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
        assert!(reason(&fifo).contains("not a regular file"));
    }

    #[test]
    fn named_files_are_bounded_too() {
        let error = read_named(Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(
            error.to_string().contains("more than 1000 bytes"),
            "{error}"
        );
        assert!(read_named(Path::new("/nonexistent"), 1000).is_err());
    }
}
