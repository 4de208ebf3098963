//! The arguments of the command line that are settings.

use clap::{Arg, ArgAction};

/// Name of the setting that names the file.
pub(super) const CONFIG: &str = "config";

/// Tests whether an argument is a setting: a task, a flag such as `--strict` and the name of the file itself are none.
pub(super) fn is_setting(argument: &Arg) -> bool {
    takes_value(argument) && argument.get_long() != Some(CONFIG)
}

/// Tests whether an argument is an option with a value.
pub(super) fn takes_value(argument: &Arg) -> bool {
    let action = argument.get_action();
    argument.get_long().is_some() && matches!(action, ArgAction::Set | ArgAction::Append)
}
