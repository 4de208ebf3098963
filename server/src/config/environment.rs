//! The variables of the environment: those that are settings, and those that look like it.

use std::ffi::OsString;

use clap::{ArgAction, Command};
use values::units::list;

use super::argument::takes_value;
use super::suggestion::nearest;

/// The prefix of every variable of ours.
const PREFIX: &str = "WSS_";
/// The prefix before [`PREFIX`]. Hosting panels, CGI and Kubernetes use it too (`SERVER_NAME`, `SERVER_PORT`), so
/// variables with it are no longer read.
const RETIRED_PREFIX: &str = "SERVER_";

/// A variable that is a setting.
#[derive(Debug)]
pub(super) struct Variable {
    /// Name of the variable.
    pub(super) name: String,
    /// Name of the setting, without dashes.
    pub(super) setting: String,
    /// Its value, or its values if the setting is a list.
    pub(super) values: Vec<OsString>,
}

/// Settings read from the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The settings in it.
    pub(super) variables: Vec<Variable>,
    /// Variables with our prefix that are no setting.
    pub(super) unknown: Vec<String>,
    /// Variables that were settings under their former names.
    pub(super) retired: Vec<String>,
}

/// `max-streams` → `WSS_MAX_STREAMS`.
pub(super) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", suffix(setting))
}

fn suffix(setting: &str) -> String {
    setting.replace('-', "_").to_uppercase()
}

impl Environment {
    /// Sorts `variables` by what they are to `command`.
    ///
    /// An empty variable is an empty list, or an empty value, which no setting allows: a protection must not be lost
    /// because a deployment tool interpolated nothing.
    pub(super) fn read(
        command: &Command,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let settings: Vec<(&str, bool)> = command
            .get_arguments()
            .filter(|argument| takes_value(argument))
            .filter_map(|argument| {
                let repeatable = matches!(argument.get_action(), ArgAction::Append);
                argument.get_long().map(|name| (name, repeatable))
            })
            .collect();
        let mut environment = Self::default();
        let mut retired = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().map(str::to_owned) else {
                continue;
            };
            let of = |prefix| {
                let rest = name.strip_prefix(prefix)?;
                settings.iter().find(|(setting, _)| suffix(setting) == rest)
            };
            match (of(PREFIX), of(RETIRED_PREFIX)) {
                (Some((setting, repeatable)), _) => {
                    environment.variables.push(Variable {
                        name,
                        setting: (*setting).to_owned(),
                        values: values(value, *repeatable),
                    });
                }
                (None, Some((setting, _))) => retired.push((name, *setting)),
                (None, None) if name.starts_with(PREFIX) && !is_foreign(&name) => {
                    environment.unknown.push(unknown(&name, &settings));
                }
                _ => {}
            }
        }
        retired.retain(|(_, setting)| {
            environment
                .variables
                .iter()
                .all(|set| set.setting != *setting)
        });
        let tell = |(name, setting): (String, &str)| {
            format!(
                "the environment variable {name} is not read any more and has no effect: its name is {}",
                variable(setting)
            )
        };
        environment.retired = retired.into_iter().map(tell).collect();
        environment
    }
}

/// The values of a variable; those of a list are separated by commas.
fn values(value: OsString, repeatable: bool) -> Vec<OsString> {
    match value.to_str() {
        Some(text) if repeatable => list(text).into_iter().map(OsString::from).collect(),
        _ => vec![value],
    }
}

/// The sentence about a variable with our prefix that is no setting.
fn unknown(name: &str, settings: &[(&str, bool)]) -> String {
    let known: Vec<String> = settings
        .iter()
        .map(|(setting, _)| variable(setting))
        .collect();
    let hint = nearest(name, known.iter().map(String::as_str));
    let hint = hint.map_or_else(String::new, |known| format!("; did you mean {known}?"));
    format!(
        "the environment variable {name} is not a setting of this server and has no effect{hint}"
    )
}

