//! Access to rooms: by tokens that somebody else signed, or from the same machine.
//!
//! Nothing here knows HTTP: a token and an address come in, what its bearer may do comes out.

mod claims;
mod fetch;
mod guesses;
mod key;
mod keys;
mod look;
mod public;
mod remote;
mod secret;
mod set;
mod sources;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use certs::SecretFiles;

use crate::config::RoomOptions;
use rooms::{Authority, Caller, Counts, Refusal};
pub use rooms::{Grant, Right};

use claims::Conditions;
use guesses::Guesses;
use keys::{Fault, Keys};
use remote::Remote;
pub use sources::KeyError;
use sources::Sources;

/// Judge of those who want to enter rooms.
#[derive(Debug)]
pub struct Access {
    rule: Rule,
}

/// Condition for entering.
#[derive(Debug)]
enum Rule {
    /// Everybody may.
    Open,
    /// Whoever connects from this machine may.
    Loopback,
    /// Whoever has a token may do what it says.
    Tokens(Box<Tokens>),
}

/// The check of tokens.
#[derive(Debug)]
struct Tokens {
    sources: Sources,
    /// The keys of files.
    keys: ArcSwap<Keys>,
    /// The keys behind a URL.
    remote: Option<Remote>,
    conditions: Conditions,
    guesses: Guesses,
}

/// Cause for which access is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no token, and one is needed.
    #[error("a token is needed here")]
    Missing,
    /// There is one, but it is not good; the text says why.
    #[error("the token is not accepted: {0}")]
    Invalid(String),
    /// There were too many bad ones from this address of late.
    #[error("too many tokens with a wrong signature from this address, try again in a minute")]
    TooMany,
    /// No key is configured, and the peer is not on this machine.
    #[error(
        "rooms are open on this machine only; the server can be given --rooms-token-key, --rooms-token-secret or --rooms-open"
    )]
    NotLocal,
    /// Keys have not been fetched yet.
    #[error("the keys for tokens have not been fetched yet, try again")]
    NoKeys,
}

impl Access {
    /// Reads the keys that `options` name; `files` is the rule for files with secrets.
    ///
    /// # Errors
    /// A file of keys cannot be used.
    pub fn new(options: &RoomOptions, files: SecretFiles) -> Result<Self, KeyError> {
        let rule = match Sources::new(options, files) {
            Some(sources) => Rule::Tokens(Box::new(Tokens {
                keys: ArcSwap::from_pointee(sources.load()?),
                remote: Remote::new(options)?,
                sources,
                conditions: Conditions {
                    audience: options.rooms_token_audience.clone(),
                    leeway: options.rooms_token_leeway.0,
                },
                guesses: Guesses::new(options.rooms_token_failures),
            })),
            None if options.rooms_open.is_on() => Rule::Open,
            None => Rule::Loopback,
        };
        Ok(Self { rule })
    }

    /// Reads the keys again, if there are any; gives how many there are now. Who has entered stays until its token ends.
    ///
    /// # Errors
    /// A file cannot be used; all old keys stay in force.
    pub fn reload(&self) -> Result<Option<usize>, KeyError> {
        let Rule::Tokens(tokens) = &self.rule else {
            return Ok(None);
        };
        if let Some(remote) = &tokens.remote {
            remote.request();
        }
        let new = tokens.sources.load()?;
        let count = new.len();
        tokens.keys.store(Arc::new(new));
        Ok(Some(count))
    }

