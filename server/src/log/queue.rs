//! Lines of the log on their way to a destination that may be slow: a bounded queue, emptied by a thread of its own.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Queue that lines are put into; clones are the same queue.
///
/// Lines within a hundredth of a second after another are written together: waking the thread for each line, and its
/// write, would cost more than the line.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Inner>);

/// Writes what is left when dropped; as long as it lives, so does the thread.
#[derive(Debug)]
pub(super) struct Worker(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    /// Something was put into the empty queue, or the end has come.
    called: Condvar,
    /// Everything is written and the thread ends.
    finished: Condvar,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
    /// True if the thread waits for a notification.
    is_idle: bool,
    has_ended: bool,
    has_finished: bool,
}

/// A queue in front of `destination`; when it is full, lines are dropped, and `tell` gets their number once there is free space.
///
/// # Errors
/// There can be no further thread.
pub(super) fn queue(
    destination: impl Write + Send + 'static,
    tell: impl Fn(u64) + Send + 'static,
) -> io::Result<(Queue, Worker)> {
    let inner = Arc::new(Inner::default());
    let emptied = Arc::clone(&inner);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || emptied.empty(destination, tell))?;
    Ok((Queue(Arc::clone(&inner)), Worker(inner)))
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line, if there is room.
    fn put(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > QUEUED_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        let is_called = std::mem::take(&mut waiting.is_idle);
        drop(waiting);
        if is_called {
            self.called.notify_one();
        }
    }

    /// Writes what is put, until the end has come and nothing is left.
    fn empty(&self, mut destination: impl Write, tell: impl Fn(u64)) {
        let mut batch = Vec::new();
        let mut waiting = self.lock();
        loop {
            waiting.is_idle = true;
            waiting = self
                .called
                .wait_while(waiting, |waiting| {
                    waiting.lines.is_empty() && !waiting.has_ended
                })
                .unwrap_or_else(PoisonError::into_inner);
            waiting.is_idle = false;
            if waiting.lines.is_empty() {
                waiting.has_finished = true;
                self.finished.notify_all();
                return;
            }
            std::mem::swap(&mut waiting.lines, &mut batch);
            let dropped = std::mem::take(&mut waiting.dropped);
            drop(waiting);
            write(&mut destination, &batch);
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            if dropped > 0 {
                tell(dropped);
            }
            (waiting, _) = self
                .called
                .wait_timeout_while(self.lock(), PAUSE, |waiting| !waiting.has_ended)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes `lines`; one that cannot be written is lost, those after it are tried.
fn write(destination: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match destination.write(lines) {
            Ok(written @ 1..) => lines = &lines[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the destination has made it so that it does not wait.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Ok(0) | Err(_) => {
                let end = lines.iter().position(|&byte| byte == b'\n');
                lines = &lines[end.map_or(lines.len(), |end| end + 1)..];
            }
        }
    }
    // It says nothing that the next write would not.
    let _ = destination.flush();
}

impl Queue {
    /// Appends `text` as one line would be.
    pub(super) fn put(&self, text: &str) {
        self.0.put(text.as_bytes());
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes a whole line in one write.
pub(super) struct Line<'a>(&'a Inner);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.has_ended = true;
        self.0.called.notify_one();
        // A destination that takes nothing does not keep the program from ending.
        let _ = self
            .0
            .finished
            .wait_timeout_while(waiting, PATIENCE, |waiting| !waiting.has_finished);
    }
}

/// Bytes that wait for a slow destination before further lines are dropped.
const QUEUED_BYTES: usize = 4 << 20;
/// Bytes of room that are kept for the next lines.
const KEPT_BYTES: usize = 64 << 10;
/// Time for which lines are gathered before they are written, after one that is written at once.
const PAUSE: Duration = Duration::from_millis(10);
/// Maximum time for writing the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

    use super::*;

    /// A destination that takes what it is given as `permits` allow; shows each write in `taken`.
    struct Slow {
        permits: Receiver<io::Result<usize>>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let permit = self.permits.recv().unwrap_or(Ok(usize::MAX))?;
            let length = permit.min(bytes.len());
            let _ = self.taken.send(bytes[..length].to_vec());
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Rig {
        queue: Queue,
        worker: Worker,
        permits: SyncSender<io::Result<usize>>,
        taken: Receiver<Vec<u8>>,
        reported: Receiver<u64>,
    }

    fn rig() -> Rig {
        let (permits, receive_permits) = sync_channel(100);
        let (take, taken) = channel();
        let (tell, reported) = channel();
        let slow = Slow {
            permits: receive_permits,
            taken: take,
        };
        let (queue, worker) = queue(slow, move |dropped| tell.send(dropped).unwrap()).unwrap();
        Rig {
            queue,
            worker,
            permits,
            taken,
            reported,
        }
    }

    impl Rig {
        /// Ends the queue and gives everything that was written since.
        fn end(self) -> Vec<u8> {
            // Without permits everything is taken.
            drop(self.permits);
            drop(self.worker);
            self.taken.try_iter().flatten().collect()
        }
    }

    #[test]
    fn lines_are_written_in_order_and_at_the_end_all_of_them() {
        let rig = rig();
        let numbers = || (0..1_000).flat_map(|number| format!("{number}\n").into_bytes());
        for number in 0..1_000 {
            rig.queue.0.put(format!("{number}\n").as_bytes());
        }
        assert_eq!(rig.end(), numbers().collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_counted() {
        let rig = rig();
        rig.permits.send(Ok(4)).unwrap();
        rig.queue.0.put(b"one\n");
        assert_eq!(rig.taken.recv().unwrap(), b"one\n");
        // The thread takes the second line out of the queue, and nobody takes it from the thread.
        rig.queue.0.put(b"two\n");
        while !rig.queue.0.lock().lines.is_empty() {
            thread::yield_now();
        }
        let line = vec![b'x'; 1 << 20];
        for _ in 0..7 {
            rig.queue.0.put(&line);
        }
        rig.permits.send(Ok(4)).unwrap();
        assert_eq!(rig.taken.recv().unwrap(), b"two\n");
        rig.permits.send(Ok(usize::MAX)).unwrap();
        assert_eq!(rig.taken.recv().unwrap().len(), 4 << 20);
        assert_eq!(rig.reported.recv().unwrap(), 3);
        rig.queue.0.put(b"three\n");
        assert_eq!(rig.end(), b"three\n");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_alone() {
        let rig = rig();
        rig.permits.send(Ok(2)).unwrap();
        rig.queue.0.put(b"one\ntwo\nthree\nfour\n");
        for failure in [
            ErrorKind::Interrupted,
            ErrorKind::WouldBlock,
            ErrorKind::StorageFull,
        ] {
            rig.permits.send(Err(failure.into())).unwrap();
        }
        rig.permits.send(Ok(4)).unwrap();
        rig.permits.send(Ok(0)).unwrap();
        assert_eq!(rig.end(), b"ontwo\nfour\n");
    }

    #[test]
    fn a_destination_that_takes_nothing_lets_the_program_end() {
        let Rig {
            queue,
            worker,
            permits,
            taken: _taken,
            reported: _reported,
        } = rig();
        queue.0.put(b"one\n");
        drop(worker);
        drop(permits);
    }
}
