//! The interactive session: a line editor with history and `/` commands; messages appear above the prompt.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    Helper, KeyEvent, Modifiers, Movement, RepeatCount,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::keyboard::Keyboard;
use super::keys::WAKE;
use super::screen::Screen;
use crate::command::{self, COMMANDS, Command, Input};
use crate::output::Output;

/// Lines typed ahead of the connection.
const READ_AHEAD: usize = 256;

/// Most lines kept in the history file.
const MAX_HISTORY: usize = 1000;

const PROMPT: &str = "> ";

/// Time for which a lone Escape waits for the rest of a sequence, in milliseconds.
const ESCAPE_TIME: u16 = 50;

/// Interval between two looks for capacity when lines come faster than they can be sent.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Gives the terminal back as it was, whatever the editor was doing, once everything printed is on the screen.
pub(crate) struct Terminal {
    screen: Screen,
    /// Dropped after the screen was printed.
    _keyboard: Keyboard,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.screen.set_direct();
        // Bracketed paste off.
        let _ = self.screen.print("\x1b[?2004l".into());
    }
}

/// Reports whether the line editor can be used: it reads from a terminal and draws on one that knows how.
pub(crate) fn is_possible() -> bool {
    use std::io::IsTerminal as _;
    let is_plain = std::env::var("TERM").is_ok_and(|term| {
        ["dumb", "cons25", "emacs"]
            .iter()
            .any(|plain| term.eq_ignore_ascii_case(plain))
    });
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_plain
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
    let keyboard = Keyboard::open()?;
    let screen = Screen::new(keyboard.wake());
    let mut editor = editor(&screen)?;
    if let Some(path) = &history {
        // There is none yet at the first session.
        let _ = editor.load_history(path);
    }
    let printing = screen.clone();
    output.set_printer(move |bytes| printing.print(String::from_utf8_lossy(bytes).into_owned()));
    let terminal = Terminal {
        screen: screen.clone(),
        _keyboard: keyboard,
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        read_lines(editor, history.as_ref(), max_bytes, &screen, &sender);
        screen.set_direct();
    });
    Ok((receiver, terminal))
}

fn editor(screen: &Screen) -> io::Result<Editor<Commands, FileHistory>> {
    let config = Config::builder()
        .max_history_size(MAX_HISTORY)
        .and_then(|builder| builder.history_ignore_dups(true))
        .map_err(io::Error::other)?
        // A line that begins with a space is not kept, as in shells.
        .history_ignore_space(true)
        .keyseq_timeout(Some(ESCAPE_TIME))
        .bracketed_paste(true)
        .auto_add_history(false)
        .build();
    let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
    editor.set_helper(Some(Commands {
        files: FilenameCompleter::new(),
    }));
    let wake = KeyEvent::new(WAKE.into(), Modifiers::NONE);
    let keys: [(KeyEvent, Box<dyn ConditionalEventHandler>); 3] = [
        (wake, Box::new(PrintAbove(screen.clone()))),
        (KeyEvent::ctrl('C'), Box::new(ClearOrInterrupt)),
        (
            KeyEvent::new('\t', Modifiers::NONE),
            Box::new(CompleteOrInsert),
        ),
    ];
    for (key, handler) in keys {
        editor.bind_sequence(key, EventHandler::Conditional(handler));
    }
    Ok(editor)
}

/// Reads lines until the end of the input, or until nobody wants them any more.
fn read_lines(
    mut editor: Editor<Commands, FileHistory>,
    history: Option<&PathBuf>,
    max_bytes: usize,
    screen: &Screen,
    sender: &mpsc::Sender<Input>,
) {
    loop {
        screen.print_between_lines();
        let mut input = match editor.readline(PROMPT) {
            Ok(line) => {
                remember(&mut editor, &line, history);
                command::parse(line.trim_end_matches(['\r', '\n']), max_bytes)
                    .unwrap_or_else(Input::Bad)
            }
            Err(ReadlineError::Interrupted) => Input::Command(Command::Interrupt),
            // Ctrl-D: the input is over.
            Err(ReadlineError::Eof) => return,
            Err(error) => Input::Failed(format!("the terminal cannot be read: {error}")),
        };
        let is_last = matches!(input, Input::Failed(_));
        // Never waits without printing: whoever takes the lines may itself wait for the screen.
        while let Err(TrySendError::Full(again)) = sender.try_send(input) {
            input = again;
            screen.print_between_lines();
            std::thread::sleep(LOOK_AGAIN);
        }
        if is_last || sender.is_closed() {
            return;
        }
    }
}

/// [`WAKE`]: prints what waits and draws the line again below it.
struct PrintAbove(Screen);

impl ConditionalEventHandler for PrintAbove {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let (line, position) = (context.line(), context.pos());
        let before = format!("{PROMPT}{}", &line[..position]);
        self.0.print_above(&before, &format!("{PROMPT}{line}"));
        Some(Cmd::Repaint)
    }
}

/// Ctrl-C: clears the line first; on an empty one it interrupts.
struct ClearOrInterrupt;

impl ConditionalEventHandler for ClearOrInterrupt {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        Some(if context.line().is_empty() {
            Cmd::Interrupt
        } else {
            Cmd::Kill(Movement::WholeBuffer)
        })
    }
}

/// Tab: completes commands; within a text it is a character, for a terminal may paste it without saying so.
struct CompleteOrInsert;

impl ConditionalEventHandler for CompleteOrInsert {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let is_command = context.line().starts_with('/') && !context.line().starts_with("//");
        Some(if is_command {
            Cmd::Complete
        } else {
            Cmd::Insert(1, "\t".into())
        })
    }
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
