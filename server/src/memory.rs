//! Gives memory back to the system once a burst is over (R20).

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::metrics::Metrics;
use crate::resident::Resident;

/// Gives back what is free whenever load has fallen, at most once in `shortest` and ten times a second. Runs until it is dropped; ends at once where
/// the system does not tell how much is resident.
///
/// Reading resident memory and tasks costs one system call a second; a trim takes some milliseconds on a thread where
/// blocking is allowed.
pub(crate) async fn give_back(shortest: Duration, metrics: Metrics) {
    // Without /proc nothing can be decided.
    let Some(resident) = Resident::open() else {
        return;
    };
    let Some(now) = resident.bytes() else { return };
    let mut watch = Watch::new(now, Instant::now(), shortest);
    let tasks = Handle::current().metrics();
    let mut timer = interval(LOOK.min(watch.shortest));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let Some(before) = resident.bytes() else {
            return;
        };
        if !watch.is_due(before, tasks.num_alive_tasks(), Instant::now()) {
            continue;
        }
        let begun = Instant::now();
        // Another allocator than glibc's gives memory back by itself.
        if !matches!(tokio::task::spawn_blocking(heap::trim).await, Ok(Some(_))) {
            return;
        }
        let after = resident.bytes().unwrap_or(before);
        let given = before.saturating_sub(after);
        watch.gave_back(after, given, Instant::now());
        metrics.memory.trims.inc();
        metrics.memory.given_back.inc_by(given);
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        debug!(
            bytes = given,
            resident_bytes = after,
            took_us,
            "free memory given back to the system"
        );
    }
}

/// Decides when it is worth it.
///
/// The free part of the resident memory is expensive to learn, so signs of it are looked for: memory that grew and grows
/// no more, and tasks that ended and end no more: every connection has one, and every request of HTTP/2. Without a sign it
/// is tried too, ever more seldom while nothing comes of it.
#[derive(Debug)]
struct Watch {
    /// Least that was resident after a trim; little more than that is not worth another.
    least: u64,
    /// Bytes resident after the last trim.
    left: u64,
    /// Bytes resident at the last look.
    seen: u64,
    /// Maximum number of tasks since the last trim.
    most: usize,
    /// Number of tasks at the last look.
    tasks: usize,
    trimmed: Instant,
    /// Shortest time between two trims.
    shortest: Duration,
    /// Time until the next one if there is no sign.
    pause: Duration,
}

impl Watch {
    fn new(resident: u64, now: Instant, shortest: Duration) -> Self {
        let shortest = shortest.max(SHORTEST);
        Self {
            least: resident,
            left: resident,
            seen: resident,
            most: 0,
            tasks: 0,
            trimmed: now,
            shortest,
            pause: shortest * 2,
        }
    }

    /// Returns true if memory is to be given back now.
    fn is_due(&mut self, resident: u64, tasks: usize, now: Instant) -> bool {
        let grows = resident > self.seen + GRAIN;
        self.seen = resident;
        let most = self.most.max(tasks);
        self.most = most;
        let are_many = |went: usize| went >= MANY.max(most / 8);
        let ends = are_many(self.tasks.saturating_sub(tasks));
        self.tasks = tasks;
        // What a burst still takes would only be fetched again, and what it still holds would be missed.
        if grows || ends || resident < self.least + WORTH {
            return false;
        }
        let has_grown = resident >= self.left + WORTH;
        let have_gone = are_many(most - tasks);
        let wait = if has_grown || have_gone {
            self.shortest
        } else {
            self.pause
        };
        now.saturating_duration_since(self.trimmed) >= wait
    }

    /// Memory was given back, so many bytes of it.
    fn gave_back(&mut self, resident: u64, given: u64, now: Instant) {
        self.pause = if given >= GRAIN * 4 {
            self.shortest * 2
        } else {
            (self.pause * 2).min(self.shortest * 16)
        };
        self.least = self.least.min(resident);
        (self.left, self.seen) = (resident, resident);
        self.most = self.tasks;
        self.trimmed = now;
    }
}

