//! Subcommands that read no settings.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

/// Subcommands that read no settings: neither the environment nor the file of `--config`.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Tool {
    /// Add the development CA to the certificate stores of the system, of Chromium, Firefox and Java
    Trust(TrustOptions),
    /// Remove the development CA from the same stores
    Untrust(TrustOptions),
    /// Write a file of settings to begin with
    #[command(subcommand)]
    Config(ConfigTool),
    /// Print a script for a shell that completes options
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `trust` and `untrust`.
#[derive(Args, Clone, Debug)]
#[non_exhaustive]
pub struct TrustOptions {
    /// Directory of the CA's certificate, ca.crt
    #[arg(long, value_name = "DIR", default_value = "certs", env = "WSS_CERTS")]
    pub certs: PathBuf,
    /// Print the commands and run none of them
    #[arg(long)]
    pub dry_run: bool,
}

/// Subcommands of `config`.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum ConfigTool {
    /// Write a TOML file with every setting, its meaning and its default
    Init {
        /// File to write, which must not exist yet [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}
