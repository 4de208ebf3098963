//! Errors of a connection, by whom they are reported: a sentence and a remedy for each.
//!
//! Each table is written once, as the arms of a `match` and as rows of the README. Most of the types are non-exhaustive:
//! a variant that is added later has no cause, so it is printed as it is and nothing is claimed about it.

pub(crate) mod certificate;
pub(crate) mod network;
pub(crate) mod proxy;
pub(crate) mod status;
mod table;
pub(crate) mod tls;

pub(crate) use table::table;

use values::escape::escaped;

/// A sentence about an error, and what to do; the remedy is empty where nothing is known to help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
}

impl Cause {
    /// The meaning with the remedy after a colon.
    pub(crate) fn advice(self) -> String {
        match self.remedy {
            "" => self.meaning.to_owned(),
            remedy => format!("{}: {remedy}", self.meaning),
        }
    }
}

/// Joins what was seen, escaped, and its meaning to a sentence, with the remedy; without a cause nothing is claimed.
pub(crate) fn explained(seen: &str, cause: Option<Cause>) -> (String, &'static str) {
    let seen = escaped(seen);
    match cause {
        Some(Cause { meaning, remedy }) => (format!("{seen}: {meaning}"), remedy),
        None => (seen.into_owned(), ""),
    }
}

/// A row of the README: the patterns of one arm, and their cause.
pub(crate) type Row = (&'static [&'static str], Cause);

/// Writes a function that returns the cause of a value, and the rows of its table.
///
/// `else None` closes the match over a type that may grow; without it the arms have to be exhaustive.
macro_rules! causes {
    (
        $(#[$attribute:meta])*
        $name:ident($type:ty), $rows:ident {
            $($($pattern:pat_param)|+ => $meaning:expr, $remedy:expr;)+
        } $(else $none:ident)?
    ) => {
        $(#[$attribute])*
        #[allow(clippy::unnecessary_wraps, reason = "a type that cannot grow has a cause for each value")]
        pub(crate) fn $name(fault: $type) -> Option<$crate::causes::Cause> {
            Some(match fault {
                $($($pattern)|+ => $crate::causes::Cause { meaning: $meaning, remedy: $remedy },)+
                $(_ => return $none,)?
            })
        }

        pub(super) const $rows: &[$crate::causes::Row] = &[
            $((&[$(stringify!($pattern)),+], $crate::causes::Cause { meaning: $meaning, remedy: $remedy }),)+
        ];
    };
}
pub(crate) use causes;
