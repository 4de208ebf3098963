//! The interactive session: a line editor with history and `/` commands; messages appear above the prompt.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use tokio::sync::mpsc;

use crate::command::{self, COMMANDS, Command};
use crate::output::Output;
use crate::session::Input;

/// Lines typed ahead of the connection.
const READ_AHEAD: usize = 16;

/// Most lines kept in the history file.
const MAX_HISTORY: usize = 1000;

/// Prints above the prompt.
type Printer = Arc<Mutex<dyn rustyline::ExternalPrinter + Send>>;

/// Gives the terminal back as it was, whatever the editor was doing, once everything printed is on the screen.
pub(crate) struct Terminal {
    settings: Option<rustix::termios::Termios>,
    printer: Printer,
}

impl Terminal {
    /// Waits until the editor has shown what was printed: it takes one text at a time, so that the second of two that
    /// change nothing is taken only when all before them are on the screen.
    fn flush(&self) {
        let printer = Arc::clone(&self.printer);
        let (done, flushed) = std::sync::mpsc::channel();
        // The editor may be gone, and nobody take them any more.
        std::thread::spawn(move || {
            for _ in 0..3 {
                if print(&printer, NOTHING.to_owned()).is_err() {
                    break;
                }
            }
            let _ = done.send(());
        });
        let _ = flushed.recv_timeout(FLUSH_PATIENCE);
    }
}

/// The cursor up, and down again: the editor ends what it prints with a line feed.
const NOTHING: &str = "\x1b[A\n";

/// The editor shows a text within a millisecond.
const FLUSH_PATIENCE: Duration = Duration::from_millis(500);

impl Drop for Terminal {
    fn drop(&mut self) {
        self.flush();
        if let Some(settings) = &self.settings {
            let _ = rustix::termios::tcsetattr(
                io::stdin(),
                rustix::termios::OptionalActions::Now,
                settings,
            );
            // Bracketed paste off; the prompt's line is over.
            let _ = io::stdout().write_all(b"\x1b[?2004l\n");
            let _ = io::stdout().flush();
        }
    }
}

fn print(printer: &Printer, text: String) -> io::Result<()> {
    printer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .print(text)
        .map_err(io::Error::other)
}

/// Starts the line editor in a thread of its own and sends the output above its prompt.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) fn spawn(
    output: &mut Output,
    history: Option<PathBuf>,
    max_bytes: usize,
) -> io::Result<(mpsc::Receiver<Input>, Terminal)> {
    let settings = rustix::termios::tcgetattr(io::stdin()).ok();
    let config = Config::builder()
        .max_history_size(MAX_HISTORY)
        .and_then(|builder| builder.history_ignore_dups(true))
        .map_err(io::Error::other)?
        .history_ignore_space(true)
        .bracketed_paste(true)
        .auto_add_history(false)
        .build();
    let mut editor: Editor<Commands, FileHistory> =
        Editor::with_config(config).map_err(io::Error::other)?;
    editor.set_helper(Some(Commands {
        files: FilenameCompleter::new(),
    }));
    if let Some(path) = &history {
        // There is none yet at the first session.
        let _ = editor.load_history(path);
    }
    let printer: Printer = Arc::new(Mutex::new(
        editor.create_external_printer().map_err(io::Error::other)?,
    ));
    let terminal = Terminal {
        settings,
        printer: Arc::clone(&printer),
    };
    output.set_printer(move |bytes| print(&printer, String::from_utf8_lossy(bytes).into_owned()));
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        loop {
            let input = match editor.readline("> ") {
                Ok(line) => {
                    remember(&mut editor, &line, history.as_ref());
                    command::parse(line.trim_end_matches(['\r', '\n']), max_bytes)
                        .unwrap_or_else(Input::Bad)
                }
                Err(ReadlineError::Interrupted) => Input::Command(Command::Interrupt),
                // Ctrl-D: the input is over.
                Err(_) => return,
            };
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    Ok((receiver, terminal))
}

/// Keeps a line for later sessions, unless it is empty or marked secret.
fn remember(editor: &mut Editor<Commands, FileHistory>, line: &str, path: Option<&PathBuf>) {
    if line.trim().is_empty() || line.starts_with(' ') || line.starts_with("/secret") {
        return;
    }
    let added = editor.add_history_entry(line).unwrap_or(false);
    if let (true, Some(path)) = (added, path) {
        // A history that cannot be written must not end the session.
        let _ = editor.append_history(path);
    }
}

/// The history file: `CLIENT_HISTORY`, else in `XDG_STATE_HOME` or `~/.local/state`.
pub(crate) fn history_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CLIENT_HISTORY") {
        return Some(path.into());
    }
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let directory = state.join("wss-client");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}

/// Completion of commands and file names.
struct Commands {
    files: FilenameCompleter,
}

impl Completer for Commands {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        if ["/binary ", "/file "]
            .iter()
            .any(|command| before.starts_with(command))
        {
            return self.files.complete(line, position, context);
        }
        if !before.starts_with('/') || before.contains(' ') {
            return Ok((position, Vec::new()));
        }
        let fitting = COMMANDS
            .iter()
            .filter(|(name, ..)| name.starts_with(before) && *name != "//");
        let candidates = fitting.map(|(name, arguments, _)| Pair {
            display: format!("{name} {arguments}"),
            replacement: if arguments.is_empty() {
                (*name).to_owned()
            } else {
                format!("{name} ")
            },
        });
        Ok((0, candidates.collect()))
    }
}

impl Hinter for Commands {
    type Hint = String;
}

impl Highlighter for Commands {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }
}

impl Validator for Commands {}

impl Helper for Commands {}
