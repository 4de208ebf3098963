//! The tasks of an HTTP/2 connection's streams, which end when a stream is given up.

use std::future::Future;
use std::sync::Arc;

use super::http2::{Http2, Stream};

tokio::task_local! {
    /// The stream whose task this is.
    static CURRENT: Arc<Stream>;
}

/// Runs the streams of one HTTP/2 connection.
///
/// hyper makes a task of each request as soon as the service has been given it, and one more of a WebSocket's output
/// from within that task. A task that is dropped resets its stream (`CANCEL`).
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor(pub(crate) Arc<Http2>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let stream = self.0.take_next();
        let Some(stream) = stream.or_else(|| CURRENT.try_with(Arc::clone).ok()) else {
            tokio::spawn(task);
            return;
        };
        let running = {
            let stream = Arc::clone(&stream);
            async move {
                tokio::select! {
                    biased;
                    () = stream.given_up() => {}
                    _ = task => {}
                }
            }
        };
        tokio::spawn(CURRENT.scope(stream, running));
    }
}
