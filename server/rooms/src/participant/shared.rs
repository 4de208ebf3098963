//! State that all participants share, and the authority that judges their tokens.

use std::sync::Arc;
use std::time::Instant;

use values::limiter::KeyedRateLimiter;

use crate::caller::Caller;
use crate::grant::Grant;
use crate::hub::Hub;
use crate::name::MemberName;
use crate::refusal::Refusal;

/// Judges tokens.
pub trait Authority: Send + Sync + 'static {
    /// Returns the grant of `caller`, who shows `token`.
    ///
    /// # Errors
    /// The token is missing where one is needed, is not accepted, or the peer may not enter without one.
    fn check(&self, token: Option<&str>, caller: Caller, now: Instant) -> Result<Grant, Refusal>;
}

/// State shared by all participants.
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) authority: Arc<dyn Authority>,
    /// Requests of those who have not joined, by address.
    pub(super) requests: KeyedRateLimiter,
    /// Joins, by address.
    pub(super) joins: KeyedRateLimiter,
    /// Joins of members that a token names. A name without one is anybody's, so that limiting it would lock out its owner.
    pub(super) member_joins: KeyedRateLimiter<MemberName>,
}

impl Shared {
    /// Returns the grant of a token that has not ended.
    pub(super) fn check(&self, token: Option<&str>, caller: Caller) -> Result<Grant, Refusal> {
        let grant = self.authority.check(token, caller, Instant::now())?;
        if grant.has_ended() {
            return Err(Refusal::TokenInvalid("it has expired".to_owned()));
        }
        Ok(grant)
    }

    /// Counts a refusal in the metrics.
    pub(super) fn counted<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        outcome.inspect_err(|refusal| self.hub.counts().reject(refusal.reason()))
    }
}
