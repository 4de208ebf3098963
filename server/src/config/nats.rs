//! Settings of NATS, which holds the rooms of several nodes.

use std::ffi::OsStr;
use std::path::PathBuf;

use async_nats::ServerAddr;
use certs::SecretFiles;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use values::units::{at_least, positive_time, up_to};

use super::{ByteSize, Switch, TimeSpan};
use rooms::backplane::NatsSettings;

/// NATS, for rooms on many nodes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rooms on many nodes (NATS)")]
#[non_exhaustive]
pub struct NatsOptions {
    /// NATS server (run with -js) that keeps the rooms, nats://HOST:PORT or tls://HOST:PORT; repeatable, whichever answers
    /// [default: none, rooms are kept in this process]
    #[arg(long, value_name = "URL", value_parser = AddressParser)]
    pub nats: Vec<ServerAddr>,
    /// File with a user's JWT and seed, as nsc writes it [default: none]
    #[arg(long, value_name = "FILE")]
    pub nats_credentials: Option<PathBuf>,
    /// File whose first line is user:password [default: none]
    #[arg(long, value_name = "FILE")]
    pub nats_user_file: Option<PathBuf>,
    /// Authorities that a tls:// server is checked against, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Name of the stream, made when it is not there; also what its subjects and the presence bucket begin with
    #[arg(long, value_name = "NAME", default_value = "wss-rooms")]
    pub nats_stream: String,
    /// Time for which the stream keeps messages; set when it is made, as are the next four
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub nats_max_age: TimeSpan,
    /// Bytes that the stream may take; beyond it the oldest messages of any room go
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = at_least(ByteSize(1)))]
    pub nats_max_bytes: ByteSize,
    /// Copies of everything, where NATS is a cluster
    #[arg(long, value_name = "N", default_value = "1", value_parser = up_to(5))]
    pub nats_replicas: usize,
    /// Time for which NATS itself recognises a repeated message; later ones are looked for among those that are kept
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = positive_time)]
    pub nats_duplicate_window: TimeSpan,
    /// Time for which members of a node count as present without a report from it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_time)]
    pub nats_presence_ttl: TimeSpan,
    /// Time for a connection to NATS, or for an answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive_time)]
    pub nats_timeout: TimeSpan,
    /// Say on /readyz and by gRPC health that this node is not ready while there is no NATS
    #[arg(long, value_enum, default_value = "off")]
    pub nats_required_for_readiness: Switch,
}

impl NatsOptions {
    /// The same as the backplane takes it; `None` when no server is named.
    pub(crate) fn settings(&self, files: SecretFiles) -> Option<NatsSettings> {
        if self.nats.is_empty() {
            return None;
        }
        let mut settings = NatsSettings::new(self.nats.clone());
        settings.credentials.clone_from(&self.nats_credentials);
        settings.user_file.clone_from(&self.nats_user_file);
        settings.secret_files = files;
        settings.authorities.clone_from(&self.nats_ca);
        settings.stream.clone_from(&self.nats_stream);
        settings.max_age = self.nats_max_age.0;
        settings.max_bytes = self.nats_max_bytes.0;
        settings.replicas = self.nats_replicas;
        settings.duplicate_window = self.nats_duplicate_window.0;
        settings.presence_ttl = self.nats_presence_ttl.0;
        settings.timeout = self.nats_timeout.0;
        Some(settings)
    }
}

/// Parses a server's address. Its errors do not repeat the value, as clap's own do, since it may hold a password.
#[derive(Clone, Copy, Debug)]
struct AddressParser;

impl TypedValueParser for AddressParser {
    type Value = ServerAddr;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<ServerAddr, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
        parsed.and_then(address).map_err(|problem| {
            let text = format!("invalid value for '--nats <URL>': {problem}\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// Reads a server's address; a password in it would be seen in lists of processes and in logs.
fn address(text: &str) -> Result<ServerAddr, String> {
    let wrong = || "it is written nats://HOST:PORT or tls://HOST:PORT".to_owned();
    let scheme = text.split_once("://").ok_or_else(wrong)?.0;
    if !["nats", "tls"].contains(&scheme) {
        return Err(wrong());
    }
    let address: ServerAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.host().is_empty() {
        return Err(wrong());
    }
    if address.port() == 0 {
        return Err("the port must be a number from 1 to 65535".to_owned());
    }
    if address.username().is_some() || address.password().is_some() {
        return Err("user and password belong into --nats-user-file".to_owned());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_and_no_password() {
        for good in [
            "nats://localhost",
            "tls://nats.example:4222",
            "nats://[::1]:4222",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for (bad, part) in [
            ("localhost:4222", "it is written"),
            ("ws://localhost", "it is written"),
            ("nats://", "it is written"),
            ("nats://localhost:0", "1 to 65535"),
            ("nats://ana:secret@localhost", "--nats-user-file"),
        ] {
            let error = address(bad).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn errors_do_not_repeat_passwords() {
        for url in [
            "nats://ana:hunter2@localhost",
            "ana:hunter2@localhost",
            "ws://ana:hunter2@localhost",
            "tls://ana:hunter2@local host:x",
        ] {
            let arguments = ["server", "--nats", url].map(Into::into);
            let error = crate::config::Config::load(arguments).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(
                text.contains("--nats") && !text.contains("hunter2"),
                "{text}"
            );
            let file = format!("nats = [\"{url}\"]\n");
            let error = crate::config::from_text(&file).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