/// Time between two looks, so that the end of a burst is seen soon after it.
const LOOK: Duration = Duration::from_secs(1);
/// Least time between two trims, however short the setting: each holds up threads that allocate.
const SHORTEST: Duration = Duration::from_millis(100);
/// Bytes by which what is resident changes without anything having happened.
const GRAIN: u64 = 256 << 10;
/// Bytes beyond the least that make it worth while.
const WORTH: u64 = 4 << 20;
/// Tasks whose end is a sign, if they are also an eighth of all.
const MANY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A watch of a server of 16 MiB that may trim every five seconds, and the seconds at which it does.
    struct Course {
        watch: Watch,
        start: Instant,
        second: u64,
    }

    impl Course {
        fn new() -> Self {
            let start = Instant::now();
            Self {
                watch: Watch::new(16 * MIB, start, Duration::from_secs(5)),
                start,
                second: 0,
            }
        }

        /// A second later; whether it would trim. What it would find resident after that is `after`.
        fn look(&mut self, resident: u64, tasks: usize, after: u64) -> bool {
            self.second += 1;
            let now = self.start + Duration::from_secs(self.second);
            let due = self.watch.is_due(resident, tasks, now);
            if due {
                self.watch.gave_back(after, resident - after, now);
            }
            due
        }

        /// The seconds of so many looks at which it trims.
        fn seconds(&mut self, looks: u64, resident: u64, tasks: usize, after: u64) -> Vec<u64> {
            let mut due = Vec::new();
            for _ in 0..looks {
                if self.look(resident, tasks, after) {
                    due.push(self.second);
                }
            }
            due
        }
    }

    #[test]
    fn a_server_at_rest_is_left_alone() {
        let mut course = Course::new();
        assert!(course.seconds(600, 16 * MIB, 0, 0).is_empty());
        // Nor for a little more than before.
        assert!(course.seconds(600, 19 * MIB, 5, 0).is_empty());
    }

    #[test]
    fn a_burst_is_given_back_when_it_has_stopped_growing() {
        let mut course = Course::new();
        for second in 1..=30 {
            assert!(!course.look((16 + second) * MIB, 5, 0));
        }
        assert!(course.look(46 * MIB, 5, 17 * MIB));
        assert!(course.seconds(600, 17 * MIB, 5, 0).is_empty());
    }

    #[test]
    fn what_connections_took_is_given_back_when_they_have_gone() {
        let mut course = Course::new();
        assert!(!course.look(80 * MIB, 1000, 0));
        // In use, as it turns out; from then on it is tried ever more seldom.
        assert_eq!(course.seconds(60, 80 * MIB, 1000, 80 * MIB), [5, 25]);
        assert!(!course.look(80 * MIB, 0, 0), "more may follow");
        assert!(course.look(80 * MIB, 0, 17 * MIB), "a thousand went");
        assert!(course.seconds(600, 17 * MIB, 0, 0).is_empty());
    }

    #[test]
    fn a_burst_that_ends_in_the_second_of_a_trim_is_given_back() {
        // Held, it is trimmed for nothing; then everything goes before the next look, or in two parts around the trim.
        for parts in [&[100][..], &[110, 100], &[1_060, 100], &[2_000, 105, 100]] {
            let mut course = Course::new();
            course.seconds(30, 30 * MIB, 100, 30 * MIB);
            while !course.look(60 * MIB, 2_100, 60 * MIB) {}
            let trimmed = course.second;
            for tasks in parts {
                course.look(60 * MIB, *tasks, 60 * MIB);
            }
            let due = course.seconds(10, 60 * MIB, 100, 31 * MIB);
            assert_eq!(due.first(), Some(&(trimmed + 5)), "{parts:?}");
        }
    }

    #[test]
    fn it_is_never_done_more_often_than_it_may() {
        let mut course = Course::new();
        let mut due = Vec::new();
        for round in 0..100 {
            // Tasks come and go every second, and take memory with them.
            let tasks = if round % 2 == 0 { 1000 } else { 0 };
            if course.look(60 * MIB, tasks, 50 * MIB) {
                due.push(course.second);
            }
        }
        assert!(due.len() > 10, "{due:?}");
        assert!(due.windows(2).all(|pair| pair[1] - pair[0] >= 5), "{due:?}");
    }

    #[test]
    fn no_setting_makes_it_a_busy_loop() {
        let start = Instant::now();
        let mut watch = Watch::new(16 * MIB, start, Duration::ZERO);
        assert!(!watch.is_due(80 * MIB, 0, start));
        let least = start + SHORTEST;
        assert!(!watch.is_due(80 * MIB, 0, start + SHORTEST / 2));
        assert!(watch.is_due(80 * MIB, 0, least));
    }

    #[test]
    fn without_a_sign_it_is_tried_ever_more_seldom() {
        let mut course = Course::new();
        assert!(!course.look(80 * MIB, 5, 0));
        let due = course.seconds(400, 80 * MIB, 5, 80 * MIB);
        let pauses: Vec<_> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [20, 40, 80, 80, 80, 80]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_resident_is_what_the_system_tells() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
        let reported: u64 = kibibytes.parse::<u64>().unwrap() << 10;
        let seen = Resident::open().unwrap().bytes().unwrap();
        // Other tests take and give memory meanwhile; another unit would be off by a thousand.
        assert!(
            seen > reported / 8 && seen < reported * 8,
            "{seen}, {reported}"
        );
    }
}
