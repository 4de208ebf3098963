//! Ends of connections, counted.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};

/// The end of one connection, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// A Close frame with this code.
    Closed(u16),
    /// A response with this status.
    Status(u16),
    /// A GOAWAY frame with this code.
    GoAway(u32),
    /// The stream ended or was reset without a word.
    Cut,
    /// Nothing happened in time.
    Open,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) | Self::Status(code) => write!(f, "{code}"),
            Self::GoAway(code) => write!(f, "GOAWAY {code}"),
            Self::Cut => f.write_str("cut off"),
            Self::Open => f.write_str("still open"),
        }
    }
}

/// So many of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(BTreeMap<End, usize>);

impl Ends {
    /// The number of those whose end `accepts` takes.
    pub(crate) fn count(&self, accepts: impl Fn(&End) -> bool) -> usize {
        self.0
            .iter()
            .filter(|(end, _)| accepts(end))
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns the counts in words if every connection ended in a way that `accepts`, which `wanted` names.
    ///
    /// # Errors
    /// One did not.
    pub(crate) fn all(&self, wanted: &str, accepts: impl Fn(&End) -> bool) -> Result<String> {
        let wrong = self.count(|end| !accepts(end));
        ensure!(wrong == 0, "{self}; wanted {wanted}");
        Ok(self.to_string())
    }
}

/// Runs `work` for each index below `count`, at most `at_once` concurrently, and counts how the connections ended.
pub(crate) async fn each(count: usize, at_once: usize, work: impl AsyncFn(usize) -> End) -> Ends {
    let work = stream::iter(0..count).map(|number| work(number));
    work.buffer_unordered(at_once).collect().await
}

/// Runs `work` for each index below `count`, at most `at_once` concurrently.
///
/// # Errors
/// The first one of `work`.
pub(crate) async fn try_each<T>(
    count: usize,
    at_once: usize,
    work: impl AsyncFn(usize) -> Result<T>,
) -> Result<Vec<T>> {
    let work = stream::iter(0..count).map(|number| work(number));
    work.buffer_unordered(at_once).try_collect().await
}

impl Extend<End> for Ends {
    fn extend<I: IntoIterator<Item = End>>(&mut self, ends: I) {
        for end in ends {
            *self.0.entry(end).or_default() += 1;
        }
    }
}

impl FromIterator<End> for Ends {
    fn from_iter<I: IntoIterator<Item = End>>(ends: I) -> Self {
        let mut counted = Self::default();
        counted.extend(ends);
        counted
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (end, count)) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{count} × {end}")?;
        }
        Ok(())
    }
}
