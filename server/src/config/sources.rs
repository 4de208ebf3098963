//! Settings from four places: command line, environment, TOML file, defaults.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::Config;
use super::file::{self, FileValues};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    CommandLine,
    /// A `SERVER_…` variable.
    Environment,
    /// The file of `--config`.
    File,
    /// Nobody named one.
    Default,
}

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name of the flag, without dashes.
    pub name: String,
    /// Its value or values as they were written; empty when there is none.
    pub values: Vec<String>,
    /// Where they came from.
    pub origin: Origin,
}

/// The settings together with what can be said about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, typed.
    pub config: Config,
    /// Every setting with its origin, in the order of `--help`.
    pub settings: Vec<Setting>,
    /// Things that are probably mistakes: unknown keys and variables.
    pub warnings: Vec<String>,
}

/// Why the settings cannot be used.
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
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {source}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// A value in the file is of a kind that no setting has.
    #[error("{}: `{key}` must be a string, a number, true, false or a list of these", path.display())]
    ValueKind {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A value in the file is not allowed.
    #[error("{}: {message}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what is allowed.
        message: String,
    },
}

/// What every variable of ours begins with.
const PREFIX: &str = "SERVER_";

impl Config {
    /// Reads `arguments` (the program's name first), the environment and the file that they name.
    ///
    /// # Errors
    /// A value is not allowed, a flag is unknown, or the file cannot be used; also `--help` and `--version`, which
    /// arrive as [`ConfigError::Usage`] with exit code 0.
    pub fn load(arguments: impl IntoIterator<Item = OsString>) -> Result<Loaded, ConfigError> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = command().try_get_matches_from(&arguments)?;
        let mut warnings = unknown_variables(std::env::vars_os().map(|(name, _)| name));
        let Some(path) = matches.get_one::<PathBuf>("config").cloned() else {
            let settings = settings(&matches, &FileValues::new());
            return Ok(Loaded {
                config: Self::from_arg_matches(&matches)?,
                settings,
                warnings,
            });
        };
        let mut file = file::read(&path)?;
        warnings.extend(drop_unknown(&path, &mut file));
        file.retain(|key, _| {
            matches!(
                matches.value_source(&identifier(key)),
                None | Some(ValueSource::DefaultValue)
            )
        });
        for (key, values) in &file {
            arguments.extend(values.iter().map(|value| format!("--{key}={value}").into()));
        }
        // The arguments alone were good, so whatever is wrong now stands in the file.
        let wrong = |error: clap::Error| ConfigError::Value {
            path: path.clone(),
            message: brief(&error),
        };
        let matches = command().try_get_matches_from(&arguments).map_err(wrong)?;
        let settings = settings(&matches, &file);
        Ok(Loaded {
            config: Self::from_arg_matches(&matches)?,
            settings,
            warnings,
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self.values.as_slice() {
            [] => "(none)".to_owned(),
            values => values.join(", "),
        };
        write!(formatter, "{} = {value}  ({})", self.name, self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CommandLine => "command line",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// The command with a variable for every option.
fn command() -> Command {
    Config::command().mut_args(|argument| match argument.get_long() {
        Some(name) if !["help", "version"].contains(&name) => {
            let variable = variable(name);
            argument.env(variable).hide_env(true)
        }
        _ => argument,
    })
}

/// The command as it is for [`Config::default`].
pub(super) fn command_without_environment() -> Command {
    Config::command()
}

/// `max-streams` → `SERVER_MAX_STREAMS`.
pub(super) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

/// `max-streams` → `max_streams`, clap's name for it.
fn identifier(flag: &str) -> String {
    flag.replace('-', "_")
}

/// Names of all options, without dashes.
fn flags() -> Vec<String> {
    let command = Config::command();
    command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}

/// One warning for each variable that looks like ours and is not.
fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let known: Vec<String> = flags().iter().map(|flag| variable(flag)).collect();
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .map(|name| {
            format!(
                "the environment variable {name} is not a setting of this server and has no effect"
            )
        })
        .collect()
}

/// Removes what no option is called, with one warning each.
fn drop_unknown(path: &Path, file: &mut FileValues) -> Vec<String> {
    // A file that names another file, a task or the help would be read once and then contradict itself.
    let known: Vec<String> = flags()
        .into_iter()
        .filter(|flag| flag != "config")
        .collect();
    let unknown: Vec<String> = file
        .keys()
        .filter(|key| !known.contains(key))
        .cloned()
        .collect();
    for key in &unknown {
        file.remove(key);
    }
    let warn = |key| {
        format!(
            "{}: `{key}` is not a setting of this server and has no effect",
            path.display()
        )
    };
    unknown.into_iter().map(warn).collect()
}

/// The settings that a text would make if it stood in a file and nothing was said elsewhere, with the warnings.
pub(crate) fn from_text(text: &str) -> Result<(Config, Vec<String>), ConfigError> {
    let path = Path::new("settings");
    let mut file = file::parse(path, text)?;
    let warnings = drop_unknown(path, &mut file);
    let values = file.iter().flat_map(|(key, values)| {
        values
            .iter()
            .map(move |value| OsString::from(format!("--{key}={value}")))
    });
    let arguments = std::iter::once(OsString::from("server")).chain(values);
    let matches = command_without_environment().try_get_matches_from(arguments)?;
    Ok((Config::from_arg_matches(&matches)?, warnings))
}

/// Every option with its value and origin.
fn settings(matches: &ArgMatches, file: &FileValues) -> Vec<Setting> {
    let origin = |name: &str| match matches.value_source(&identifier(name)) {
        _ if file.contains_key(name) => Origin::File,
        Some(ValueSource::CommandLine) => Origin::CommandLine,
        Some(ValueSource::EnvVariable) => Origin::Environment,
        _ => Origin::Default,
    };
    let values = |name: &str| {
        let raw = matches.get_raw(&identifier(name)).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned())
            .collect()
    };
    let names = flags()
        .into_iter()
        .filter(|name| !["help", "version"].contains(&name.as_str()));
    names
        .map(|name| Setting {
            values: values(&name),
            origin: origin(&name),
            name,
        })
        .collect()
}

/// clap's first line, without its `error: `.
fn brief(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads `flags` after the program's name.
    fn load(flags: &[&str]) -> Result<Loaded, ConfigError> {
        Config::load(
            std::iter::once("server")
                .chain(flags.iter().copied())
                .map(OsString::from),
        )
    }

    /// A file with `text` in it.
    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// The setting called `name`.
    fn find<'a>(loaded: &'a Loaded, name: &str) -> &'a Setting {
        loaded
            .settings
            .iter()
            .find(|setting| setting.name == name)
            .unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let config = Config::default();
        assert_eq!(config.network.listen.port(), 8443);
        assert!(config.network.listen.ip().is_unspecified() && config.network.listen.is_ipv6());
        assert_eq!(config.websocket.max_message_bytes.0, 1 << 20);
        assert_eq!(config.network.max_connections, 10_000);
    }

