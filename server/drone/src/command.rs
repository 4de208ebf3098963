//! Commands, and their spelling in a line of text.

use std::fmt;

/// Longest command accepted, in bytes; the longest sensible one has under 100.
pub const MAX_COMMAND_BYTES: usize = 512;

/// Longest single move, in metres: the diagonal of the whole space is less than 300.
pub const MAX_MOVE: f64 = 300.0;

/// Largest single turn, in degrees to either side.
pub const MAX_TURN: f64 = 720.0;

/// Slowest cruising speed, in metres per second.
pub const MIN_SPEED: f64 = 0.5;

/// Fastest cruising speed, in metres per second.
pub const MAX_SPEED: f64 = 15.0;

/// A way to move, seen from the drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Along the nose.
    Forward,
    /// Away from the nose.
    Back,
    /// To the left of the nose.
    Left,
    /// To the right of the nose.
    Right,
    /// Away from the ground.
    Up,
    /// To the ground.
    Down,
}

impl Axis {
    const ALL: [Self; 6] = [
        Self::Forward,
        Self::Back,
        Self::Left,
        Self::Right,
        Self::Up,
        Self::Down,
    ];

    /// The name as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Left => "left",
            Self::Right => "right",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// One command, its numbers already within what can be meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Climb from the ground to the altitude of takeoff.
    Takeoff,
    /// Sink to the ground.
    Land,
    /// Fly so many metres along an axis of the drone.
    Move(Axis, f64),
    /// Turn so many degrees, clockwise when positive.
    Rotate(f64),
    /// Fly to a point, given in metres from the pad.
    Goto(f64, f64, f64),
    /// Set the cruising speed in metres per second.
    Speed(f64),
    /// Brake and hold the position.
    Stop,
    /// Change nothing, tell the state.
    Status,
    /// Change nothing, tell the commands.
    Help,
    /// Say whether this connection is sent telemetry without asking.
    Telemetry(bool),
}

/// The name, the numbers taken, and a line of help, for every command.
#[rustfmt::skip]
pub const COMMANDS: &[(&str, &[&str], &str)] = &[
    ("takeoff", &[], "climb to 2 m"),
    ("land", &[], "sink to the ground"),
    ("forward", &["distance"], "fly that many metres where the nose points"),
    ("back", &["distance"], "fly that many metres backwards"),
    ("left", &["distance"], "fly that many metres to the left"),
    ("right", &["distance"], "fly that many metres to the right"),
    ("up", &["distance"], "climb that many metres"),
    ("down", &["distance"], "sink that many metres"),
    ("rotate", &["angle"], "turn that many degrees, clockwise when positive"),
    ("goto", &["x", "y", "z"], "fly to that point: metres east, north and above the pad"),
    ("speed", &["speed"], "cruise at that many metres per second, 0.5 to 15"),
    ("stop", &[], "brake and hold the place"),
    ("status", &[], "tell the state"),
    ("telemetry", &["on|off"], "send the state by itself while it changes, or not"),
    ("help", &[], "tell the commands"),
];

impl Command {
    /// Reads one line, such as `forward 10`; upper and lower case and extra spaces do not matter.
    ///
    /// # Errors
    /// The line names no command, has the wrong number of numbers, or a number that cannot be meant.
    pub fn from_line(line: &str) -> Result<Self, CommandError> {
        if line.len() > MAX_COMMAND_BYTES {
            return Err(CommandError::TooLong { bytes: line.len() });
        }
        let mut words = line.split_whitespace();
        let name = words
            .next()
            .ok_or(CommandError::Empty)?
            .to_ascii_lowercase();
        let words: Vec<&str> = words.collect();
        let wanted = arguments_of(&name)?;
        if words.len() != wanted.len() {
            return Err(CommandError::ArgumentCount {
                name,
                wanted,
                given: words.len(),
            });
        }
        if name == "telemetry" {
            return match words[0].to_ascii_lowercase().as_str() {
                "on" => Ok(Self::Telemetry(true)),
                "off" => Ok(Self::Telemetry(false)),
                _ => Err(CommandError::NotOnOff {
                    given: excerpt(words[0]),
                }),
            };
        }
        let mut numbers = Vec::with_capacity(words.len());
        for (word, argument) in words.iter().zip(wanted) {
            let number = word.parse().map_err(|_| CommandError::NotANumber {
                argument,
                given: excerpt(word),
            })?;
            numbers.push(number);
        }
        Self::from_numbers(&name, &numbers)
    }

