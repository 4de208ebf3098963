//! Output for the user: data on standard output, messages about it on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::time::Instant;

use time::OffsetDateTime;
use tungstenite_deflate::tungstenite::Message;

use crate::close::close_name;
use crate::meter::WireMessage;
use crate::record::{Direction, Record, encode, opcode_name};
use crate::style::{ColorChoice, Style};
use crate::{hex, json};
use values::escape::escaped;

/// Framing of messages in a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A line each.
    #[default]
    Lines,
    /// Each ends in a NUL.
    Null,
    /// Each a line of base64.
    Base64,
    /// Each after its length: four bytes, the highest first.
    LengthPrefixed,
}

/// Settings of the output.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each switch of the command line"
)]
pub(crate) struct OutputOptions {
    /// One JSON object an event.
    pub jsonl: bool,
    /// Payloads as they came, on a terminal too.
    pub raw: bool,
    /// Direction, time and sizes of each message.
    pub verbose: bool,
    /// No talk but errors.
    pub quiet: bool,
    /// Use of colour.
    pub color: ColorChoice,
    /// Framing of messages in a pipe.
    pub framing: Framing,
}

/// Writer of data: to standard output, or above the prompt of the line editor.
type Printer = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// Writes events as the user asked for them.
pub(crate) struct Output {
    options: OutputOptions,
    terminal: bool,
    style: Style,
    talk_style: Style,
    printer: Printer,
    /// Talk goes above the prompt as well while a line is being edited.
    talk_above_prompt: bool,
    opened: Instant,
    recording: Option<Box<dyn Write + Send>>,
}

