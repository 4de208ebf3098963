//! The program: settings, logs, signals, exit code.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use tracing::{error, info, warn};

use crate::config::{Config, ConfigError, Loaded, Task};
use crate::server::Server;
use crate::{demonstrations, listen, log, tls};

/// Runs the program with `arguments`, its name first, and gives its exit code: 0 stopped as asked, 1 could not start,
/// 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let loaded = match Config::load(arguments) {
        Ok(loaded) => loaded,
        Err(error) => return usage(&error),
    };
    match loaded.config.task {
        Task::Run => start(loaded),
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
    match Server::check(&loaded.config) {
        Ok(()) if loaded.unknown_variables.is_empty() => ExitCode::SUCCESS,
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
fn start(loaded: Loaded) -> ExitCode {
    tls::gather_entropy();
    let _guard = match log::start(&loaded.config.logging) {
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
    match runtime.block_on(serve(loaded.config)) {
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
async fn serve(config: Config) -> anyhow::Result<()> {
    let listeners = listen::listeners(&config.network)?;
    let server = demonstrations::add(Server::new(config)?);
    let reload = server.reloader();
    let hangups = tokio::spawn(on_hangup(reload));
    let (first, second) = signals()?;
    notify(sd_notify::NotifyState::Ready);
    let running = server.run_on(listeners, async {
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

/// Tells the service manager, if there is one.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager could not be notified");
    }
}

/// The first and the second signal to stop: SIGINT (Ctrl-C) or SIGTERM.
#[cfg(unix)]
fn signals() -> std::io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::watch;

    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let (count, seen) = watch::channel(0_u8);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => info!("SIGINT"),
                _ = terminate.recv() => info!("SIGTERM"),
            }
            count.send_modify(|count| *count = count.saturating_add(1));
        }
    });
    let wait = |mut seen: watch::Receiver<u8>, number| async move {
        // The task that sends lives as long as the runtime.
        let _ = seen.wait_for(|count| *count >= number).await;
    };
    Ok((wait(seen.clone(), 1), wait(seen, 2)))
}

/// The first and the second Ctrl-C.
#[cfg(not(unix))]
fn signals() -> std::io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let once = || async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    Ok((once(), async move {
        once().await;
        once().await;
    }))
}

/// Reloads the certificates and the keys for tokens at every SIGHUP.
#[cfg(unix)]
async fn on_hangup(reload: impl Fn()) {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return warn!(%error, "SIGHUP cannot be handled"),
    };
    while hangups.recv().await.is_some() {
        info!("SIGHUP: reading certificates and keys for tokens again");
        reload();
    }
}

/// There is no SIGHUP here.
#[cfg(not(unix))]
async fn on_hangup(_reload: impl Fn()) {}

/// One line on standard error, for what happens before there is a log.
fn complain(message: &impl std::fmt::Display) {
    // If even this cannot be written, the exit code must do.
    let _ = writeln!(std::io::stderr(), "server: {message}");
}

/// Exit code for wrong usage or settings.
const WRONG_USAGE: u8 = 2;
