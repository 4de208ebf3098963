//! A row of the threat table as an attack.

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use crate::attack::{Attack, Form};

/// One attack, its bounds, and the settings of the server that it is made on.
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its threats in `THREAT_MODEL.md`, separated by commas.
    pub(crate) threats: &'static str,
    /// The attack in a few words.
    pub(crate) what: &'static str,
    /// Flags of the server, short and long.
    pub(crate) flags: (&'static str, &'static str),
    /// Most MiB by which resident memory may grow.
    pub(crate) growth: u64,
    /// MiB of that which the server may go on holding, because that is what it is for; short and long.
    pub(crate) keeps: (u64, u64),
    /// Most processor time that the server may take for each second of the attackers'.
    pub(crate) cpu: f64,
    /// The attack; says what was seen, or what was wrong.
    pub(crate) run: Run,
}

/// An attack in progress.
pub(crate) type Run = for<'a> fn(&'a Attack<'a>) -> LocalBoxFuture<'a, Result<String>>;

impl Row {
    /// Values that most rows have in common: the server as everybody starts it, which keeps nothing.
    pub(crate) const DEFAULT: Self = Self {
        name: "",
        threats: "",
        what: "",
        flags: ("", ""),
        growth: 0,
        keeps: (0, 0),
        cpu: 10.0,
        run: |_| Box::pin(std::future::ready(Ok(String::new()))),
    };

    /// Flags of the server.
    pub(crate) fn flags(&self, form: Form) -> &'static str {
        form.of(self.flags.0, self.flags.1)
    }

    /// Reports whether `wanted` is its name or one of its threats.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        self.name == wanted
            || self
                .threats
                .split(", ")
                .any(|threat| threat.eq_ignore_ascii_case(wanted))
    }

    /// Bytes that the server may go on holding.
    pub(crate) fn kept(&self, form: Form) -> u64 {
        form.of(self.keeps.0, self.keeps.1) << 20
    }
}