    /// Returns what `caller` may do with `token`.
    ///
    /// A good token passes whatever came from the same address before, and only wrong signatures are counted: behind a
    /// proxy all users share one address, and nobody may shut out the others.
    ///
    /// # Errors
    /// Nothing.
    pub fn check(
        &self,
        token: Option<&str>,
        caller: impl Into<Caller>,
        now: Instant,
    ) -> Result<Grant, Denied> {
        let caller = caller.into();
        let tokens = match &self.rule {
            Rule::Open => return Ok(Grant::everything()),
            Rule::Loopback if caller.is_local => return Ok(Grant::everything()),
            Rule::Loopback => return Err(Denied::NotLocal),
            Rule::Tokens(tokens) => tokens,
        };
        let token = token.ok_or(Denied::Missing)?;
        tokens.verify(token).map_err(|fault| match fault {
            Fault::Signature if !tokens.guesses.admit(caller.address, now) => Denied::TooMany,
            Fault::UnknownKey if tokens.is_waiting() => Denied::NoKeys,
            fault => Denied::Invalid(fault.text()),
        })
    }

    /// Fetches keys from the URL of the settings, again and again, and counts that in `counts`; runs until it is dropped.
    pub(crate) async fn refresh(&self, counts: &Counts) {
        if let Rule::Tokens(tokens) = &self.rule
            && let Some(remote) = &tokens.remote
        {
            remote.run(counts).await;
        }
    }
}

impl Tokens {
    /// Returns the grant of a token by the keys of all sources.
    fn verify(&self, token: &str) -> Result<Grant, Fault> {
        let (none, fetched) = (Keys::default(), self.remote.as_ref().map(Remote::keys));
        let others = fetched.as_deref().map_or(&none, Arc::as_ref);
        let now = SystemTime::now();
        let verified = self
            .keys
            .load()
            .verify(others, token, &self.conditions, now);
        if let (Err(Fault::UnknownKey), Some(remote)) = (&verified, &self.remote) {
            remote.request();
        }
        verified
    }

    /// Tells if keys have never been fetched.
    fn is_waiting(&self) -> bool {
        let keys = self.remote.as_ref().map(Remote::keys);
        keys.is_some_and(|keys| keys.len() == 0)
    }
}

impl Authority for Access {
    fn check(&self, token: Option<&str>, caller: Caller, now: Instant) -> Result<Grant, Refusal> {
        Ok(Self::check(self, token, caller, now)?)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::TokenMissing,
            Denied::Invalid(why) => Self::TokenInvalid(why),
            Denied::TooMany => Self::LockedOut,
            Denied::NotLocal => Self::NotLocal,
            Denied::NoKeys => Self::NoKeys,
        }
    }
}

/// The number of keys in the content of a file, for fuzzing.
pub(crate) fn count_keys(content: &[u8]) -> usize {
    read_any(content).map_or(0, |keys| keys.len())
}

/// Tells if `token` is good where `content` is the file of keys, for fuzzing.
pub(crate) fn is_good(token: &str, content: &[u8]) -> bool {
    let conditions = Conditions {
        audience: "rooms".to_owned(),
        leeway: std::time::Duration::ZERO,
    };
    let keys = read_any(content);
    keys.is_ok_and(|keys| {
        keys.verify(&Keys::default(), token, &conditions, SystemTime::now())
            .is_ok()
    })
}