    /// Makes the command called `name` of as many numbers as [`arguments_of`] lists for it.
    ///
    /// # Errors
    /// A number is not finite or outside what can be meant, or there is no such command.
    pub fn from_numbers(name: &str, numbers: &[f64]) -> Result<Self, CommandError> {
        if let Some(axis) = Axis::ALL.into_iter().find(|axis| axis.as_str() == name) {
            let distance = check("distance", numbers, 0, 0.1, MAX_MOVE)?;
            return Ok(Self::Move(axis, distance));
        }
        match name {
            "takeoff" => Ok(Self::Takeoff),
            "land" => Ok(Self::Land),
            "rotate" => Ok(Self::Rotate(check(
                "angle", numbers, 0, -MAX_TURN, MAX_TURN,
            )?)),
            "goto" => Ok(Self::Goto(
                check("x", numbers, 0, -MAX_MOVE, MAX_MOVE)?,
                check("y", numbers, 1, -MAX_MOVE, MAX_MOVE)?,
                check("z", numbers, 2, 0.0, MAX_MOVE)?,
            )),
            "speed" => Ok(Self::Speed(check(
                "speed", numbers, 0, MIN_SPEED, MAX_SPEED,
            )?)),
            "stop" => Ok(Self::Stop),
            "status" => Ok(Self::Status),
            "help" => Ok(Self::Help),
            _ => Err(CommandError::Unknown {
                name: excerpt(name),
            }),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takeoff => f.write_str("takeoff"),
            Self::Land => f.write_str("land"),
            Self::Move(axis, metres) => write!(f, "{} {metres}", axis.as_str()),
            Self::Rotate(degrees) => write!(f, "rotate {degrees}"),
            Self::Goto(x, y, z) => write!(f, "goto {x} {y} {z}"),
            Self::Speed(speed) => write!(f, "speed {speed}"),
            Self::Stop => f.write_str("stop"),
            Self::Status => f.write_str("status"),
            Self::Help => f.write_str("help"),
            Self::Telemetry(on) => write!(f, "telemetry {}", if *on { "on" } else { "off" }),
        }
    }
}

/// The names of the arguments of the command called `name`.
///
/// # Errors
/// There is no such command.
pub fn arguments_of(name: &str) -> Result<&'static [&'static str], CommandError> {
    let found = COMMANDS.iter().find(|(known, ..)| *known == name);
    found
        .map(|(_, arguments, _)| *arguments)
        .ok_or_else(|| CommandError::Unknown {
            name: excerpt(name),
        })
}

/// The number at `index`, if it is within `min` and `max`; not-a-number is within nothing.
fn check(
    argument: &'static str,
    numbers: &[f64],
    index: usize,
    min: f64,
    max: f64,
) -> Result<f64, CommandError> {
    let given = numbers.get(index).copied().unwrap_or(f64::NAN);
    if (min..=max).contains(&given) {
        Ok(given)
    } else {
        Err(CommandError::OutOfRange {
            argument,
            given,
            min,
            max,
        })
    }
}

/// The beginning of what a peer wrote, fit to be sent back: short and without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    let short: String = text
        .chars()
        .take(32)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(32).is_some() {
        short + "…"
    } else {
        short
    }
}

/// Cause for which a message is no command.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// Nothing but white space.
    #[error("empty command; `help` lists the commands")]
    Empty,
    /// Longer than any command.
    #[error("command of {bytes} bytes, at most {MAX_COMMAND_BYTES} are read")]
    TooLong {
        /// Bytes seen.
        bytes: usize,
    },
    /// No command has this name.
    #[error("unknown command `{name}`; `help` lists the commands")]
    Unknown {
        /// The beginning of the name seen.
        name: String,
    },
    /// Too many or too few words after the name.
    #[error("`{name}` takes {}, {given} given", count(wanted))]
    ArgumentCount {
        /// The command.
        name: String,
        /// The arguments it takes.
        wanted: &'static [&'static str],
        /// The number that was given.
        given: usize,
    },
    /// A word where a number belongs.
    #[error("{argument} must be a number, got `{given}`")]
    NotANumber {
        /// The argument.
        argument: &'static str,
        /// The beginning of the word seen.
        given: String,
    },
    /// A word where on or off belongs.
    #[error("telemetry is `on` or `off`, got `{given}`")]
    NotOnOff {
        /// The beginning of the word seen.
        given: String,
    },
    /// A number that cannot be meant.
    #[error("{argument} must be from {min} to {max}, got {given}")]
    OutOfRange {
        /// The argument.
        argument: &'static str,
        /// The number seen.
        given: f64,
        /// Least allowed.
        min: f64,
        /// Greatest allowed.
        max: f64,
    },
    /// Not the JSON object that the subprotocol asks for.
    #[error("{0}")]
    NotAnObject(String),
}