/// Reports if others set a variable with our prefix: a proxy for `wss` URLs (`WSS_PROXY`), or the links that Kubernetes
/// adds for a service called `wss` or `wss-…` (`WSS_SERVICE_HOST`, `WSS_PORT`, `WSS_PORT_443_TCP_ADDR`).
fn is_foreign(name: &str) -> bool {
    let ports = |rest: &str| {
        let mut words = rest.split('_');
        let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        let protocol = words
            .next()
            .is_some_and(|word| ["TCP", "UDP", "SCTP"].contains(&word));
        let part = words
            .next()
            .is_none_or(|word| ["PROTO", "PORT", "ADDR"].contains(&word));
        number && protocol && part && words.next().is_none()
    };
    let link = name
        .split_once("_PORT_")
        .is_some_and(|(_, rest)| ports(rest));
    name == "WSS_PROXY"
        || name.ends_with("_PORT")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || link
}

#[cfg(test)]
mod tests {
    use super::super::sources::command;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Environment::read(&command(), variables)
    }

    #[test]
    fn lists_are_split_and_single_values_are_not() {
        let environment = read(&[
            ("WSS_ORIGIN_ALLOW", r"https://a.example, https://b.example"),
            ("WSS_LOG_LEVEL", "info,server=debug"),
            ("WSS_CERT", r"/a\,b.pem,/c.pem"),
        ]);
        let values: Vec<_> = environment
            .variables
            .iter()
            .map(|variable| &variable.values)
            .collect();
        assert_eq!(values[0], &["https://a.example", "https://b.example"]);
        assert_eq!(values[1], &["info,server=debug"]);
        assert_eq!(values[2], &["/a,b.pem", "/c.pem"]);
    }

    #[test]
    fn unknown_variables_come_with_a_suggestion() {
        let environment = read(&[("WSS_ORIGIN_ALOW", "x"), ("WSS_XYZZY", "x"), ("HOME", "/")]);
        assert!(environment.variables.is_empty());
        let [similar, other] = environment.unknown.as_slice() else {
            panic!("{:?}", environment.unknown);
        };
        assert!(
            similar.ends_with("did you mean WSS_ORIGIN_ALLOW?"),
            "{similar}"
        );
        assert!(
            other.contains("WSS_XYZZY") && !other.contains("did you mean"),
            "{other}"
        );
    }

    #[test]
    fn foreign_variables_do_not_matter() {
        for name in [
            "SERVER_NAME",
            "SERVER_SOFTWARE",
            "SERVER_PORT",
            "SERVER_ADDR",
            "SERVER_PROTOCOL",
            "SERVER_SIGNATURE",
            "SERVER_SERVICE_HOST",
            "SERVER_PORT_443_TCP",
            "WSS_SERVICE_HOST",
            "WSS_SERVICE_PORT",
            "WSS_SERVICE_PORT_HTTPS",
            "WSS_PORT",
            "WSS_PORT_443_TCP",
            "WSS_PORT_443_TCP_ADDR",
            "WSS_CHAT_SERVICE_HOST",
            "WSS_CHAT_PORT_8443_TCP_PROTO",
            "WSS_PROXY",
            "wss_proxy",
            "WSSX",
            "LISTEN",
        ] {
            let environment = read(&[(name, "tcp://10.0.0.1:443")]);
            let reported = (
                environment.variables,
                environment.unknown,
                environment.retired,
            );
            assert!(
                reported.0.is_empty() && reported.1.is_empty() && reported.2.is_empty(),
                "{name}: {reported:?}"
            );
        }
        for argument in command().get_arguments() {
            let name = variable(argument.get_long().unwrap_or_default());
            assert!(!is_foreign(&name), "{name}");
        }
    }

    #[test]
    fn former_names_are_told_unless_the_new_one_is_set() {
        let environment = read(&[("SERVER_MAX_STREAMS", "7")]);
        assert!(environment.variables.is_empty());
        assert!(
            environment.retired[0].contains("WSS_MAX_STREAMS"),
            "{:?}",
            environment.retired
        );
        let environment = read(&[("SERVER_MAX_STREAMS", "7"), ("WSS_MAX_STREAMS", "8")]);
        assert!(environment.retired.is_empty());
        assert_eq!(environment.variables.len(), 1);
    }
}