impl Output {
    /// Output to standard output and standard error.
    pub(crate) fn new(options: OutputOptions) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            options,
            terminal,
            style: Style::choose(options.color, terminal),
            talk_style: Style::choose(options.color, io::stderr().is_terminal()),
            printer: Box::new(write_stdout),
            talk_above_prompt: false,
            opened: Instant::now(),
            recording: None,
        }
    }

    /// Prints above the prompt from now on.
    pub(crate) fn set_printer(
        &mut self,
        printer: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) {
        self.printer = Box::new(printer);
        self.talk_above_prompt = io::stderr().is_terminal();
    }

    /// Also writes every event to `file`, one JSON object a line.
    pub(crate) fn set_recording(&mut self, file: impl Write + Send + 'static) {
        self.recording = Some(Box::new(file));
    }

    /// The connection opened now: times count from here.
    pub(crate) fn set_opened(&mut self) {
        self.opened = Instant::now();
    }

    /// Writes a line of data that is no message, such as the exchange's transcript; escaped on a terminal.
    ///
    /// # Errors
    /// Standard output is gone or failed.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        let shown = if self.escapes() {
            marked("", &safe_lines(text))
        } else {
            format!("{text}\n")
        };
        (self.printer)(shown.as_bytes())
    }

    /// Tells the user something, on standard error.
    pub(crate) fn talk(&mut self, text: &str) {
        if !self.options.quiet {
            let line = format!("{}\n", self.talk_style.faint(text));
            self.write_talk(&line);
        }
    }

    /// Tells the user something that only `--verbose` shows.
    pub(crate) fn detail(&mut self, text: &str) {
        if self.options.verbose {
            self.talk(text);
        }
    }

    /// Shows figures that were asked for, on standard error, however quiet it is.
    pub(crate) fn figures(&mut self, text: &str) {
        self.write_talk(&format!("{text}\n"));
    }

    /// Warns the user, on standard error, in red where there is colour.
    pub(crate) fn warn(&mut self, text: &str) {
        let line = format!("{} {text}\n", self.talk_style.alarm("warning:"));
        self.write_talk(&line);
    }

    fn write_talk(&mut self, line: &str) {
        // Nobody is left to tell when standard error fails.
        let _ = if self.talk_above_prompt {
            (self.printer)(line.as_bytes())
        } else {
            io::stderr().lock().write_all(line.as_bytes())
        };
    }

    /// Shows a message that was sent.
    ///
    /// # Errors
    /// Standard output or the recording failed.
    pub(crate) fn sent(&mut self, message: &Message, wire: Option<WireMessage>) -> io::Result<()> {
        self.event(Direction::Sent, message, wire)?;
        if self.options.verbose && !self.options.jsonl {
            let text = Self::heading("→", message, wire);
            self.talk(&text);
        }
        Ok(())
    }

    /// Shows a message that was received.
    ///
    /// # Errors
    /// Standard output or the recording failed.
    pub(crate) fn received(
        &mut self,
        message: &Message,
        wire: Option<WireMessage>,
    ) -> io::Result<()> {
        self.event(Direction::Received, message, wire)?;
        if self.options.jsonl {
            return Ok(());
        }
        if self.options.verbose {
            let text = Self::heading("←", message, wire);
            self.talk(&text);
        }
        match message {
            Message::Text(text) => self.text(text),
            Message::Binary(bytes) => self.binary(bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn event(
        &mut self,
        direction: Direction,
        message: &Message,
        wire: Option<WireMessage>,
    ) -> io::Result<()> {
        if !self.options.jsonl && self.recording.is_none() {
            return Ok(());
        }
        let record = Record::new(self.opened, direction, message, wire);
        let mut line = serde_json::to_vec(&record).map_err(io::Error::other)?;
        line.push(b'\n');
        if let Some(file) = &mut self.recording {
            file.write_all(&line)?;
        }
        if self.options.jsonl {
            (self.printer)(&line)
        } else {
            Ok(())
        }
    }

    /// On a terminal a peer's text must not steer it.
    fn escapes(&self) -> bool {
        self.terminal && !self.options.raw
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        if !self.escapes() {
            return self.framed(text.as_bytes());
        }
        let shown = json::pretty(text, self.style).unwrap_or_else(|| safe_lines(text));
        (self.printer)(marked(RECEIVED, &shown).as_bytes())
    }

    fn binary(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.escapes() {
            return self.framed(bytes);
        }
        let shown = format!(
            "{}\n{}",
            self.style.faint(&format!("binary, {} B", bytes.len())),
            hex::dump(bytes, 4096)
        );
        (self.printer)(marked(RECEIVED, &shown).as_bytes())
    }

    fn framed(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(payload.len() + 4);
        match self.options.framing {
            Framing::Lines | Framing::Null => out.extend_from_slice(payload),
            Framing::Base64 => out.extend_from_slice(encode(payload).as_bytes()),
            Framing::LengthPrefixed => {
                let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(payload);
            }
        }
        match self.options.framing {
            Framing::Lines | Framing::Base64 => out.push(b'\n'),
            Framing::Null => out.push(0),
            Framing::LengthPrefixed => {}
        }
        (self.printer)(&out)
    }

    fn heading(mark: &str, message: &Message, wire: Option<WireMessage>) -> String {
        let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
        let (hour, minute, second, milliseconds) = now.to_hms_milli();
        let mut text = format!(
            "{hour:02}:{minute:02}:{second:02}.{milliseconds:03} {mark} {} {} B",
            opcode_name(message),
            message.len()
        );
        if let Some(wire) = wire {
            let how = if wire.compressed { ", compressed" } else { "" };
            let _ = write!(text, " ({} B on the wire{how})", wire.bytes);
        }
        if let Message::Close(Some(frame)) = message {
            let code = u16::from(frame.code);
            let reason = escaped(&frame.reason);
            let _ = write!(text, " {code} ({}) {reason}", close_name(code));
        }
        text
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// The recording failed.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.recording.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// The mark before received messages on a terminal, where they stand among typed lines.
const RECEIVED: &str = "< ";

/// The lines of a peer's text, each made safe for a terminal.
fn safe_lines(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines = text
        .split('\n')
        .map(|line| escaped(line.strip_suffix('\r').unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines with a mark before the first. The others are indented, so that no text can pretend to be more than itself.
fn marked(mark: &str, lines: &str) -> String {
    format!("{mark}{}\n", lines.replace('\n', "\n  "))
}

fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn shown(options: OutputOptions, terminal: bool, message: &Message) -> String {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut output = Output::new(options);
        output.terminal = terminal;
        output.style = Style::plain();
        let copy = Arc::clone(&seen);
        output.set_printer(move |bytes| {
            copy.lock().unwrap().extend_from_slice(bytes);
            Ok(())
        });
        output.received(message, None).unwrap();
        String::from_utf8(seen.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn terminal_gets_escaped_text_and_pipe_gets_bytes() {
        let message = Message::text("a\nforged\x1b[2J");
        assert_eq!(
            shown(OutputOptions::default(), true, &message),
            "< a\n  forged\\x1b[2J\n"
        );
        for (text, lines) in [
            ("a\r\nb\n", "< a\n  b\n"),
            ("a\rb", "< a\\rb\n"),
            ("a\n\nb", "< a\n  \n  b\n"),
            ("a\n> b", "< a\n  > b\n"),
            ("\u{85}\u{2028}x", "< \\u{85}\\u{2028}x\n"),
            ("", "< \n"),
        ] {
            let message = Message::text(text);
            assert_eq!(shown(OutputOptions::default(), true, &message), lines);
        }
        assert_eq!(
            shown(OutputOptions::default(), false, &message),
            "a\nforged\x1b[2J\n"
        );
        assert_eq!(
            shown(
                OutputOptions {
                    raw: true,
                    ..OutputOptions::default()
                },
                true,
                &message
            ),
            "a\nforged\x1b[2J\n"
        );
    }

    #[test]
    fn framings_differ() {
        let message = Message::text("Olá");
        for (framing, expected) in [
            (Framing::Lines, "Olá\n"),
            (Framing::Null, "Olá\0"),
            (Framing::Base64, "T2zDoQ==\n"),
            (Framing::LengthPrefixed, "\0\0\0\u{4}Olá"),
        ] {
            assert_eq!(
                shown(
                    OutputOptions {
                        framing,
                        ..OutputOptions::default()
                    },
                    false,
                    &message
                ),
                expected
            );
        }
    }
}
