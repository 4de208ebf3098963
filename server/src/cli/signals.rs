//! The signals that the program listens to.

use std::future::Future;

use tracing::info;
#[cfg(unix)]
use tracing::warn;

/// The first and the second signal to stop: SIGINT (Ctrl-C) or SIGTERM.
#[cfg(unix)]
pub(super) fn stops() -> std::io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
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
pub(super) fn stops() -> std::io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let once = || async {
        tokio::signal::ctrl_c().await.unwrap_or_default();
        info!("Ctrl-C");
    };
    Ok((once(), async move {
        once().await;
        once().await;
    }))
}

/// Calls `reload` at every SIGHUP.
#[cfg(unix)]
pub(super) async fn on_hangup(reload: impl Fn()) {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return warn!(%error, "SIGHUP cannot be handled"),
    };
    while hangups.recv().await.is_some() {
        reload();
    }
}

/// There is no SIGHUP here.
#[cfg(not(unix))]
pub(super) async fn on_hangup(_reload: impl Fn()) {}
