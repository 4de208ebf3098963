//! Says when a certificate comes near its end while the server runs (threat T13).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use certs::Description;

use super::pairs;
use crate::config::TlsOptions;
use crate::metrics::Metrics;

/// Stage that each certificate had reached when it was last checked.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    stages: HashMap<PathBuf, usize>,
}

impl Reminder {
    /// A reminder that knows what was reported when the certificates were loaded.
    pub(super) fn new(options: &TlsOptions) -> Self {
        let mut reminder = Self::default();
        reminder.look(options, |_, _| {});
        reminder
    }

    /// Looks at the files of all certificates, and warns of each that is a stage nearer to its end than before.
    pub(super) fn remind(&mut self, options: &TlsOptions, metrics: &Metrics) {
        self.look(options, |file, description| {
            pairs::report(file, description, metrics);
        });
    }

    fn look(&mut self, options: &TlsOptions, mut tell: impl FnMut(&Path, &Description)) {
        for pair in pairs::paths(options).unwrap_or_default() {
            // A file that cannot be read is reported by the reload.
            let chain = certs::load_certificates(&pair.certificate).unwrap_or_default();
            let Some(description) = chain.first().and_then(certs::describe) else {
                continue;
            };
            let stage = stage(description.days_left);
            let before = self.stages.insert(pair.certificate.clone(), stage);
            if stage > before.unwrap_or_default() {
                tell(&pair.certificate, &description);
            }
        }
    }
}

/// Counts the stages that a certificate with so many whole days left has passed.
fn stage(days_left: i64) -> usize {
    STAGES.iter().filter(|days| days_left < **days).count()
}

/// Days before its end at which a certificate is worth a line of the log, and its end.
const STAGES: [i64; 4] = [30, 7, 1, 0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn t13_each_stage_is_passed_once() {
        let passed = [31, 30, 29, 7, 6, 1, 0, -1, -400].map(stage);
        assert_eq!(passed, [0, 0, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn t13_a_certificate_is_told_of_when_it_has_come_nearer() {
        let folder = tempfile::tempdir().unwrap();
        let make = |days| {
            let request = certs::Request {
                days,
                force: true,
                ..certs::Request::default()
            };
            certs::ensure(folder.path(), &request).unwrap();
        };
        let mut options = Config::default().tls;
        options.certs = folder.path().to_owned();
        make(90);
        let mut reminder = Reminder::new(&options);
        let mut reported = |days: u16| {
            make(days);
            let mut lines = 0;
            reminder.look(&options, |_, _| lines += 1);
            lines
        };
        assert_eq!(
            [90, 20, 20, 3, 90, 20].map(&mut reported),
            [0, 1, 0, 1, 0, 1]
        );
    }
}
