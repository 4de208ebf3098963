//! The program: settings, logs, signals, exit code.

mod complain;
mod signals;
mod tools;
mod welcome;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tracing::{error, info, warn};

use crate::config::{Config, ConfigError, Loaded, Task};
use crate::log::LogGuard;
use crate::server::Server;
use crate::{demonstrations, listen, log, tls};

use complain::complain;

/// Runs the program with `arguments`, its name first, and gives its exit code: 0 stopped as asked, 1 could not start,
/// 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let program = arguments
        .first()
        .map_or_else(|| "server".into(), PathBuf::from);
    let loaded = match Config::load(arguments) {
        Ok(loaded) => loaded,
        Err(error) => return usage(&error),
    };
    if let Some(tool) = &loaded.config.tool {
        return tools::run(tool);
    }
    match loaded.config.task {
        Task::Run => start(loaded, &program),
        Task::Check => check(&loaded),
        Task::Reference => reference(),
    }
}

/// Says what is wrong with the settings, or what was asked with `--help` and `--version`.
fn usage(error: &ConfigError) -> ExitCode {
    match error {
        ConfigError::Usage(usage) => {
            // If even this cannot be written, the exit code must do.
            let _ = usage.print();
            ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(WRONG_USAGE))
        }
        error => {
            complain(error);
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// Prints every setting with its origin, then what is wrong with them all together.
fn check(loaded: &Loaded) -> ExitCode {
    let mut output = std::io::stdout().lock();
    for setting in &loaded.settings {
        if writeln!(output, "{setting}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    for warning in &loaded.warnings {
        complain(&format_args!("warning: {warning}"));
    }
    for unknown in &loaded.unknown_variables {
        complain(unknown);
    }
    let is_accepted = loaded.unknown_variables.is_empty()
        && (loaded.warnings.is_empty() || !loaded.config.strict);
    match Server::check(&loaded.config) {
        Ok(()) if is_accepted => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(WRONG_USAGE),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints what can be set.
fn reference() -> ExitCode {
    match write!(std::io::stdout().lock(), "{}", Config::reference()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Serves until a signal to stop.
fn start(loaded: Loaded, program: &Path) -> ExitCode {
    tls::gather_entropy();
    let guard = match log::start(&loaded.config.logging) {
        Ok(guard) => guard,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    for warning in loaded.unknown_variables.iter().chain(&loaded.warnings) {
        warn!("{warning}");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the runtime cannot be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(loaded.config, program, &guard)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread where there is one core: handing tasks from thread to thread costs more there than it gains.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Listens and serves; ends after a drain, or at once after a second signal.
async fn serve(config: Config, program: &Path, log: &LogGuard) -> anyhow::Result<()> {
    let listeners = listen::listeners(&config.network)?;
    let welcome = welcome::block(&config, &listeners, program);
    note(&config);
    let server = demonstrations::add(Server::new(config)?);
    let reload = server.reloader();
    let hangups = tokio::spawn(signals::on_hangup(move || {
        info!("SIGHUP: reading certificates and keys for tokens again");
        reload();
    }));
    let (first, second) = signals::stops()?;
    notify(sd_notify::NotifyState::Ready);
    let running = server.run_on(listeners, async {
        // The server listens by now.
        if let Some(welcome) = welcome {
            log.show(&welcome);
        }
        first.await;
        notify(sd_notify::NotifyState::Stopping);
    });
    let outcome = tokio::select! {
        outcome = running => outcome.map(drop).map_err(Into::into),
        () = second => {
            warn!("second signal: stopping at once");
            Ok(())
        }
    };
    hangups.abort();
    outcome
}

/// Reports what operators of a public server may want to switch off.
fn note(config: &Config) {
    if config.routes.demonstrations.is_on() && config.network.is_public() {
        info!(
            "the demonstrations and their pages are served to other networks; --demonstrations off leaves them out"
        );
    }
}

/// Tells the service manager, if there is one.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager could not be notified");
    }
}

/// Exit code for wrong usage or settings.
const WRONG_USAGE: u8 = 2;
