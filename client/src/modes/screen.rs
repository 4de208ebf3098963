//! Output above the prompt of the line editor, in order.
//!
//! rustyline's own external printer loses the order when a line is finished while something waits, and blocks whoever
//! prints: with lines typed ahead both threads waited for each other. Here texts wait in a queue, and the thread of the
//! editor alone prints them: within a line when it gets the key [`WAKE`](super::keys::WAKE), else between two lines.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::keyboard::Wake;

/// Bytes that may wait. Whoever prints waits when there are more, and with it the peer.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Columns that rustyline assumes where the terminal tells none.
const COLUMNS: usize = 80;

/// Columns between two tab stops.
const TAB: usize = 8;

/// The screen below which a line is edited. Clones are the same screen.
#[derive(Clone)]
pub(crate) struct Screen {
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
    wake: Wake,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<String>,
    bytes: usize,
    /// No line is edited any more: texts go straight to the terminal.
    is_direct: bool,
}

impl Screen {
    pub(crate) fn new(wake: Wake) -> Self {
        Self {
            waiting: Arc::default(),
            wake,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints lines above the prompt, soon.
    ///
    /// # Errors
    /// The terminal cannot be written to. Only known once no line is edited any more.
    pub(crate) fn print(&self, text: String) -> io::Result<()> {
        let mut waiting = self.lock();
        while !waiting.is_direct && waiting.bytes > MAX_WAITING_BYTES {
            waiting = self
                .waiting
                .1
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.is_direct {
            return write(text.as_bytes());
        }
        waiting.bytes += text.len();
        waiting.texts.push_back(text);
        drop(waiting);
        self.wake.ring();
        Ok(())
    }

    /// Prints what waits, between two lines: the cursor stands at the start of a row.
    pub(crate) fn print_between_lines(&self) {
        self.print_all("", "");
    }

    /// Prints what waits above a line that is being edited: `before` the cursor, and the whole of it, prompt included.
    pub(crate) fn print_above(&self, before: &str, whole: &str) {
        let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
        let columns = if columns == 0 {
            COLUMNS
        } else {
            columns.into()
        };
        let (cursor, end) = (rows(before, columns), rows(whole, columns));
        let mut clear = String::new();
        if cursor > 0 {
            let _ = write!(clear, "\x1b[{cursor}A");
        }
        clear.push_str(if end > 0 { "\r\x1b[J" } else { "\r\x1b[K" });
        // The editor draws its line anew, beginning with clearing the rows that it had: give it such rows.
        let mut rows = "\n".repeat(end);
        if end > cursor {
            let _ = write!(rows, "\x1b[{}A", end - cursor);
        }
        self.print_all(&clear, &rows);
    }

    /// No line is edited any more: prints what waits in place of the prompt, and later texts at once.
    pub(crate) fn set_direct(&self) {
        self.lock().is_direct = true;
        self.print_all("\r\x1b[K", "");
        self.waiting.1.notify_all();
    }

    fn print_all(&self, first: &str, last: &str) {
        // Held while writing, so that nobody prints in between.
        let mut waiting = self.lock();
        self.wake.heeded();
        if waiting.texts.is_empty() {
            return;
        }
        let mut all = String::with_capacity(waiting.bytes + first.len() + last.len());
        all.push_str(first);
        all.extend(waiting.texts.drain(..));
        all.push_str(last);
        waiting.bytes = 0;
        // A terminal that is gone ends the editor's input as well.
        let _ = write(all.as_bytes());
        self.waiting.1.notify_all();
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// The row of the cursor after `text`, as rustyline counts: characters that do not fit begin the next row.
fn rows(text: &str, columns: usize) -> usize {
    use unicode_width::UnicodeWidthChar as _;
    let (mut row, mut column) = (0, 0);
    for c in text.chars() {
        if c == '\n' {
            row += 1;
            column = 0;
            continue;
        }
        let width = match c {
            '\t' => TAB - column % TAB,
            c => c.width().unwrap_or(0),
        };
        column += width;
        if column > columns {
            row += 1;
            column = width;
        }
    }
    row + usize::from(column == columns)
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_are_counted_as_the_editor_does() {
        for (text, columns, row) in [
            ("> ", 80, 0),
            ("> 12345678", 10, 1),
            ("> 1234567", 10, 0),
            ("> 123456789", 10, 1),
            ("> a\nb", 10, 1),
            ("> 1234567日", 10, 1),
            ("> 123456日", 10, 1),
            ("> 12345日", 10, 0),
            ("> a\tb", 10, 0),
        ] {
            assert_eq!(rows(text, columns), row, "{text:?}");
        }
    }
}
