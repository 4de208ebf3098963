//! Programs of the system: where they are, how they are called, and how a call is printed.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Cause for which a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// It could not be started.
    #[error("`{0}` cannot be run: {1}")]
    Start(Invocation, std::io::Error),
    /// It reported a failure.
    #[error("`{0}` failed ({1}): {2}")]
    Failed(Invocation, std::process::ExitStatus, String),
}

impl Invocation {
    /// `program` with `arguments`.
    pub(super) fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// Runs it to its end and returns its standard output.
    pub(super) fn run(&self) -> Result<Vec<u8>, ProgramError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        let output = command.output();
        let output = output.map_err(|error| ProgramError::Start(self.clone(), error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().find(|line| !line.trim().is_empty());
        let line =
            values::escape::Escaped::new(line.unwrap_or("it said nothing").as_bytes()).to_string();
        Err(ProgramError::Failed(self.clone(), output.status, line))
    }
}

impl fmt::Display for Invocation {
    /// A line for a POSIX shell.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", quoted(&self.program.to_string_lossy()))?;
        self.arguments
            .iter()
            .try_for_each(|word| write!(formatter, " {}", quoted(&word.to_string_lossy())))
    }
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:,=+@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The file of the program called `name`: in `PATH`, or where programs of administrators are.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).collect::<Vec<_>>();
    let administrators = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut files = directories
        .iter()
        .chain(&administrators)
        .map(|directory| directory.join(name));
    files.find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_printed_as_a_shell_takes_them() {
        let invocation = Invocation::new(
            "/usr/bin/certutil",
            ["-d", "sql:/home/o'neil/a b", "-t", "C,,", ""],
        );
        assert_eq!(
            invocation.to_string(),
            r"/usr/bin/certutil -d 'sql:/home/o'\''neil/a b' -t C,, ''"
        );
    }

    #[test]
    fn a_failure_has_the_program_and_its_words() {
        let sh = find("sh").unwrap();
        let failed = Invocation::new(sh, ["-c", "echo broken >&2; exit 3"]).run();
        let error = failed.unwrap_err().to_string();
        assert!(
            error.contains("exit 3") && error.ends_with("broken"),
            "{error}"
        );
        let missing = Invocation::new("/nonexistent/tool", [""; 0]).run();
        assert!(
            missing
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/tool")
        );
    }
}
