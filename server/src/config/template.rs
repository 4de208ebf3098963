//! A file of settings to begin with: every setting with its meaning and its default, commented out.

use std::fmt::Write;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction};

use super::Config;
use super::argument::is_setting;
use super::sources::command;

impl Config {
    /// The TOML file that `server config init` writes, made from the declarations that the program reads.
    ///
    /// Every setting is commented out, so that a later version's better default takes effect where nothing else was chosen.
    pub fn template() -> String {
        let mut file = INTRODUCTION.to_owned();
        let mut heading = None;
        let command = command();
        for argument in command
            .get_arguments()
            .filter(|argument| is_setting(argument))
        {
            if heading != argument.get_help_heading() {
                heading = argument.get_help_heading();
                let title = heading.unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = writeln!(file, "\n\n# ===== {title} =====");
            }
            entry(&mut file, argument);
        }
        file
    }
}

/// Appends the meaning of a setting and the line that sets its default.
fn entry(file: &mut String, argument: &Arg) {
    let Some(name) = argument.get_long() else {
        return;
    };
    file.push('\n');
    let help = argument.get_help().unwrap_or_default().to_string();
    for line in wrapped(&help) {
        let _ = writeln!(file, "# {line}");
    }
    let words = argument.get_possible_values();
    if !words.is_empty() {
        let words: Vec<&str> = words.iter().map(PossibleValue::get_name).collect();
        let _ = writeln!(file, "# One of: {}", words.join(", "));
    }
    let is_list = matches!(argument.get_action(), ArgAction::Append);
    let defaults = argument.get_default_values().iter();
    let mut values: Vec<String> = defaults
        .map(|value| written(&value.to_string_lossy()))
        .collect();
    let marker = if values.is_empty() {
        NO_DEFAULT
    } else {
        DEFAULT
    };
    if values.is_empty() {
        let kinds = argument.get_value_names().unwrap_or_default();
        values.push(written(kinds.first().map_or("VALUE", |kind| kind.as_str())));
    }
    let value = if is_list {
        format!("[{}]", values.join(", "))
    } else {
        values.concat()
    };
    let _ = writeln!(file, "{marker}{name} = {value}");
}

/// A value as TOML: a number as it stands, anything else as a string.
fn written(value: &str) -> String {
    let is_number = value
        .parse::<u32>()
        .is_ok_and(|number| number.to_string() == value);
    if is_number {
        value.to_owned()
    } else {
        toml::Value::from(value).to_string()
    }
}

/// The text in lines of at most [`COLUMNS`] characters, except where a word is longer.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Length of a line of text.
const COLUMNS: usize = 98;
/// Begins the line of a setting that has a default.
const DEFAULT: &str = "#";
/// Begins the line of a setting that has none, with the kind of its value in its place.
const NO_DEFAULT: &str = "#? ";

const INTRODUCTION: &str = "\
# Settings of the server, for `server --config FILE`.
#
# Every line is commented out and shows the default; remove `#` and change the value.
# Settings that begin with `#?` have no default: write a value in place of the word in capitals.
# Options on the command line and WSS_ variables take precedence.
# `server check --config FILE` prints the settings in effect with the source of each.
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file;
    use super::super::sources::{defaults, from_entries};
    use super::*;

    /// The template with every default set.
    fn uncommented() -> String {
        let template = Config::template();
        let lines = template
            .lines()
            .map(|line| match line.strip_prefix(DEFAULT) {
                Some(rest) if !rest.starts_with([' ', '?']) => rest,
                _ => line,
            });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn template_sets_the_defaults_and_nothing_else() {
        let entries = file::parse(Path::new("settings.toml"), &uncommented()).unwrap();
        let with_default = defaults()
            .into_iter()
            .filter(|setting| !setting.values.is_empty());
        assert_eq!(entries.len(), with_default.count());
        assert!(entries.len() > 60, "{}", entries.len());
        let settings = from_entries(entries).unwrap();
        for (setting, default) in settings.iter().zip(defaults()) {
            assert_eq!(
                (&setting.name, &setting.values),
                (&default.name, &default.values)
            );
        }
    }

    #[test]
    fn template_as_it_stands_sets_nothing() {
        let entries = file::parse(Path::new("settings.toml"), &Config::template()).unwrap();
        assert!(entries.is_empty(), "{entries:?}");
    }

    #[test]
    fn lines_are_short() {
        let template = Config::template();
        let long = template
            .lines()
            .find(|line| line.chars().count() > COLUMNS + 2);
        assert_eq!(long, None);
    }
}
