//! `server trust` and `server untrust`: the development CA in the certificate stores of this machine and this user.

mod authority;
mod java;
mod nss;
mod plan;
mod program;
mod system;

use std::io::Write;

use crate::config::TrustOptions;

use authority::Authority;
pub(crate) use authority::AuthorityError;
pub(crate) use plan::Change;
use plan::Outcome;

/// The result of `trust` or `untrust` over all stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Stores in which the change was made, or would be.
    pub(crate) changed: usize,
    /// Stores in which it could not be made.
    pub(crate) failed: usize,
}

/// Makes `change` in every store that is found, and writes one line for each to `output`; with `--dry-run` it writes the
/// commands instead.
///
/// Only the CA of `options` is touched, which is found in each store by comparing whole certificates.
///
/// # Errors
/// The CA cannot be used, or `output` cannot be written.
pub(crate) fn run(
    change: Change,
    options: &TrustOptions,
    output: &mut impl Write,
) -> Result<Summary, AuthorityError> {
    let authority = Authority::read(&options.certs)?;
    writeln!(output, "{authority}")?;
    let mut plans = vec![system::plan(change, &authority)];
    plans.extend(nss::plans(change, &authority));
    plans.extend(java::plan(change, &authority));
    let mut summary = Summary::default();
    for plan in plans {
        let outcome = if options.dry_run {
            plan.print(output)
        } else {
            plan.perform(change, output)
        };
        match outcome? {
            Outcome::Changed => summary.changed += 1,
            Outcome::Unchanged => {}
            Outcome::Failed => summary.failed += 1,
        }
    }
    Ok(summary)
}
