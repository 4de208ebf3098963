//! Settings of NATS: the servers, and what is kept there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::ServerAddr;
use certs::{Kind, SecretFiles};

use crate::name::RoomName;

/// Settings of NATS: the servers, and what is kept there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NatsSettings {
    /// Servers, `nats://host:port` or `tls://host:port`; whichever answers.
    pub servers: Vec<ServerAddr>,
    /// File with a user's JWT and seed, as `nsc` writes it. Default: none.
    pub credentials: Option<PathBuf>,
    /// Rule for those files. Default: [`SecretFiles::Checked`].
    pub secret_files: SecretFiles,
    /// File whose first line is `user:password`. Default: none.
    pub user_file: Option<PathBuf>,
    /// Authorities to trust instead of the system's, PEM. Default: none.
    pub authorities: Option<PathBuf>,
    /// Name of the stream; also the beginning of its subjects and of the bucket's name. Default: `wss-rooms`.
    pub stream: String,
    /// Time for which messages are kept. Default: 24 hours.
    pub max_age: Duration,
    /// Bytes that the stream may take; beyond it the oldest messages of any room go. Default: 1 GiB.
    pub max_bytes: usize,
    /// Copies of each message, where NATS is a cluster. Default: 1.
    pub replicas: usize,
    /// Time for which `JetStream` itself knows a repeat. Default: 2 minutes, NATS's own.
    pub duplicate_window: Duration,
    /// Time for which members of a silent node are still known. Default: 30 s.
    pub presence_ttl: Duration,
    /// Time for a connection, or for an answer. Default: 2 s.
    pub timeout: Duration,
    /// Interval of NATS' heartbeats; three that are missing end the connection. Default: 1 s.
    pub heartbeat: Duration,
}

/// Cause for which the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A file cannot be read.
    #[error("{what} {}: {source}", path.display())]
    Unreadable {
        /// The purpose of the file.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file with a secret cannot be read, or other users have access to it.
    #[error("{what}: {source}")]
    Secret {
        /// The purpose of the file.
        what: &'static str,
        /// The fault; never the file's content.
        source: certs::Error,
    },
    /// A file does not say what it should.
    #[error("{what} {}: {wrong}", path.display())]
    Unusable {
        /// The purpose of the file.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The fault.
        wrong: &'static str,
    },
    /// The name of the stream.
    #[error("`{0}` cannot name a stream: use 1 to 32 of a-z A-Z 0-9 - _")]
    Stream(String),
    /// A time that is too short to be kept.
    #[error("{what} of {seen:?}, at least {least:?} is needed")]
    TooShort {
        /// Name of the setting.
        what: &'static str,
        /// The value of the setting.
        seen: Duration,
        /// The minimum.
        least: Duration,
    },
    /// No server.
    #[error("no NATS server is named")]
    NoServer,
}

impl NatsSettings {
    /// The defaults, for `servers`.
    pub fn new(servers: Vec<ServerAddr>) -> Self {
        Self {
            servers,
            credentials: None,
            secret_files: SecretFiles::Checked,
            user_file: None,
            authorities: None,
            stream: "wss-rooms".to_owned(),
            max_age: Duration::from_secs(24 * 3600),
            max_bytes: 1 << 30,
            replicas: 1,
            duplicate_window: Duration::from_secs(120),
            presence_ttl: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
            heartbeat: Duration::from_secs(1),
        }
    }

    /// Finds what is wrong before there is a connection.
    pub(super) fn check(&self) -> Result<(), NatsError> {
        if self.servers.is_empty() {
            return Err(NatsError::NoServer);
        }
        let name = &self.stream;
        // The rules for rooms are stricter than those for streams and buckets.
        if name.len() > 32 || name.parse::<RoomName>().is_err() {
            return Err(NatsError::Stream(name.clone()));
        }
        #[rustfmt::skip]
        let cases = [
            ("a life of presence", self.presence_ttl, Duration::from_secs(1)),
            ("patience with NATS", self.timeout, Duration::from_millis(100)),
            ("an age of messages", self.max_age, Duration::from_secs(1)),
            ("a window for repeats", self.duplicate_window, Duration::from_millis(100)),
        ];
        for (what, seen, least) in cases {
            if seen < least {
                return Err(NatsError::TooShort { what, seen, least });
            }
        }
        self.check_credentials()?;
        self.check_authorities()?;
        self.user().map(drop)
    }

    /// The content of the file of credentials.
    pub(super) fn read_credentials(&self) -> Result<Option<String>, NatsError> {
        let path = self.credentials.as_deref();
        path.map(|path| self.read_secret("credentials for NATS", path))
            .transpose()
    }

    /// Reads a file with a secret, under the one rule for those.
    fn read_secret(&self, what: &'static str, path: &Path) -> Result<String, NatsError> {
        let content = certs::read_secret_file(Kind::Secret, path, self.secret_files)
            .map_err(|source| NatsError::Secret { what, source })?;
        String::from_utf8(content).map_err(|_| NatsError::Unusable {
            what,
            path: path.to_owned(),
            wrong: "it is not UTF-8",
        })
    }

