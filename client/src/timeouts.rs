//! Maximum durations of the phases of a connection.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use values::units::{TimeSpan, list};

use crate::error::ConnectError;
use crate::phase::Phase;

/// A time-out for each phase; `None` waits for ever.
///
/// Defaults: 10 s each, 30 s for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts([Option<Duration>; 7]);

impl Default for Timeouts {
    fn default() -> Self {
        let mut all = [Some(Duration::from_secs(10)); 7];
        all[Phase::Reply as usize] = Some(Duration::from_secs(30));
        Self(all)
    }
}

impl Timeouts {
    /// The time-out of `phase`.
    pub fn get(&self, phase: Phase) -> Option<Duration> {
        self.0[phase as usize]
    }

    /// Sets the time-out of `phase`.
    pub fn set(&mut self, phase: Phase, limit: Option<Duration>) {
        self.0[phase as usize] = limit;
    }

    /// Applies what one `--timeout` says.
    pub fn apply(&mut self, spec: &TimeoutSpec) {
        for &(phase, limit) in &spec.0 {
            match phase {
                Some(phase) => self.set(phase, limit),
                None => self.0 = [limit; 7],
            }
        }
    }

    /// Runs `work`, at most as long as `phase` may take. Dropping the future drops `work`.
    ///
    /// # Errors
    /// That of `work`, or [`ConnectError::TimedOut`].
    pub async fn limit<T>(
        &self,
        phase: Phase,
        peer: &str,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        match self.get(phase) {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                Err(ConnectError::TimedOut {
                    phase,
                    limit,
                    peer: peer.to_owned(),
                })
            }),
        }
    }
}

/// Value of one `--timeout`: `5s` for all phases, or `tls=5s,reply=0`; 0 waits for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutSpec(Vec<(Option<Phase>, Option<Duration>)>);

impl FromStr for TimeoutSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            let (phase, length) = match part.split_once('=') {
                None => (None, part),
                Some((name, length)) => {
                    let phase = Phase::ALL.iter().find(|(_, known, _)| *known == name).map(|(phase, ..)| *phase).ok_or_else(
                        || format!("`{name}` is not a phase; those are resolve, connect, proxy, tls, http, reply, close"),
                    )?;
                    (Some(phase), length)
                }
            };
            let TimeSpan(length) = length.parse()?;
            Ok((phase, (!length.is_zero()).then_some(length)))
        };
        let parts = list(text);
        if parts.is_empty() {
            return Err("it is written 5s, or tls=5s,reply=0".to_owned());
        }
        let parts = parts.iter().map(|part| one(part));
        parts.collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_set_per_phase() {
        let mut timeouts = Timeouts::default();
        timeouts.apply(&"2s,reply=0,tls=250ms".parse().unwrap());
        assert_eq!(timeouts.get(Phase::Http), Some(Duration::from_secs(2)));
        assert_eq!(timeouts.get(Phase::Tls), Some(Duration::from_millis(250)));
        assert_eq!(timeouts.get(Phase::Reply), None);
        assert!("tsl=1s".parse::<TimeoutSpec>().is_err());
        assert!("tls=x".parse::<TimeoutSpec>().is_err());
        for empty in ["", ",", "tls="] {
            assert!(empty.parse::<TimeoutSpec>().is_err(), "{empty}");
        }
    }
}
