//! The steps that one store needs, and their execution.

use std::io::{self, Write};

use super::program::Invocation;

/// The change that is made to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The CA becomes trusted.
    Trust,
    /// The CA is removed.
    Untrust,
}

/// Steps that one store needs.
#[derive(Debug)]
pub(super) struct Plan {
    /// The store, for people.
    pub(super) store: String,
    pub(super) needs_root: bool,
    pub(super) step: Step,
}

/// The commands of a plan, or the reason why there are none.
#[derive(Debug)]
pub(super) enum Step {
    Run(Vec<Invocation>),
    /// Nothing needs to be done.
    Nothing(String),
    /// Something is missing: what, and how to get it.
    Cannot(String),
}

/// The result in one store.
pub(super) enum Outcome {
    Changed,
    Unchanged,
    Failed,
}

impl Plan {
    /// Writes the commands, each as a line for a shell.
    pub(super) fn print(&self, output: &mut impl Write) -> io::Result<Outcome> {
        match &self.step {
            Step::Run(invocations) => {
                writeln!(output, "# {}", self.store)?;
                self.print_commands(invocations, "", output)?;
                Ok(Outcome::Changed)
            }
            Step::Nothing(reason) => {
                writeln!(output, "# {}: {reason}", self.store)?;
                Ok(Outcome::Unchanged)
            }
            Step::Cannot(reason) => {
                writeln!(output, "# {}: {reason}", self.store)?;
                Ok(Outcome::Failed)
            }
        }
    }

    /// Runs the commands; without the rights to do so, writes them.
    pub(super) fn perform(&self, change: Change, output: &mut impl Write) -> io::Result<Outcome> {
        let store = &self.store;
        let invocations = match &self.step {
            Step::Run(invocations) => invocations,
            Step::Nothing(reason) => {
                writeln!(output, "{store}: {reason}")?;
                return Ok(Outcome::Unchanged);
            }
            Step::Cannot(reason) => {
                writeln!(output, "{store}: {reason}")?;
                return Ok(Outcome::Failed);
            }
        };
        if self.lacks_rights() {
            writeln!(output, "{store}: needs root; run:")?;
            self.print_commands(invocations, "  ", output)?;
            return Ok(Outcome::Unchanged);
        }
        for invocation in invocations {
            if let Err(error) = invocation.run() {
                writeln!(output, "{store}: {error}")?;
                return Ok(Outcome::Failed);
            }
        }
        let done = match change {
            Change::Trust => "trusted",
            Change::Untrust => "no longer trusted",
        };
        writeln!(output, "{store}: {done}")?;
        Ok(Outcome::Changed)
    }

    fn print_commands(
        &self,
        invocations: &[Invocation],
        indent: &str,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let sudo = if self.lacks_rights() { "sudo " } else { "" };
        for invocation in invocations {
            writeln!(output, "{indent}{sudo}{invocation}")?;
        }
        Ok(())
    }

    fn lacks_rights(&self) -> bool {
        self.needs_root && !is_root()
    }
}

/// Tests whether this process may change what belongs to the machine.
#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
