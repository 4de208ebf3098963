//! Settings from four sources: command line, environment, TOML file, defaults.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::argument::{CONFIG, is_setting, takes_value};
use super::contradictions::contradictions;
use super::environment::{Environment, Variable};
use super::error::ConfigError;
use super::file::{self, FileEntry};
use super::suggestion::nearest;
use super::{ByteSize, Config};

/// Source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    CommandLine,
    /// A `WSS_…` variable.
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
    /// Their source.
    pub origin: Origin,
}

/// The settings together with what can be said about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, typed.
    pub config: Config,
    /// Every setting with its origin, in the order of `--help`.
    pub settings: Vec<Setting>,
    /// Variables that have no effect and may have been meant for another program; they fail `check` alone.
    pub unknown_variables: Vec<String>,
    /// Former names of variables, which have no effect.
    pub warnings: Vec<String>,
}

/// A setting that was made in the environment or in the file.
#[derive(Debug)]
struct Made {
    setting: String,
    values: Vec<OsString>,
    origin: Origin,
    /// The variable, or the position in the file.
    place: String,
}

impl Config {
    /// Reads `arguments` (the program's name first), the environment and the file that they name.
    ///
    /// # Errors
    /// A value is not allowed, a flag or a key is unknown, settings contradict each other, or the file cannot be used;
    /// also `--help` and `--version`, which arrive as [`ConfigError::Usage`] with exit code 0.
    pub fn load(arguments: impl IntoIterator<Item = OsString>) -> Result<Loaded, ConfigError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = command().try_get_matches_from(&arguments)?;
        if matches.subcommand().is_some() {
            return Ok(Loaded {
                config: Self::from_arg_matches(&matches)?,
                settings: Vec::new(),
                unknown_variables: Vec::new(),
                warnings: Vec::new(),
            });
        }
        let environment = Environment::read(&command(), std::env::vars_os());
        let mut made: Vec<Made> = environment.variables.into_iter().map(Made::from).collect();
        if let Some(path) = file_of_settings(&matches, &made) {
            made.extend(known(file::read(&path)?)?);
        }
        let (config, settings) = combine(arguments, &matches, made)?;
        Ok(Loaded {
            config,
            settings,
            unknown_variables: environment.unknown,
            warnings: environment.retired,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        command()
            .try_get_matches_from(["server"])
            .and_then(|matches| Self::from_arg_matches(&matches))
            .expect("every option has a default or is optional")
    }
}

impl From<Variable> for Made {
    fn from(variable: Variable) -> Self {
        Self {
            setting: variable.setting,
            values: variable.values,
            origin: Origin::Environment,
            place: format!("environment variable {}", variable.name),
        }
    }
}

/// The file that `--config` names, or its variable.
fn file_of_settings(matches: &ArgMatches, made: &[Made]) -> Option<PathBuf> {
    let of_environment = || {
        let made = made.iter().find(|made| made.setting == CONFIG)?;
        made.values.first().map(PathBuf::from)
    };
    matches.get_one(CONFIG).cloned().or_else(of_environment)
}

/// The entries of the file as settings.
///
/// A file that named another file, a task or the help would be read once and then contradict itself.
fn known(entries: Vec<FileEntry>) -> Result<Vec<Made>, ConfigError> {
    let command = command();
    let settings: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| is_setting(argument))
        .collect();
    let names = || settings.iter().filter_map(|argument| argument.get_long());
    let (mut made, mut wrong) = (Vec::<Made>::new(), Vec::new());
    for entry in entries {
        let FileEntry {
            setting: key,
            values,
            is_array,
            position,
        } = entry;
        let argument = settings.iter().find(|argument| is_called(argument, &key));
        let setting = argument.and_then(|argument| argument.get_long());
        let setting = setting.unwrap_or(&key).to_owned();
        let mut refuse = |reason: String| wrong.push(format!("{position}: `{key}` {reason}"));
        match argument.map(|argument| argument.get_action()) {
            None => {
                let hint = nearest(&key, names());
                let hint =
                    hint.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
                refuse(format!("is not a setting of this server{hint}"));
            }
            Some(ArgAction::Set) if is_array => {
                refuse("has one value, which is no array".to_owned());
            }
            Some(_) if made.iter().any(|earlier| earlier.setting == setting) => {
                refuse("is in the file twice, perhaps once in a table".to_owned());
            }
            Some(_) => made.push(Made {
                values: values.into_iter().map(OsString::from).collect(),
                origin: Origin::File,
                place: position.to_string(),
                setting,
            }),
        }
    }
    if wrong.is_empty() {
        Ok(made)
    } else {
        Err(ConfigError::Invalid(wrong))
    }
}

