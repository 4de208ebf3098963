//! `on` and `off`.

use clap::ValueEnum;

/// `on` or `off`, for settings that read better so than as `true` and `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// The behaviour is wanted.
    #[value(alias = "true")]
    On,
    /// The behaviour is not wanted.
    #[value(alias = "false")]
    Off,
}

impl Switch {
    /// Returns true for `on`.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}