    /// Finds out if the file of credentials has a JWT and a seed.
    fn check_credentials(&self) -> Result<(), NatsError> {
        let (Some(path), Some(text)) = (&self.credentials, self.read_credentials()?) else {
            return Ok(());
        };
        let usable = async_nats::ConnectOptions::with_credentials(&text);
        usable.map(drop).map_err(|_| NatsError::Unusable {
            what: "credentials for NATS",
            path: path.clone(),
            wrong: "there must be a JWT and a seed, as nsc writes them",
        })
    }

    /// Finds out if the file of authorities has a certificate.
    fn check_authorities(&self) -> Result<(), NatsError> {
        let what = "authorities for NATS";
        let Some(path) = &self.authorities else {
            return Ok(());
        };
        read(what, path)?;
        certs::load_roots(path)
            .map(drop)
            .map_err(|_| NatsError::Unusable {
                what,
                path: path.clone(),
                wrong: "there must be at least one certificate (PEM)",
            })
    }

    /// Name and password of the user file.
    pub(super) fn user(&self) -> Result<Option<(String, String)>, NatsError> {
        let what = "user and password for NATS";
        let Some(path) = &self.user_file else {
            return Ok(None);
        };
        let text = self.read_secret(what, path)?;
        let line = text.lines().next().unwrap_or_default();
        match line.split_once(':') {
            Some((user, password)) if !user.is_empty() => {
                Ok(Some((user.to_owned(), password.to_owned())))
            }
            _ => Err(NatsError::Unusable {
                what,
                path: path.clone(),
                wrong: "the first line must be user:password",
            }),
        }
    }

    /// The subject of a room; a room's name is always a token of a subject.
    pub(super) fn subject(&self, room: &RoomName) -> String {
        format!("{}.room.{room}", self.stream)
    }

    /// The room of a subject; `None` if it is none of ours.
    pub(super) fn room(&self, subject: &str) -> Option<RoomName> {
        subject
            .strip_prefix(self.stream.as_str())?
            .strip_prefix(".room.")?
            .parse()
            .ok()
    }

    /// The subjects of all rooms.
    pub(super) fn subjects(&self) -> String {
        format!("{}.room.*", self.stream)
    }

    /// Name of the bucket for presence.
    pub(super) fn bucket(&self) -> String {
        format!("{}-presence", self.stream)
    }
}

fn read(what: &'static str, path: &Path) -> Result<String, NatsError> {
    std::fs::read_to_string(path).map_err(|source| NatsError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NatsSettings {
        NatsSettings::new(vec!["nats://localhost".parse().unwrap()])
    }

    #[test]
    fn subjects_are_rooms() {
        let settings = settings();
        let room: RoomName = "Tea_room-1".parse().unwrap();
        let subject = settings.subject(&room);
        assert_eq!(subject, "wss-rooms.room.Tea_room-1");
        assert_eq!(settings.room(&subject), Some(room));
        for other in [
            "wss-rooms.room.",
            "wss-rooms.room.a.b",
            "wss-rooms.other.a",
            "other.room.a",
            "wss-rooms.room.*",
            "",
        ] {
            assert_eq!(settings.room(other), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_work_is_said_at_once() {
        let with = |change: fn(&mut NatsSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(settings().check().is_ok());
        assert!(with(|settings| settings.stream = "a.b".to_owned()).contains("`a.b`"));
        assert!(with(|settings| settings.servers.clear()).contains("no NATS server"));
        let missing = with(|settings| settings.credentials = Some("/nowhere/user.creds".into()));
        assert!(missing.contains("/nowhere/user.creds"), "{missing}");
    }

    #[test]
    fn the_user_file_has_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut settings = settings();
        settings.user_file = Some(file.path().to_owned());
        std::fs::write(file.path(), "ana:se:cret\n").unwrap();
        let user = settings.user().unwrap();
        assert_eq!(user, Some(("ana".to_owned(), "se:cret".to_owned())));
        for wrong in ["", "ana\n", ":secret\n"] {
            std::fs::write(file.path(), wrong).unwrap();
            assert!(settings.check().is_err(), "{wrong:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_refused_without_their_content() {
        use std::os::unix::fs::PermissionsExt;

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2 without a colon\n").unwrap();
        let set: [fn(&mut NatsSettings, PathBuf); 2] = [
            |settings, path| settings.user_file = Some(path),
            |settings, path| settings.credentials = Some(path),
        ];
        for set in set {
            let mut settings = settings();
            set(&mut settings, file.path().to_owned());
            for mode in [0o644, 0o660, 0o604, 0o600] {
                let permissions = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(file.path(), permissions).unwrap();
                let refused = settings.check().err().map(|error| error.to_string());
                let refused = refused.unwrap_or_default();
                assert_eq!(refused.contains("has mode"), mode != 0o600, "{refused}");
                assert!(!refused.contains("hunter2"), "{refused}");
            }
            settings.secret_files = SecretFiles::Insecure;
            let permissions = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            let refused = settings.check().err().map(|error| error.to_string());
            assert!(!refused.unwrap_or_default().contains("has mode"));
        }
    }
}
