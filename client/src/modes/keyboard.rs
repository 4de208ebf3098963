//! The keyboard of an interactive session: everything typed reaches the line editor, in order, as UTF-8.
//!
//! rustyline reads standard input itself and takes the terminal out of raw mode between two lines. What is typed or
//! pasted in such a gap would be echoed, cut into lines and edited by the kernel. So the real terminal stays in raw mode
//! for the whole session, and the editor gets a pseudo-terminal of its own as standard input:
//!
//! ```text
//! terminal ──bytes──→ pump (this file) ──UTF-8──→ pseudo-terminal ──→ standard input of the editor
//!                       ↑ wake: there is something to print ──→ the key WAKE, bound to printing it
//! ```
//! Another editor crate would not need this, but either asks the terminal for its cursor's position, which not every
//! terminal answers (reedline), or has no completion (rustyline-async).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::keys::{Keys, WAKE};

/// The editor did not heed [`WAKE`], amid an escape sequence say: it is sent again.
const AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The real terminal in raw mode; dropping it gives the terminal back as it was.
pub(crate) struct Keyboard {
    terminal: File,
    settings: Termios,
    wake: Wake,
}

/// Tells the pump that there is something to print.
#[derive(Clone)]
pub(crate) struct Wake {
    pipe: Arc<File>,
    state: Arc<WakeState>,
}

#[derive(Default)]
struct WakeState {
    /// The editor has not yet printed what there was.
    is_wanted: AtomicBool,
    is_over: AtomicBool,
}

impl Wake {
    /// There is something to print.
    pub(crate) fn ring(&self) {
        if !self.state.is_wanted.swap(true, Ordering::SeqCst) {
            self.stir();
        }
    }

    /// All of it is printed.
    pub(crate) fn heeded(&self) {
        self.state.is_wanted.store(false, Ordering::SeqCst);
    }

    fn stir(&self) {
        let _ = (&*self.pipe).write_all(b"w");
    }
}

impl Keyboard {
    /// Puts the terminal into raw mode and a pseudo-terminal in place of standard input.
    ///
    /// # Errors
    /// Standard input is no terminal, or there is no pseudo-terminal to be had.
    pub(crate) fn open() -> io::Result<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let settings = tcgetattr(&terminal)?;
        let (editor, master) = pseudo_terminal(&settings)?;
        let (woken, pipe) = io::pipe()?;
        let wake = Wake {
            pipe: Arc::new(File::from(OwnedFd::from(pipe))),
            state: Arc::new(WakeState::default()),
        };
        set_raw(&terminal, &settings)?;
        let keyboard = Self {
            terminal: terminal.try_clone()?.into(),
            settings: settings.clone(),
            wake: wake.clone(),
        };
        let mut pump = Pump {
            // What was typed before now went through the kernel's own line editing.
            keys: Keys::after_line_editing(rustix::io::ioctl_fionread(&terminal)?),
            terminal: terminal.into(),
            settings,
            master,
            woken: File::from(OwnedFd::from(woken)),
            state: Arc::clone(&wake.state),
        };
        rustix::stdio::dup2_stdin(editor)?;
        std::thread::spawn(move || {
            // Whatever ends it closes the editor's terminal, and with that its input.
            let _ = pump.run();
        });
        Ok(keyboard)
    }

    /// Tells the editor to print.
    pub(crate) fn wake(&self) -> Wake {
        self.wake.clone()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.wake.state.is_over.store(true, Ordering::SeqCst);
        self.wake.stir();
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.settings);
    }
}

/// A pseudo-terminal that passes every byte on: the end for the editor, and the end to write to.
fn pseudo_terminal(settings: &Termios) -> io::Result<(OwnedFd, File)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let editor = rustix::fs::open(&*name, flags, rustix::fs::Mode::empty())?;
    set_raw(&editor, settings)?;
    Ok((editor, master.into()))
}

/// Every byte as it is typed, at once; output stays as it is.
fn set_raw(terminal: &OwnedFd, settings: &Termios) -> io::Result<()> {
    use rustix::termios::{InputModes, LocalModes};
    let mut raw = settings.clone();
    raw.input_modes &= !(InputModes::BRKINT
        | InputModes::ICRNL
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::INPCK
        | InputModes::ISTRIP
        | InputModes::IXON);
    raw.local_modes &=
        !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG);
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    // Not `Flush`: what was typed ahead stays.
    Ok(tcsetattr(terminal, OptionalActions::Now, &raw)?)
}

struct Pump {
    terminal: File,
    settings: Termios,
    master: File,
    woken: File,
    state: Arc<WakeState>,
    keys: Keys,
}

impl Pump {
    /// Runs until the session is over or a terminal is gone.
    fn run(&mut self) -> io::Result<()> {
        let mut bytes = [0; 1024];
        let mut is_due = false;
        while !self.state.is_over.load(Ordering::SeqCst) {
            let is_wanted = self.state.is_wanted.load(Ordering::SeqCst);
            let mut fds = [
                PollFd::new(&self.terminal, PollFlags::IN),
                PollFd::new(&self.woken, PollFlags::IN),
            ];
            let none = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let timeout = match (is_due, is_wanted) {
                (true, _) => Some(&none),
                (false, true) => Some(&AGAIN),
                (false, false) => None,
            };
            let ready = match poll(&mut fds, timeout) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            let [has_keys, is_woken] = fds.map(|fd| !fd.revents().is_empty());
            if is_woken {
                let _ = self.woken.read(&mut bytes)?;
                is_due = true;
            }
            if has_keys {
                let read = self.terminal.read(&mut bytes)?;
                if read == 0 {
                    return Ok(());
                }
                self.pass_on(&bytes[..read])?;
            }
            // Between keys, never within a paste: there it would become part of the text.
            if !has_keys && (is_due || ready == 0) && self.keys.is_between() {
                is_due = false;
                if self.state.is_wanted.load(Ordering::SeqCst) {
                    self.master.write_all(&[WAKE])?;
                }
            } else if !has_keys && is_due {
                is_due = false;
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.keys.take(bytes);
            self.master.write_all(&taken.passed)?;
            bytes = &bytes[taken.used..];
            if taken.is_suspend {
                self.suspend()?;
            }
        }
        Ok(())
    }

    /// Ctrl-Z: stops the program with the terminal as the shell knows it, and draws the line again afterwards.
    fn suspend(&mut self) -> io::Result<()> {
        let terminal = self.terminal.as_fd().try_clone_to_owned()?;
        tcsetattr(&terminal, OptionalActions::Now, &self.settings)?;
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        // The signal stops every thread, this one at the latest here.
        std::thread::sleep(Duration::from_millis(10));
        set_raw(&terminal, &self.settings)?;
        self.master.write_all(&[WAKE])
    }
}
