//! Dialling again: how often, and how long to wait in between.

use std::time::Duration;

use crate::connect::{Connection, Settings, connect};
use crate::error::ConnectError;
use crate::exit::ExitStatus;

/// Waits between attempts: doubled from 0.5 s to 30 s, each shortened by up to half at random, so that the clients of
/// a server that was restarted do not all come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    most: u32,
    made: u32,
}

impl Backoff {
    /// At most `most` attempts in a row.
    pub fn new(most: u32) -> Self {
        Self { most, made: 0 }
    }

    /// The wait before the next attempt; `None` when there were enough.
    pub fn next_wait(&mut self) -> Option<Duration> {
        if self.made >= self.most {
            return None;
        }
        let full = FIRST_WAIT
            .saturating_mul(1 << self.made.min(16))
            .min(LONGEST_WAIT);
        self.made += 1;
        Some(full.mul_f64(rand::random_range(0.5..=1.0)))
    }

    /// The connection works: the next loss starts with a short wait again.
    pub fn reset(&mut self) {
        self.made = 0;
    }

    /// Another attempt would be made.
    pub(crate) fn has_attempts(&self) -> bool {
        self.made < self.most
    }

    /// Attempts made in a row.
    pub fn attempts(&self) -> u32 {
        self.made
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Dials until it succeeds, the backoff gives up, or an attempt fails for a reason that waiting does not mend (a wrong
/// certificate, a wrong path). `announce` gets the error, the wait and the number of each failed attempt.
///
/// # Errors
/// The error of the last attempt. Cancel safe: dropping the future stops dialling.
pub async fn connect_with_backoff(
    settings: &Settings,
    backoff: &mut Backoff,
    mut announce: impl FnMut(&ConnectError, Duration, u32),
) -> Result<Connection, ConnectError> {
    loop {
        match connect(settings).await {
            Ok(connection) => return Ok(connection),
            Err(error) => match backoff.next_wait().filter(|_| is_worth_retrying(&error)) {
                Some(wait) => {
                    announce(&error, wait, backoff.attempts());
                    tokio::time::sleep(wait).await;
                }
                None => return Err(error),
            },
        }
    }
}

fn is_worth_retrying(error: &ConnectError) -> bool {
    match error {
        ConnectError::Handshake { fault, .. } => {
            let status = fault.response.as_ref().and_then(crate::head::Head::status);
            status.is_none_or(|status| [429, 502, 503, 504].contains(&status))
        }
        error => [
            ExitStatus::NoConnection,
            ExitStatus::TimedOut,
            ExitStatus::ProxyRefused,
        ]
        .contains(&error.status()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_up_to_a_bound() {
        let mut backoff = Backoff::new(10);
        let mut full = 0.5_f64;
        for _ in 0..10 {
            let wait = backoff.next_wait().unwrap().as_secs_f64();
            assert!(
                (full / 2.0 - 1e-9..=full + 1e-9).contains(&wait),
                "{wait} of {full}"
            );
            full = (full * 2.0).min(30.0);
        }
        assert_eq!(backoff.next_wait(), None);
        backoff.reset();
        assert!(backoff.next_wait().unwrap() <= Duration::from_millis(500));
    }
}
