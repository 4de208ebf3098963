//! The reasons why settings cannot be used.

use std::path::PathBuf;

/// Cause for which the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line or the environment; the text is clap's, and so is its exit code (help is one of them).
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The file could not be read.
    #[error("cannot read the settings in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {source}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: Box<toml::de::Error>,
    },
    /// Values in the file or the environment are not allowed, or settings contradict each other; a line for each.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}
