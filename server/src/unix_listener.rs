//! Listening Unix sockets: their mode, what an earlier run left behind, and the file's end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use socket2::{Domain, SockAddr, Socket, Type};

/// A listening Unix socket; its file goes with it, unless the service manager made it.
#[derive(Debug)]
pub(crate) struct UnixListening {
    pub(crate) listener: UnixListener,
    file: Option<SocketFile>,
}

/// The file of a socket, removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl UnixListening {
    /// Listens at `path` with the file mode `mode`; the system holds `backlog` connections until they are accepted. The socket of a server that has ended is replaced.
    ///
    /// # Errors
    /// Somebody listens there, the path is another kind of file, or the system refuses.
    pub(crate) fn open(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        if let Found::Stale = find(path)? {
            std::fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect before it listens, so nobody connects with the wrong mode.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        let file = SocketFile {
            path: path.to_owned(),
            inode: std::fs::metadata(path)?.ino(),
        };
        socket.listen(backlog)?;
        Ok(Self {
            listener: socket.into(),
            file: Some(file),
        })
    }

    /// Finds out if [`open`](Self::open) would succeed at `path`, or would once the server that listens there has ended.
    ///
    /// Returns the path without links and dots.
    ///
    /// # Errors
    /// The path is too long or another kind of file, or no socket can be made in its directory.
    pub(crate) fn check(path: &Path) -> io::Result<PathBuf> {
        SockAddr::unix(path).map_err(|_| {
            let text = "the path is too long for a socket, or has a NUL";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        match find(path) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            _ => {}
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let unusable = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("directory {}: {error}", directory.display()),
            )
        };
        let place = directory.canonicalize().map_err(unusable)?;
        let rights = Access::WRITE_OK | Access::EXEC_OK;
        access(&place, rights).map_err(|error| unusable(error.into()))?;
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        Ok(place.join(name))
    }

    /// Takes a socket of the service manager.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn inherited(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            file: None,
        })
    }

    /// The address for the log.
    pub(crate) fn shown(&self) -> String {
        let address = self.listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        path.map_or_else(
            || "unix socket".to_owned(),
            |path| format!("unix:{}", path.display()),
        )
    }

    /// The listener, and the file that is to live as long.
    pub(crate) fn into_parts(self) -> (UnixListener, Option<SocketFile>) {
        (self.listener, self.file)
    }
}

/// File at the path of a socket.
enum Found {
    Nothing,
    /// A socket that nobody listens on any more.
    Stale,
}

/// Looks at what is at `path`.
///
/// # Errors
/// Somebody listens there, it is another kind of file, or it cannot be looked at.
fn find(path: &Path) -> io::Result<Found> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let text = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Stale),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have put its own there.
        let is_ours =
            std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode);
        if is_ours {
            // What is left behind is replaced by the next run.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_its_mode_and_its_file_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wss.sock");
        let listening = UnixListening::open(&path, 0o600, 9).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let error = UnixListening::open(&path, 0o600, 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn what_an_earlier_run_left_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wss.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file");
        let first = UnixListening::open(&path, 0o660, 9).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = UnixListening::open(&path, 0o660, 9).unwrap();
        drop(first);
        assert!(path.exists(), "it belongs to the second one");
        drop(second);
        std::fs::write(&path, "precious").unwrap();
        assert!(UnixListening::open(&path, 0o660, 9).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