impl CommandError {
    /// A word for programs; the text is for people and may change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Unknown { .. } => "unknown_command",
            Self::ArgumentCount { .. } => "argument_count",
            Self::NotANumber { .. } | Self::NotOnOff { .. } => "argument_type",
            Self::OutOfRange { .. } => "argument_range",
            Self::NotAnObject(_) => "malformed",
        }
    }
}

fn count(wanted: &[&str]) -> String {
    match wanted {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let cases = [
            ("takeoff", Command::Takeoff),
            ("  LAND \r\n", Command::Land),
            ("forward 10", Command::Move(Axis::Forward, 10.0)),
            ("back 0.5", Command::Move(Axis::Back, 0.5)),
            ("left\t5", Command::Move(Axis::Left, 5.0)),
            ("right 1e1", Command::Move(Axis::Right, 10.0)),
            ("up 3", Command::Move(Axis::Up, 3.0)),
            ("down 3", Command::Move(Axis::Down, 3.0)),
            ("rotate -90", Command::Rotate(-90.0)),
            ("goto 1 -2 3.5", Command::Goto(1.0, -2.0, 3.5)),
            ("speed 7", Command::Speed(7.0)),
            ("stop", Command::Stop),
            ("Status", Command::Status),
            ("help", Command::Help),
            ("telemetry ON", Command::Telemetry(true)),
            ("telemetry off", Command::Telemetry(false)),
        ];
        for (line, command) in cases {
            assert_eq!(Command::from_line(line), Ok(command), "{line:?}");
            assert_eq!(
                Command::from_line(&command.to_string()),
                Ok(command),
                "the canonical form of {line:?}"
            );
        }
    }

    #[test]
    fn other_lines_are_refused_with_the_reason() {
        let long = "x".repeat(MAX_COMMAND_BYTES + 1);
        #[rustfmt::skip]
        let cases = [
            ("", "empty", "empty command"),
            (" \n", "empty", "empty command"),
            ("fly", "unknown_command", "unknown command `fly`"),
            ("forward", "argument_count", "`forward` takes distance, 0 given"),
            ("goto 1 2", "argument_count", "`goto` takes x, y, z, 2 given"),
            ("land now", "argument_count", "`land` takes nothing, 1 given"),
            ("forward ten", "argument_type", "distance must be a number, got `ten`"),
            ("forward -1", "argument_range", "distance must be from 0.1 to 300, got -1"),
            ("forward nan", "argument_range", "distance must be from 0.1 to 300, got NaN"),
            ("forward inf", "argument_range", "got inf"),
            ("rotate 721", "argument_range", "angle must be from -720 to 720, got 721"),
            ("speed 0", "argument_range", "speed must be from 0.5 to 15, got 0"),
            ("goto 0 0 -1", "argument_range", "z must be from 0 to 300, got -1"),
            ("telemetry maybe", "argument_type", "telemetry is `on` or `off`, got `maybe`"),
            (&long, "too_long", "command of 513 bytes, at most 512 are read"),
        ];
        for (line, code, text) in cases {
            let error = Command::from_line(line).expect_err(line);
            assert_eq!(error.code(), code, "{line:?}");
            assert!(error.to_string().contains(text), "{line:?}: {error}");
        }
    }

    #[test]
    fn what_is_told_back_is_short_and_printable() {
        assert_eq!(excerpt("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(excerpt(&"é".repeat(40)).chars().count(), 33);
    }

    #[test]
    fn every_listed_command_exists() {
        for (name, arguments, _) in COMMANDS {
            let word = if *name == "telemetry" { "on" } else { "1" };
            let line = [&[*name][..], &vec![word; arguments.len()][..]]
                .concat()
                .join(" ");
            assert!(Command::from_line(&line).is_ok(), "{line}");
        }
    }
}
