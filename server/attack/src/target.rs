//! The server under attack: the real program as a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;
use values::sync::lock;

use crate::cgroup::Cgroup;
use crate::process::Process;
use crate::token;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    child: Child,
    address: SocketAddr,
    certificates: TempDir,
    flags: Vec<String>,
    log: Arc<Log>,
}

/// Output of the server.
#[derive(Debug, Default)]
struct Log {
    panics: AtomicUsize,
    last: Mutex<VecDeque<String>>,
}

impl Target {
    /// Starts `program` with `flags` on a free port, with fresh certificates, inside `cgroup` if there is one.
    ///
    /// # Errors
    /// It cannot be started, or does not say within a few seconds where it listens.
    pub(crate) fn start(program: &Path, flags: &[String], cgroup: Option<&Cgroup>) -> Result<Self> {
        let certificates = tempfile::tempdir()?;
        let directory = certificates.path();
        token::write_keys(directory)?;
        let given = flags.iter().map(|flag| token::in_place(flag, directory));
        let mut command = match cgroup {
            None => Command::new(program),
            Some(cgroup) => cgroup.command(program),
        };
        command
            .args(["--listen", "127.0.0.1:0", "--certs"])
            .arg(certificates.path())
            .args(given)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WSS_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let log = Arc::<Log>::default();
        let (say, port) = mpsc::channel();
        Log::follow(&log, child.stdout.take(), Some(say));
        Log::follow(&log, child.stderr.take(), None);
        let Ok(port) = port.recv_timeout(START) else {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "{} did not say where it listens: {}",
                program.display(),
                log.tail()
            );
        };
        Ok(Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            certificates,
            flags: flags.to_vec(),
            log,
        })
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CA that its clients trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.certificates.path().join("ca.crt")
    }

    /// The flags that it was started with.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    /// The number of panics in its log.
    pub(crate) fn panics(&self) -> usize {
        self.log.panics.load(Ordering::Relaxed)
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> String {
        self.log.tail()
    }

    /// The status with which it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Lets it hold at most so many descriptors from now on; gives the limit that there was.
    pub(crate) fn limit_descriptors(&self, most: u64) -> Result<u64> {
        // It has inherited our own hard limit, which once lowered could not be raised again.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: Some(most),
            maximum,
        };
        let old = prlimit(Some(self.pid()?), Resource::Nofile, limit)?;
        old.current
            .context("the server had no limit of descriptors")
    }

    fn pid(&self) -> Result<Pid> {
        let id = i32::try_from(self.child.id())?;
        Pid::from_raw(id).context("the server's id is 0")
    }

    /// Tells it to stop, and waits for that.
    ///
    /// # Errors
    /// It does not end by itself, or with an exit code other than 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        if self.ended().is_none() {
            self.signal(Signal::TERM)?;
        }
        let begun = Instant::now();
        loop {
            match self.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("ended with {status}: {}", self.log.tail()),
                None if begun.elapsed() > STOP => bail!("did not stop within {STOP:?}"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    /// Reads `output` to its end in a thread; the port that it names goes to `say`.
    fn follow(
        log: &Arc<Self>,
        output: Option<impl Read + Send + 'static>,
        mut say: Option<mpsc::Sender<u16>>,
    ) {
        let Some(output) = output else { return };
        let log = Arc::clone(log);
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if let Some(port) = port(&line)
                    && let Some(say) = say.take()
                {
                    // Whoever asked may have given up.
                    let _ = say.send(port);
                }
                log.add(line);
            }
        });
    }

    fn add(&self, line: String) {
        if line.contains("panicked") {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        let mut last = lock(&self.last);
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }

    fn tail(&self) -> String {
        let last = lock(&self.last);
        last.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The port in the line that tells that the server is listening.
fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("rodando na porta ")?;
    rest.split("...").next()?.parse().ok()
}

/// Longest wait for the line that names the port.
const START: Duration = Duration::from_secs(20);
/// Longest wait for the end after SIGTERM.
const STOP: Duration = Duration::from_secs(20);
/// Lines of the log that are kept to be shown.
const KEPT_LINES: usize = 12;
