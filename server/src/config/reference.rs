//! Every setting as a page of Markdown, made from the declarations that the program itself reads.

use std::fmt::Write;

use clap::{Arg, ArgAction};

use super::Config;
use super::argument::is_setting;
use super::environment::variable;
use super::sources::command;

impl Config {
    /// The reference of all settings, as `server reference` prints it and `server/CONFIGURATION.md` holds it.
    pub fn reference() -> String {
        let mut page = INTRODUCTION.replace("@SYNTAX@", values::units::SYNTAX);
        let mut heading = None;
        let command = command();
        for argument in command
            .get_arguments()
            .filter(|argument| is_setting(argument))
        {
            let name = argument.get_long().unwrap_or_default();
            if heading != argument.get_help_heading() {
                heading = argument.get_help_heading();
                let title = heading.unwrap_or_default();
                page.extend(["\n## ", title, "\n", TABLE]);
            }
            row(&mut page, name, argument);
        }
        page
    }
}

/// Appends the row of one setting.
fn row(page: &mut String, name: &str, argument: &Arg) {
    let (help, stated) = without_default(&argument.get_help().unwrap_or_default().to_string());
    let values = argument.get_default_values().iter();
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    let default = match (values.as_slice(), stated) {
        ([], stated) => stated.unwrap_or_else(|| "none".to_owned()),
        (values, _) => format!("`{}`", values.join(", ")),
    };
    let again = match argument.get_action() {
        ArgAction::Append if !help.contains("repeatable") => "; repeatable",
        _ => "",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "| `--{name} {}` | `{}` | {default} | {}{again} |",
        value(argument),
        variable(name),
        help.replace('|', "\\|"),
    );
}

/// The help, and the default that it tells in words where there is no value.
fn without_default(help: &str) -> (String, Option<String>) {
    let parts = help
        .split_once(" [default: ")
        .and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    match parts {
        Some((before, (default, after))) => (format!("{before}{after}"), Some(default.to_owned())),
        None => (help.to_owned(), None),
    }
}

/// Returns the values that an argument takes: the words that are allowed, or their kind.
fn value(argument: &Arg) -> String {
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|word| word.get_name().to_owned())
        .collect();
    if !words.is_empty() {
        return words.join("\\|");
    }
    let names = argument.get_value_names().unwrap_or_default();
    names.join(" ")
}

const TABLE: &str = "\n| option | variable | default | meaning |\n|---|---|---|---|\n";

const INTRODUCTION: &str = "\
# Settings of the server
Every option of `server`, written by `server reference` from the same declarations that the program reads; a test fails when this page is
not what the program would print.

A value comes from the command line, else from the environment, else from the TOML file that `--config FILE` or `WSS_CONFIG` names, else it
is the default. The key in the file is the option's name without dashes in front (`_` for `-` will do); a table is the beginning of names. What
is repeatable is an array in the file and a comma-separated list in a variable, where `\\,` is a comma within an item.

Unknown options and keys are errors, so are values that can never work and settings that contradict each other. Of the environment only variables
with the prefix `WSS_` are read. An unknown one is a warning, and an error for `server check`, except those that other programs set: `WSS_PROXY` and the service links of
Kubernetes (`WSS_PORT`, `WSS_SERVICE_HOST` …). The former prefix `SERVER_` is not read: `SERVER_NAME` or `SERVER_PORT` belong to others; a former
name of a setting is a warning with the new name.

`server check` validates everything, names the files that cannot be used, and prints each value with its origin; it changes nothing and exits with a
status other than 0 if the server could not run so.

```toml
listen = \"0.0.0.0:443\"
cert = [\"/etc/wss/chat.crt\"]
key = [\"/etc/wss/chat.key\"]
origin-allow = [\"https://chat.example\"]
deflate = true

[rooms]
policy = \"drop-oldest\"
token-key = \"/etc/wss/tokens.pem\"
```
@SYNTAX@
Switches are `on` and `off`, or `true` and `false`. Where `off` is allowed beside a value, it removes the limit.
";
