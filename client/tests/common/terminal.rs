//! The program on a pseudo-terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{PATIENCE, RealServer};

/// The program on a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    pub seen: String,
    read: usize,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        command.env("NO_COLOR", "1");
        Self::start_as_is(command)
    }

    pub fn start_as_is(command: Command) -> Self {
        Self::start_typed_ahead(command, b"")
    }

    /// The same, with this typed before the program runs.
    pub fn start_typed_ahead(command: Command, typed: &[u8]) -> Self {
        Self::start_on(command, typed, false)
    }

    /// Standard input and error on a terminal, standard output in a pipe.
    pub fn start_piped(mut command: Command) -> (Self, std::process::ChildStdout) {
        command.stdout(Stdio::piped());
        let mut terminal = Self::start_on(command, b"", true);
        let stdout = terminal.child.stdout.take().unwrap();
        (terminal, stdout)
    }

    fn start_on(mut command: Command, typed: &[u8], is_piped: bool) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap()
        };
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm");
        }
        File::from(master.try_clone().unwrap())
            .write_all(typed)
            .unwrap();
        command
            .stdin(Stdio::from(open()))
            .stderr(Stdio::from(open()));
        if !is_piped {
            command.stdout(Stdio::from(open()));
        }
        let child = command.spawn().unwrap();
        drop(command);
        let keyboard = File::from(master);
        let mut display = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let (mut bytes, mut partial) = ([0; 4096], Vec::new());
            // EIO: the program is gone.
            while let Ok(read @ 1..) = display.read(&mut bytes) {
                partial.extend_from_slice(&bytes[..read]);
                // A character that is cut in two is shown once it is whole.
                let whole = match str::from_utf8(&partial) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => partial.len(),
                };
                if sender.send(partial.drain(..whole).collect()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            seen: String::new(),
            read: 0,
        }
    }

    pub fn session(path: &str, more: &[&str]) -> Self {
        let server = RealServer::get();
        let url = server.url(path);
        let mut arguments = vec![url.as_str()];
        arguments.extend(more);
        let mut terminal = Self::start(server.client(&arguments));
        terminal.expect("/help shows the commands");
        terminal.expect("> ");
        terminal
    }

    pub fn press(&mut self, keys: &str) {
        self.press_bytes(keys.as_bytes());
    }

    pub fn press_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Waits until this is on the screen, after what was found before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            match self
                .screen
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error}: {text:?} is not in {:?}", &self.seen[self.read..]),
            }
        }
    }

    pub fn end(mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < end,
                "the program did not end: {:?}",
                self.seen
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(100)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status.code().unwrap(), self.seen)
    }
}
