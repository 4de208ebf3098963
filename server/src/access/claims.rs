//! The claims of a token: the conditions on them, and what they grant.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Visitor};

use super::{Grant, Right};

/// The claims that count here (RFC 7519 §4.1, and two of our own).
#[derive(Debug, serde::Deserialize)]
pub(super) struct Claims {
    /// The bearer's name in all rooms.
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    /// Names of rooms, or their beginnings and `*`.
    #[serde(default)]
    rooms: Vec<String>,
    /// `join`, `publish`, `history`.
    #[serde(default)]
    rights: Vec<String>,
}

/// The conditions that the claims of a token must meet.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    /// The audience that must be named.
    pub(super) audience: String,
    /// By how much clocks may differ.
    pub(super) leeway: Duration,
}

/// One audience, or several.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq)]
struct NumericDate(f64);

impl Claims {
    /// Returns the grant at `now` with its end; the leeway is added to the end.
    ///
    /// # Errors
    /// A condition is not met, `sub` is no name for a member, or a pattern is none. Rights of other systems are ignored.
    pub(super) fn grant(self, conditions: &Conditions, now: SystemTime) -> Result<Grant, String> {
        let missing = |claim: &str| format!("it has no claim {claim}");
        let audience = self.aud.ok_or_else(|| missing("aud"))?;
        if !audience.names(&conditions.audience) {
            return Err("it is meant for another audience".to_owned());
        }
        let end = self.exp.ok_or_else(|| missing("exp"))?;
        let end = end.plus(conditions.leeway);
        if end.is_some_and(|end| end <= now) {
            return Err("it has expired".to_owned());
        }
        let latest = now.checked_add(conditions.leeway);
        let is_early = |begin: NumericDate| match (begin.time(), latest) {
            (Some(begin), Some(latest)) => begin > latest,
            (begin, _) => begin.is_none(),
        };
        if self.nbf.is_some_and(is_early) {
            return Err("it is not valid yet".to_owned());
        }
        let name = self.sub.ok_or_else(|| missing("sub"))?.parse();
        let name = name.map_err(|error| format!("its sub is no name: {error}"))?;
        let rooms = self.rooms.iter().map(|pattern| pattern.parse());
        let rooms: Result<_, _> = rooms.collect();
        let rooms = rooms.map_err(|error| format!("its claim rooms: {error}"))?;
        let all = [Right::Join, Right::Publish, Right::History];
        let has = |right: &Right| self.rights.iter().any(|name| name == right.name());
        let rights = all.into_iter().filter(has).collect();
        Ok(Grant::limited(name, rooms, rights, end))
    }
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name == audience,
            Self::Several(names) => names.iter().any(|name| name == audience),
        }
    }
}

impl NumericDate {
    /// The instant; `None` if it lies beyond every clock. What lies before 1970 counts as 1970.
    fn time(self) -> Option<SystemTime> {
        let seconds = Duration::try_from_secs_f64(self.0.max(0.0)).ok()?;
        UNIX_EPOCH.checked_add(seconds)
    }

    fn plus(self, leeway: Duration) -> Option<SystemTime> {
        self.time()?.checked_add(leeway)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = NumericDate;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("seconds since 1970")
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "2^53 seconds are 285 million years"
            )]
            fn visit_u64<E>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds as f64))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "2^53 seconds are 285 million years"
            )]
            fn visit_i64<E>(self, seconds: i64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds as f64))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_796_065_508;

    /// Returns the verdict on claims with these members at [`NOW`], with a leeway of 30 s.
    fn grant(members: &str) -> Result<Grant, String> {
        let json = format!(r#"{{"sub":"ana","aud":"rooms"{members}}}"#);
        let claims: Claims = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let conditions = Conditions {
            audience: "rooms".to_owned(),
            leeway: Duration::from_secs(30),
        };
        claims.grant(&conditions, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    /// Returns the end of the grant, in seconds since 1970.
    fn end(members: &str) -> Option<f64> {
        let end = grant(members).unwrap().end()?;
        Some(end.duration_since(UNIX_EPOCH).unwrap().as_secs_f64())
    }

    #[test]
    fn dates_may_have_a_fraction() {
        assert_eq!(end(r#","exp":1796065600"#), Some(1_796_065_630.0));
        assert_eq!(end(r#","exp":1796065600.5"#), Some(1_796_065_630.5));
        assert_eq!(end(r#","exp":1.7960656e9"#), Some(1_796_065_630.0));
        assert!(grant(r#","exp":1796065478.5"#).is_ok(), "within the leeway");
        assert!(grant(r#","exp":1e10,"nbf":1796065508.25"#).is_ok());
        assert!(grant(r#","exp":1e10,"nbf":1796065538.0"#).is_ok());
        for (members, part) in [
            (r#","exp":1796065478"#, "expired"),
            (r#","exp":1796065477.9"#, "expired"),
            (r#","exp":1e10,"nbf":1796065538.5"#, "not valid yet"),
        ] {
            let refused = grant(members).unwrap_err();
            assert!(refused.contains(part), "{members}: {refused}");
        }
    }

    #[test]
    fn dates_out_of_range_are_no_panic() {
        // An end beyond every clock is none.
        for huge in ["18446744073709551615", "1e300", "99999999999999999999999"] {
            assert_eq!(end(&format!(r#","exp":{huge}"#)), None, "{huge}");
        }
        for (members, part) in [
            (r#","exp":-1"#, "expired"),
            (r#","exp":-1e308"#, "expired"),
            (r#","exp":-0.0"#, "expired"),
            (r#","exp":0"#, "expired"),
            (r#","exp":-9223372036854775808"#, "expired"),
            (r#","exp":1e-320"#, "expired"),
            (r#","exp":1e10,"nbf":1e300"#, "not valid yet"),
            (r#","exp":1e10,"nbf":18446744073709551615"#, "not valid yet"),
            (r#","exp":1e999"#, "out of range"),
            (r#","exp":NaN"#, "expected"),
            (r#","exp":"1796065600""#, "seconds since 1970"),
            (r#","exp":true"#, "seconds since 1970"),
            (r#","exp":[1796065600]"#, "seconds since 1970"),
            (r#","exp":null"#, "no claim exp"),
            (r#","exp":1e10,"exp":1"#, "duplicate"),
        ] {
            let refused = grant(members).unwrap_err();
            assert!(refused.contains(part), "{members}: {refused}");
        }
        assert!(grant(r#","exp":1e10,"nbf":-1e308"#).is_ok());
        assert!(grant(r#","exp":1e10,"nbf":null"#).is_ok());
    }

    #[test]
    fn audience_is_one_of_the_list() {
        let with = |audience: &str| {
            let json = format!(r#"{{"sub":"ana","exp":1e10,"aud":{audience}}}"#);
            let claims: Result<Claims, _> = serde_json::from_str(&json);
            let conditions = Conditions {
                audience: "rooms".to_owned(),
                leeway: Duration::ZERO,
            };
            claims.is_ok_and(|claims| claims.grant(&conditions, UNIX_EPOCH).is_ok())
        };
        for good in [r#""rooms""#, r#"["rooms"]"#, r#"["x","rooms"]"#] {
            assert!(with(good), "{good}");
        }
        for bad in [
            r#""x""#,
            "[]",
            "null",
            "7",
            r#"["x"]"#,
            r#"{"rooms":1}"#,
            r#""rooms ""#,
        ] {
            assert!(!with(bad), "{bad}");
        }
    }
}