/// Reports if `key` is the name of an option, or a former one.
fn is_called(argument: &Arg, key: &str) -> bool {
    let former = argument.get_all_aliases().unwrap_or_default();
    argument.get_long() == Some(key) || former.contains(&key)
}

/// Adds to `arguments` what was made elsewhere and is not in `matches` already; the first origin of a setting wins.
fn combine(
    arguments: Vec<OsString>,
    matches: &ArgMatches,
    made: Vec<Made>,
) -> Result<(Config, Vec<Setting>), ConfigError> {
    let (config, settings) = merge(arguments, matches, made)?;
    let given = |name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name);
        setting.is_some_and(|setting| setting.origin != Origin::Default)
    };
    let wrong = contradictions(&config, given);
    if wrong.is_empty() {
        Ok((config, settings))
    } else {
        Err(ConfigError::Invalid(wrong))
    }
}

/// Does the same without looking for contradictions.
fn merge(
    mut arguments: Vec<OsString>,
    matches: &ArgMatches,
    made: Vec<Made>,
) -> Result<(Config, Vec<Setting>), ConfigError> {
    let mut effective: Vec<Made> = Vec::new();
    for made in made {
        let by_flag =
            matches.value_source(&identifier(&made.setting)) == Some(ValueSource::CommandLine);
        if !by_flag
            && effective
                .iter()
                .all(|earlier| earlier.setting != made.setting)
        {
            effective.push(made);
        }
    }
    arguments.extend(effective.iter().flat_map(Made::flags));
    // The arguments alone were good, so whatever is wrong now is in what was made elsewhere.
    let matches = command()
        .try_get_matches_from(&arguments)
        .map_err(|error| ConfigError::Invalid(blame(&effective, &error)))?;
    let mut config = Config::from_arg_matches(&matches)?;
    let mut settings = settings(&matches, &effective);
    follow(&mut config, &mut settings);
    Ok((config, settings))
}

/// Raises the defaults that follow other settings: each connection may carry a WebSocket, and the longest message.
fn follow(config: &mut Config, settings: &mut [Setting]) {
    let (network, websocket) = (&config.network, &mut config.websocket);
    let mut raise = |name, value: &mut usize, followed| raise(settings, name, value, followed);
    let total = websocket.max_websockets.max(network.max_connections);
    raise("max-websockets", &mut websocket.max_websockets, total);
    let one = websocket.max_websockets_per_address;
    let one = one.max(network.max_connections_per_address);
    let one = one.min(websocket.max_websockets);
    let per_address = &mut websocket.max_websockets_per_address;
    raise("max-websockets-per-address", per_address, one);
    let memory = &mut config.memory;
    // A buffer that grows may be twice as large as what is in it.
    let message = ByteSize(websocket.max_message_bytes.0.saturating_mul(2));
    let one = memory.max_buffered_bytes_per_connection.max(message);
    let one = one.min(memory.max_buffered_bytes);
    let per_connection = &mut memory.max_buffered_bytes_per_connection;
    self::raise(
        settings,
        "max-buffered-bytes-per-connection",
        per_connection,
        one,
    );
}

