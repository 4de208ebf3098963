//! A connection that is open while others are still being opened.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::link::Link;

/// Answers the server's Pings until it is called.
pub(super) struct Waiting {
    call: oneshot::Sender<()>,
    task: JoinHandle<Result<Link, String>>,
}

impl Waiting {
    pub(super) fn new(mut link: Link) -> Self {
        let (call, called) = oneshot::channel();
        let task = tokio::spawn(async move {
            link.wait(async { called.await.unwrap_or_default() })
                .await?;
            Ok(link)
        });
        Self { call, task }
    }

    /// Gives the connection back.
    ///
    /// # Errors
    /// It ended meanwhile, for this reason.
    pub(super) async fn call(self) -> Result<Link, String> {
        let _ = self.call.send(());
        self.task.await.map_err(|error| error.to_string())?
    }
}
