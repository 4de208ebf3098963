//! Certificates, protocol versions, client certificates.

use std::path::PathBuf;

use certs::SecretFiles;
use clap::{Args, ValueEnum};

use super::network::positive_time_or_off;
use super::{AcmeOptions, Limit, Switch, TimeSpan};

/// Treatment of clients' certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    /// None is asked for.
    Off,
    /// One is asked for; a client without one is served, one with a bad one is refused.
    Optional,
    /// A client without a good one is refused.
    Required,
}

/// Treatment of a client that names a server for which there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownName {
    /// The first certificate.
    Default,
    /// No handshake (alert `access_denied`).
    Refuse,
}

/// Certificates, protocol versions, client certificates.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
#[non_exhaustive]
pub struct TlsOptions {
    /// Directory of server.crt and server.key; both are made there, with a CA, when both are missing
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub certs: PathBuf,
    /// Certificate chain (PEM) [default: server.crt in --certs]; with --key, repeatable for further names
    #[arg(long, value_name = "FILE")]
    pub cert: Vec<PathBuf>,
    /// Private key (PEM) of the --cert in the same place [default: server.key in --certs]
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Treatment of clients that name an unknown server (SNI)
    #[arg(long, value_enum, default_value = "default")]
    pub unknown_name: UnknownName,
    /// Use files with private keys, shared secrets or passwords even if other users can read or replace them
    #[arg(long, value_enum, default_value = "off")]
    pub insecure_secret_files: Switch,
    /// Interval at which the certificate files are checked for changes and expiry, or `off` (SIGHUP reloads at once)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time_or_off)]
    pub certificate_poll: Limit<TimeSpan>,
    /// Require, request or ignore client certificates
    #[arg(long, value_enum, default_value = "off")]
    pub client_auth: ClientAuth,
    /// CA certificates (PEM) that client certificates must come from
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Refuse TLS 1.2
    #[arg(long, value_enum, default_value = "off")]
    pub tls13_only: Switch,
    /// Let clients resume sessions; the keys of the tickets change every six hours
    #[arg(long, value_enum, default_value = "on")]
    pub session_tickets: Switch,
    /// Certificates from an ACME server.
    #[command(flatten)]
    pub acme: AcmeOptions,
}

impl TlsOptions {
    /// Rule for every file with a secret that the server reads.
    pub(crate) fn secret_files(&self) -> SecretFiles {
        if self.insecure_secret_files.is_on() {
            SecretFiles::Insecure
        } else {
            SecretFiles::Checked
        }
    }
}
