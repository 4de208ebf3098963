//! Conditions after each attack: the server echoes, and has given back what the attack made it take.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{sleep, timeout};

use crate::dial::Dialler;
use crate::socket::{Socket, frame};
use crate::target::Target;

/// The server's state before an attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Descriptors that it holds.
    pub(crate) descriptors: usize,
}

impl Before {
    /// Looks at the server now.
    pub(crate) fn look(target: &Target) -> Result<Self> {
        Ok(Self {
            resident: target.process().resident()?,
            descriptors: target.process().descriptors()?,
        })
    }

    /// Resident memory that is not too much after an attack.
    fn resident_allowed(&self) -> u64 {
        self.resident + self.resident / 10 + (8 << 20)
    }
}

/// Sends a word on a fresh connection and waits for it to come back.
///
/// # Errors
/// It did not within a second.
pub(crate) async fn echoes(dial: &Dialler) -> Result<()> {
    let echo = async {
        let mut socket = Socket::open(dial, "/echo", "").await?;
        socket.send(&frame(0x81, b"canary")).await?;
        let answer = socket.next().await?.context("closed without an echo")?;
        ensure!(&answer.payload[..] == b"canary", "echoed something else");
        Ok(())
    };
    timeout(Duration::from_secs(1), echo)
        .await
        .context("a fresh connection was not echoed within a second")?
}

/// Checks everything; memory and descriptors have ten seconds to come back.
///
/// # Errors
/// Names the condition that does not hold.
pub(crate) async fn sings(target: &mut Target, dial: &Dialler, before: Before) -> Result<()> {
    if let Some(status) = target.ended() {
        bail!("the server ended with {status}: {}", target.last_lines());
    }
    echoes(dial).await?;
    let begun = Instant::now();
    loop {
        let now = Before::look(target)?;
        let memory = now.resident <= before.resident_allowed();
        let descriptors = now.descriptors <= before.descriptors;
        if memory && descriptors {
            break;
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "after 10 s {} KiB resident (before: {}, allowed {}), {} descriptors (before: {})",
            now.resident >> 10,
            before.resident >> 10,
            before.resident_allowed() >> 10,
            now.descriptors,
            before.descriptors
        );
        sleep(Duration::from_millis(50)).await;
    }
    ensure!(
        target.panics() == 0,
        "the log tells of a panic: {}",
        target.last_lines()
    );
    Ok(())
}