/// The keys in the content of a file: public ones, or else a secret.
fn read_any(content: &[u8]) -> Result<Keys, String> {
    let keys = public::parse(content);
    let keys = keys.or_else(|_| secret::parse(content).map(|secret| vec![secret]));
    keys.map(Keys::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::guesses::MAX_ADDRESSES;
    use crate::config::{Config, Limit, Switch};
    use std::net::IpAddr;

    #[test]
    fn without_a_key_rooms_are_open_on_this_machine_unless_told_otherwise() {
        let (mut options, now) = (Config::default().rooms, Instant::now());
        let access = Access::new(&options, SecretFiles::Checked).unwrap();
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(
                access
                    .check(None, address.parse::<IpAddr>().unwrap(), now)
                    .is_ok(),
                "{address}"
            );
        }
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            let denied = access
                .check(Some("x"), address.parse::<IpAddr>().unwrap(), now)
                .unwrap_err();
            assert_eq!(denied, Denied::NotLocal, "{address}");
        }
        options.rooms_open = Switch::On;
        let access = Access::new(&options, SecretFiles::Checked).unwrap();
        assert!(
            access
                .check(None, "192.0.2.1".parse::<IpAddr>().unwrap(), now)
                .is_ok()
        );
    }

    /// Access by a secret, and a token that it accepts.
    fn with_secret(limit: Option<usize>) -> (Access, String) {
        const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), SECRET).unwrap();
        let mut options = Config::default().rooms;
        options.rooms_token_secret = Some(file.path().to_owned());
        options.rooms_token_failures = Limit(limit);
        let claims = serde_json::json!({"sub": "ana", "aud": "rooms", "exp": 1e11});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
        let good = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let access = Access::new(&options, SecretFiles::Checked).unwrap();
        (access, good)
    }

    /// The same token with another signature.
    fn forged(good: &str) -> String {
        let (message, _) = good.rsplit_once('.').unwrap();
        format!("{message}.{}", "A".repeat(43))
    }

    #[test]
    fn h21_good_tokens_pass_whatever_the_address_did() {
        let ((access, good), now) = (with_secret(Some(5)), Instant::now());
        let bad = forged(&good);
        let [one, other]: [IpAddr; 2] =
            ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for number in 0..1_000 {
            let denied = access.check(Some(&bad), one, now).unwrap_err();
            assert_eq!(denied == Denied::TooMany, number >= 5, "{number}: {denied}");
            assert!(access.check(Some(&good), one, now).is_ok(), "{number}");
        }
        let denied = access.check(Some(&bad), other, now).unwrap_err();
        assert!(matches!(denied, Denied::Invalid(_)), "{denied}");
        let later = now + std::time::Duration::from_secs(13);
        let denied = access.check(Some(&bad), one, later).unwrap_err();
        assert!(matches!(denied, Denied::Invalid(_)), "{denied}");
    }

    #[test]
    fn h21_only_wrong_signatures_are_counted() {
        let ((access, good), now) = (with_secret(Some(1)), Instant::now());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        // Of an algorithm that no key here is for.
        let (_, rest) = good.split_once('.').unwrap();
        let other_kind = format!("eyJhbGciOiJFUzI1NiJ9.{rest}");
        for token in [None, Some(""), Some("x"), Some("a.b.c"), Some(&other_kind)] {
            for _ in 0..20 {
                let denied = access.check(token, address, now).unwrap_err();
                assert_ne!(denied, Denied::TooMany, "{token:?}");
            }
        }
        let bad = forged(&good);
        let denied = || access.check(Some(&bad), address, now).unwrap_err();
        assert_ne!(denied(), Denied::TooMany);
        assert_eq!(denied(), Denied::TooMany);
    }

    #[test]
    fn h21_full_table_neither_opens_nor_closes() {
        let ((access, good), now) = (with_secret(Some(5)), Instant::now());
        let bad = forged(&good);
        let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from(number));
        let many = u32::try_from(MAX_ADDRESSES).unwrap();
        for number in 0..many {
            assert!(access.check(Some(&bad), address(number), now).is_err());
        }
        // Those that find no slot share five.
        let new = (many..many + 1_000).map(|number| access.check(Some(&bad), address(number), now));
        let refused = new.filter(|checked| matches!(checked, Err(Denied::Invalid(_))));
        assert_eq!(refused.count(), 5);
        assert!(access.check(Some(&good), address(many + 7), now).is_ok());
    }

    #[test]
    fn h21_limit_can_be_switched_off() {
        let ((access, good), now) = (with_secret(None), Instant::now());
        let (bad, address) = (forged(&good), "192.0.2.1".parse::<IpAddr>().unwrap());
        for _ in 0..100 {
            let denied = access.check(Some(&bad), address, now).unwrap_err();
            assert!(matches!(denied, Denied::Invalid(_)), "{denied}");
        }
    }
}
