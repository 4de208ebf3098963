//! Every mode and option as a page of Markdown, made from the declarations that the program itself reads.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory as _};

use crate::args::{Cli, ENVIRONMENT};
use crate::exit::ExitStatus;

/// The reference of the program, as `client reference` prints it and `client/REFERENCE.md` holds it.
pub(crate) fn reference() -> String {
    let mut program = Cli::command();
    // Gives the subcommands their names in the usage: client bench.
    program.build();
    let modes: Vec<_> = std::iter::once(("talk", program.clone()))
        .chain(
            program
                .get_subcommands()
                .map(|mode| (mode.get_name(), mode.clone())),
        )
        .map(|(name, command)| Mode { name, command })
        .collect();
    let mut page = INTRODUCTION.replace("@SYNTAX@", values::units::SYNTAX);
    for Mode { name, command } in &modes {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").lines().next();
        let usage = escaped(usage.unwrap_or_default());
        row(&mut page, &[name, &format!("`{usage}`"), &meaning(command)]);
    }
    let connecting = modes.iter().filter(|mode| mode.connects()).count();
    for (heading, options) in by_heading(&modes) {
        let _ = write!(page, "\n## {heading}\n\n{TABLE}");
        for option in options {
            option.write(&mut page, connecting);
        }
    }
    page.push_str("\n## Environment\n\n| variable | meaning |\n|---|---|\n");
    for (names, meaning) in ENVIRONMENT {
        row(
            &mut page,
            &[&format!("`{}`", names.replace(", ", "`, `")), meaning],
        );
    }
    page.push_str("\n## Exit status\n\n| status | meaning |\n|---|---|\n");
    for (status, meaning) in ExitStatus::TABLE {
        row(&mut page, &[&status.code().to_string(), meaning]);
    }
    page
}

/// A subcommand, or what the program does without one.
struct Mode<'a> {
    name: &'a str,
    command: Command,
}

impl Mode<'_> {
    fn connects(&self) -> bool {
        self.command
            .get_arguments()
            .any(|argument| argument.get_id() == "proxy")
    }
}

/// An option, with the modes that have it in just this sense.
struct Described {
    spelling: String,
    default: String,
    meaning: String,
    modes: Vec<String>,
}

/// The options under their headings, both in the order in which they are first declared.
fn by_heading(modes: &[Mode<'_>]) -> Vec<(String, Vec<Described>)> {
    let mut headings: Vec<(String, Vec<Described>)> = Vec::new();
    for mode in modes {
        let arguments = mode.command.get_arguments();
        for argument in arguments.filter(|argument| !is_everywhere(argument)) {
            let heading = argument.get_help_heading().unwrap_or(ARGUMENTS).to_owned();
            let at = headings.iter().position(|(known, _)| *known == heading);
            let at = at.unwrap_or_else(|| {
                headings.push((heading, Vec::new()));
                headings.len() - 1
            });
            Described::of(argument).add_to(&mut headings[at].1, mode.name);
        }
    }
    headings
}

impl Described {
    fn of(argument: &Arg) -> Self {
        Self {
            spelling: spelling(argument),
            default: default(argument),
            meaning: help(argument),
            modes: Vec::new(),
        }
    }

    fn add_to(mut self, options: &mut Vec<Self>, mode: &str) {
        let same = options.iter_mut().find(|known| {
            (&known.spelling, &known.default, &known.meaning)
                == (&self.spelling, &self.default, &self.meaning)
        });
        if let Some(known) = same {
            known.modes.push(mode.to_owned());
        } else {
            self.modes.push(mode.to_owned());
            options.push(self);
        }
    }

    /// Appends its row; `connecting` modes are not listed where it is all of them.
    fn write(&self, page: &mut String, connecting: usize) {
        let modes = if self.modes.len() == connecting {
            "all that connect".to_owned()
        } else {
            self.modes.join(", ")
        };
        row(
            page,
            &[&self.spelling, &modes, &self.default, &self.meaning],
        );
    }
}

/// Help and version, which every mode has.
fn is_everywhere(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

/// Returns the option as it is written: `-H, --header <NAME: VALUE>`, `--reconnect[=<N>]`, `[MESSAGE]...`.
fn spelling(argument: &Arg) -> String {
    let value = value(argument);
    let Some(long) = argument.get_long() else {
        return format!("`{value}`");
    };
    let short = argument.get_short();
    let short = short.map_or_else(String::new, |short| format!("-{short}, "));
    if !argument.get_action().takes_values() {
        return format!("`{short}--{long}`");
    }
    if argument.is_require_equals_set() {
        return format!("`{short}--{long}[={value}]`");
    }
    format!("`{short}--{long} {value}`")
}

/// The words that are allowed, or the kind of value.
fn value(argument: &Arg) -> String {
    let words = argument.get_possible_values();
    let words: Vec<_> = words.iter().map(PossibleValue::get_name).collect();
    let names = argument.get_value_names().unwrap_or_default();
    escaped(&if words.is_empty() || words.len() > MOST_WORDS {
        names.join(" ")
    } else {
        words.join("|")
    })
}

/// The default, or that there must be a value; and the variable that stands for the option.
fn default(argument: &Arg) -> String {
    let values = argument.get_default_values().iter();
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    let variable = argument.get_env().map(|name| name.to_string_lossy());
    let variable = variable.map(|name| format!("`{name}`"));
    let fixed = if !argument.get_action().takes_values() {
        None
    } else if argument.is_required_set() {
        Some("required".to_owned())
    } else {
        (!values.is_empty()).then(|| format!("`{}`", values.join(" ")))
    };
    let parts: Vec<_> = variable.into_iter().chain(fixed).collect();
    if parts.is_empty() {
        return "–".to_owned();
    }
    escaped(&parts.join(", else "))
}

/// Returns the text of `--help`, in one paragraph.
fn help(argument: &Arg) -> String {
    let text = argument.get_long_help().or_else(|| argument.get_help());
    one_paragraph(&text.map(ToString::to_string).unwrap_or_default())
}

fn meaning(command: &Command) -> String {
    let text = command.get_long_about().or_else(|| command.get_about());
    one_paragraph(&text.map(ToString::to_string).unwrap_or_default())
}

fn one_paragraph(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    let end = if text.ends_with('.') { "" } else { "." };
    escaped(&(text + end))
        .replace('<', "&lt;")
        .replace('*', "\\*")
}

/// Escapes the characters that would end a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn row(page: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// The heading of what has none: what is not an option.
const ARGUMENTS: &str = "Arguments";
/// Words that a value may be, beyond which its kind says more.
const MOST_WORDS: usize = 6;

const TABLE: &str = "| option | modes | default | meaning |\n|---|---|---|---|\n";

const INTRODUCTION: &str = "\
# Reference of the client
Every mode and option of `client`, written by `client reference` from the same declarations that the program reads; a test fails when this
page is not what the program would print. How the modes are used is shown in [README.md](README.md).

`talk` is what the program does without a subcommand. An option that several modes have in the same sense is listed once, with their names.
@SYNTAX@
A variable of the environment stands where the default does: what the command line says comes before it. Every mode has `--help`, `-h` for a line each, and the program `--version`.

## Modes

| mode | call | meaning |
|---|---|---|
";