/// Changes the setting called `name` to `followed` unless somebody gave it.
fn raise<T: fmt::Display>(settings: &mut [Setting], name: &str, value: &mut T, followed: T) {
    let setting = settings.iter_mut().find(|setting| setting.name == name);
    if let Some(setting) = setting.filter(|setting| setting.origin == Origin::Default) {
        setting.values = vec![followed.to_string()];
        *value = followed;
    }
}

/// A line with its source for each of `made` that is not accepted alone; `error` if all of them are.
fn blame(made: &[Made], error: &clap::Error) -> Vec<String> {
    let wrong = made.iter().filter_map(|made| {
        let arguments = std::iter::once(OsString::from("server")).chain(made.flags());
        let error = command().try_get_matches_from(arguments).err()?;
        Some(format!("{}: {}", made.place, brief(&error)))
    });
    let lines: Vec<String> = wrong.collect();
    if lines.is_empty() {
        vec![brief(error)]
    } else {
        lines
    }
}

impl Made {
    /// The same on a command line.
    fn flags(&self) -> impl Iterator<Item = OsString> {
        self.values.iter().map(|value| {
            let mut flag = OsString::from(format!("--{}=", self.setting));
            flag.push(value);
            flag
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

/// The options, which read neither environment nor file.
pub(super) fn command() -> Command {
    Config::command()
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
        .filter(|argument| takes_value(argument))
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}

/// The settings that a text would make if it stood in a file and nothing was said elsewhere.
pub(crate) fn from_text(text: &str) -> Result<Config, ConfigError> {
    let made = known(file::parse(Path::new("settings"), text)?)?;
    let arguments = vec![OsString::from("server")];
    let matches = command().try_get_matches_from(&arguments)?;
    combine(arguments, &matches, made).map(|(config, _)| config)
}

/// Every setting with its default.
#[cfg(test)]
pub(super) fn defaults() -> Vec<Setting> {
    let matches = command().try_get_matches_from(["server"]).unwrap();
    settings(&matches, &[])
}

/// Every setting as `entries` of a file make it, whether or not they contradict each other.
#[cfg(test)]
pub(super) fn from_entries(entries: Vec<FileEntry>) -> Result<Vec<Setting>, ConfigError> {
    let arguments = vec![OsString::from("server")];
    let matches = command().try_get_matches_from(&arguments)?;
    merge(arguments, &matches, known(entries)?).map(|(_, settings)| settings)
}

/// Every option with its value and origin.
fn settings(matches: &ArgMatches, made: &[Made]) -> Vec<Setting> {
    let origin = |name: &str| match matches.value_source(&identifier(name)) {
        Some(ValueSource::CommandLine) => {
            let made = made.iter().find(|made| made.setting == name);
            made.map_or(Origin::CommandLine, |made| made.origin)
        }
        _ => Origin::Default,
    };
    let values = |name: &str| {
        let raw = matches.get_raw(&identifier(name)).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned())
            .collect()
    };
    flags()
        .into_iter()
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
        let written: Vec<_> = config
            .network
            .listen
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(written, ["tls://[::]:8443"]);
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
        let address = loaded.config.network.listen[0].tcp();
        assert_eq!(address, Some("127.0.0.1:2".parse().unwrap()));
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
    }

    #[test]
    fn tables_are_beginnings_of_names() {
        let file = file(
            "[rooms]\npolicy = \"latest\"\nkind = [\"tea=disconnect\"]\n[rooms.max]\nmembers = 3\n",
        );
        let loaded = load(&["--config", file.path().to_str().unwrap()]).unwrap();
        let rooms = loaded.config.rooms;
        assert_eq!(rooms.rooms_policy, rooms::Policy::Latest);
        assert_eq!((rooms.rooms_kind.len(), rooms.rooms_max_members), (1, 3));
    }

    #[test]
    fn wrong_value_in_the_file_names_the_file_and_the_key() {
        for (text, part) in [
            ("max-streams = \"many\"", "max-streams"),
            ("listen = 3.5", "listen"),
            ("listen = 1979-05-27", "must be a string"),
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
}
