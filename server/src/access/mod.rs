//! Who may enter rooms: tokens that somebody else signed, or whoever is on the same machine.
//!
//! Nothing here knows HTTP: a token and an address come in, what its bearer may do comes out.

mod claims;
mod keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use values::limiter::{KeyedRateLimiter, Rate, source};

use crate::config::RoomOptions;
use crate::rooms::{Authority, Refusal};
pub use crate::rooms::{Grant, Right};

pub use keys::KeyError;
use keys::Keys;

/// Who may enter rooms.
#[derive(Debug)]
pub struct Access {
    rule: Rule,
    failures: KeyedRateLimiter,
    options: RoomOptions,
}

/// What is asked of those who want to enter.
#[derive(Debug)]
enum Rule {
    /// Everybody may.
    Open,
    /// Whoever connects from this machine may.
    Loopback,
    /// Whoever has a token may do what it says.
    Tokens(ArcSwap<Keys>),
}

/// Why somebody may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no token, and one is needed.
    #[error("a token is needed here")]
    Missing,
    /// There is one, but it is not good; the text says why.
    #[error("the token is not accepted: {0}")]
    Invalid(String),
    /// There were too many bad ones from this address of late.
    #[error("too many bad tokens from this address, try again in a minute")]
    TooMany,
    /// No key is configured, and the peer is not on this machine.
    #[error(
        "rooms are open on this machine only; the server can be given --rooms-token-key or --rooms-open"
    )]
    NotLocal,
}

impl Access {
    /// As `options` say; reads the keys.
    ///
    /// # Errors
    /// The file of keys cannot be used.
    pub fn new(options: &RoomOptions) -> Result<Self, KeyError> {
        let rule = match &options.rooms_token_key {
            Some(path) => Rule::Tokens(ArcSwap::from_pointee(load(path, options)?)),
            None if options.rooms_open.is_on() => Rule::Open,
            None => Rule::Loopback,
        };
        Ok(Self {
            rule,
            failures: KeyedRateLimiter::new(FAILURES, MAX_ADDRESSES),
            options: options.clone(),
        })
    }

    /// Reads the keys again, if there are any; gives how many there are now. Who has entered stays until its token ends.
    ///
    /// # Errors
    /// The file cannot be used; the old keys stay in force.
    pub fn reload(&self) -> Result<Option<usize>, KeyError> {
        let (Rule::Tokens(keys), Some(path)) = (&self.rule, &self.options.rooms_token_key) else {
            return Ok(None);
        };
        let new = load(path, &self.options)?;
        let count = new.len();
        keys.store(Arc::new(new));
        Ok(Some(count))
    }

    /// What the peer at `address` may do, who shows `token`.
    ///
    /// # Errors
    /// Nothing.
    pub fn check(
        &self,
        token: Option<&str>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Grant, Denied> {
        let keys = match &self.rule {
            Rule::Open => return Ok(Grant::everything()),
            Rule::Loopback if address.to_canonical().is_loopback() => {
                return Ok(Grant::everything());
            }
            Rule::Loopback => return Err(Denied::NotLocal),
            Rule::Tokens(keys) => keys,
        };
        let token = token.ok_or(Denied::Missing)?;
        // A good token does not help who has shown bad ones: else an attacker would only mix them.
        if self.failures.check(&source(address), now).is_err() {
            return Err(Denied::TooMany);
        }
        keys.load().verify(token).map_err(|why| {
            let _ = self.failures.admit(source(address), now);
            Denied::Invalid(why)
        })
    }
}

impl Authority for Access {
    fn check(&self, token: Option<&str>, address: IpAddr, now: Instant) -> Result<Grant, Refusal> {
        Ok(Self::check(self, token, address, now)?)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::TokenMissing,
            Denied::Invalid(why) => Self::TokenInvalid(why),
            Denied::TooMany => Self::LockedOut,
            Denied::NotLocal => Self::NotLocal,
        }
    }
}

/// The keys in the file at `path`.
fn load(path: &std::path::Path, options: &RoomOptions) -> Result<Keys, KeyError> {
    let leeway = options.rooms_token_leeway.0;
    Keys::load(path, &options.rooms_token_audience, leeway)
}

/// How many keys the content of a file holds.
pub(crate) fn count_keys(content: &[u8]) -> usize {
    Keys::read(content, "rooms", Duration::ZERO).map_or(0, |keys| keys.len())
}

/// Whether `token` is good where `content` is the file of keys.
pub(crate) fn is_good(token: &str, content: &[u8]) -> bool {
    Keys::read(content, "rooms", Duration::ZERO).is_ok_and(|keys| keys.verify(token).is_ok())
}

/// Bad tokens that one address may show at once, and in a minute.
const FAILURES: Rate = Rate::per(5, 5, Duration::from_secs(60));
/// Addresses remembered at once by a limiter of requests: about 0.5 MiB.
const MAX_ADDRESSES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Switch};

    #[test]
    fn without_a_key_rooms_are_open_on_this_machine_unless_told_otherwise() {
        let (mut options, now) = (Config::default().rooms, Instant::now());
        let access = Access::new(&options).unwrap();
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(
                access.check(None, address.parse().unwrap(), now).is_ok(),
                "{address}"
            );
        }
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            let denied = access
                .check(Some("x"), address.parse().unwrap(), now)
                .unwrap_err();
            assert_eq!(denied, Denied::NotLocal, "{address}");
        }
        options.rooms_open = Switch::On;
        let access = Access::new(&options).unwrap();
        assert!(
            access
                .check(None, "192.0.2.1".parse().unwrap(), now)
                .is_ok()
        );
    }

    #[test]
    fn five_bad_tokens_shut_an_address_out_for_a_while() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x".repeat(32)).unwrap();
        let mut options = Config::default().rooms;
        options.rooms_token_key = Some(file.path().to_owned());
        let (access, now) = (Access::new(&options).unwrap(), Instant::now());
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for _ in 0..9 {
            assert_eq!(access.check(None, one, now).unwrap_err(), Denied::Missing);
        }
        for _ in 0..5 {
            let denied = access.check(Some("bad"), one, now).unwrap_err();
            assert!(matches!(denied, Denied::Invalid(_)), "{denied}");
        }
        assert_eq!(
            access.check(Some("bad"), one, now).unwrap_err(),
            Denied::TooMany
        );
        let denied = access.check(Some("bad"), other, now).unwrap_err();
        assert!(matches!(denied, Denied::Invalid(_)), "{denied}");
    }
}