    #[test]
    fn flag_wins_over_file_wins_over_default() {
        let file = file(
            "listen = \"127.0.0.1:1\"\nmax_streams = 7\norigin-allow = [\"https://a\", \"https://b\"]\ndeflate = false\n",
        );
        let path = file.path().to_str().unwrap();
        let loaded = load(&["--config", path, "--listen", "127.0.0.1:2"]).unwrap();
        assert_eq!(loaded.config.network.listen.port(), 2);
        assert_eq!(loaded.config.http.max_streams, 7);
        assert!(!loaded.config.deflate.deflate.is_on());
        assert_eq!(
            loaded.config.websocket.origin_allow,
            ["https://a", "https://b"]
        );
        assert_eq!(find(&loaded, "listen").origin, Origin::CommandLine);
        assert_eq!(find(&loaded, "max-streams").origin, Origin::File);
        assert_eq!(find(&loaded, "certs").origin, Origin::Default);
        assert_eq!(
            find(&loaded, "max-streams").to_string(),
            "max-streams = 7  (file)"
        );
        assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn tables_are_beginnings_of_names() {
        let file = file(
            "[rooms]\npolicy = \"latest\"\nkind = [\"tea=disconnect\"]\n[rooms.max]\nmembers = 3\n",
        );
        let loaded = load(&["--config", file.path().to_str().unwrap()]).unwrap();
        let rooms = loaded.config.rooms;
        assert_eq!(rooms.rooms_policy, crate::rooms::Policy::Latest);
        assert_eq!((rooms.rooms_kind.len(), rooms.rooms_max_members), (1, 3));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }

    #[test]
    fn unknown_key_is_warned_about_with_its_file() {
        let file = file("max-conections = 3\nconfig = \"x\"\n");
        let loaded = load(&["--config", file.path().to_str().unwrap()]).unwrap();
        assert_eq!(loaded.warnings.len(), 2);
        assert!(
            loaded
                .warnings
                .iter()
                .any(|warning| warning.contains("max-conections")),
            "{:?}",
            loaded.warnings
        );
    }

    #[test]
    fn wrong_value_in_the_file_names_the_file_and_the_key() {
        for (text, part) in [
            ("max-streams = \"many\"", "max-streams"),
            ("listen = 3.5", "listen"),
            ("a = [", "not valid TOML"),
        ] {
            let file = file(text);
            let error = load(&["--config", file.path().to_str().unwrap()])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(part) && error.contains(file.path().to_str().unwrap()),
                "{error}"
            );
        }
        let error = load(&["--config", "/nonexistent/x.toml"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/x.toml"), "{error}");
    }

    #[test]
    fn unknown_variable_is_warned_about() {
        let names = ["SERVER_LISTEN", "SERVER_LISTENN", "HOME"].map(OsString::from);
        let warnings = unknown_variables(names.into_iter());
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("SERVER_LISTENN"));
    }
}
