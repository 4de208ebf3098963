//! The subcommands that read no settings.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use super::complain::complain;
use crate::config::{Config, ConfigTool, Tool, TrustOptions};
use crate::trust::{self, Change};

/// Runs one and gives the program's exit code.
pub(super) fn run(tool: &Tool) -> ExitCode {
    match tool {
        Tool::Trust(options) => change(Change::Trust, options),
        Tool::Untrust(options) => change(Change::Untrust, options),
        Tool::Config(ConfigTool::Init { output }) => done(template(output.as_deref())),
        Tool::Completions { shell } => done(completions(*shell)),
        Tool::Man => done(manual()),
    }
}

/// Adds the CA to the stores, or removes it; fails if that failed anywhere.
fn change(change: Change, options: &TrustOptions) -> ExitCode {
    match trust::run(change, options, &mut io::stdout().lock()) {
        Ok(summary) if summary.failed == 0 => {
            if summary.changed > 0 && !options.dry_run {
                complain(&"restart the browsers that are open");
            }
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes the file of settings; one that exists is left alone.
fn template(path: Option<&Path>) -> io::Result<()> {
    let Some(path) = path else {
        return print(Config::template().as_bytes());
    };
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(named)?;
    file.write_all(Config::template().as_bytes()).map_err(named)
}

fn completions(shell: clap_complete::Shell) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Config::command(), "server", &mut script);
    print(&script)
}

fn manual() -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Config::command()).render(&mut page)?;
    print(&page)
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text)?;
    output.flush()
}

fn done(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}
