//! The same calls on tokio-tungstenite and on tungstenite-deflate, compared call by call.
//!
//! A difference fails unless the table at the end of MIGRATING.md has it with its reason, and so does a row of the table
//! that is no difference any more.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::unnecessary_wraps, reason = "what the calls take")]

mod wire;

/// tokio-tungstenite.
mod theirs {
    use original as library;
    include!("script.rs");
    include!("further.rs");
}

/// tungstenite-deflate.
mod ours {
    use tokio_tungstenite as library;
    include!("script.rs");
    include!("further.rs");
}

const MIGRATING: &str = include_str!("../../../../MIGRATING.md");
const HEAD: &str = "| scripts | calls | tokio-tungstenite | here | reason |";
const MIN_CALLS: usize = 500;

/// One call: its script, its name, and what it returned.
type Call = (&'static str, String, String);

/// Calls that return different things in the two libraries.
#[derive(Debug)]
struct Difference {
    script: &'static str,
    call: String,
    theirs: String,
    ours: String,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    scripts: Vec<&'static str>,
    calls: Vec<&'static str>,
    theirs: &'static str,
    ours: &'static str,
}

impl Row {
    fn parse(line: &'static str) -> Self {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, scripts, calls, theirs, ours, reason, _] = columns[..] else {
            panic!("five cells: {line}");
        };
        assert!(reason.len() >= 8, "a reason: {line}");
        Self {
            scripts: scripts.split(", ").collect(),
            calls: calls.split(", ").collect(),
            theirs,
            ours,
        }
    }

    fn permits(&self, difference: &Difference) -> bool {
        self.scripts.contains(&difference.script)
            && self.calls.contains(&&*difference.call)
            && matches(self.theirs, &difference.theirs)
            && matches(self.ours, &difference.ours)
    }
}

/// Reports whether `text` is `pattern`, in which `…` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn patterns_match_any_text_between_their_parts() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "x", false),
        ("…", "", true),
        ("a…c", "abc", true),
        ("a…c", "ab", false),
        ("a…b…c", "a-b-c", true),
        ("a…b…c", "a-c", false),
        ("ab", "abc", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn every_difference_is_listed_with_its_reason() {
    let (mut calls, mut found) = (0, Vec::new());
    for role in wire::ROLES {
        let (theirs, ours) = (theirs::run(role), ours::run(role));
        assert_eq!(theirs.len(), ours.len(), "the same calls");
        calls = theirs.len();
        for ((script, call, theirs), (same, same_call, ours)) in theirs.into_iter().zip(ours) {
            assert_eq!((script, &call), (same, &same_call));
            if theirs != ours {
                found.push(Difference {
                    script,
                    call,
                    theirs,
                    ours,
                });
            }
        }
    }
    assert!(calls >= MIN_CALLS, "{calls} calls");
    let (_, table) = MIGRATING.split_once(HEAD).expect("the table");
    let lines = table.lines().skip(2);
    let rows: Vec<_> = lines
        .take_while(|line| line.starts_with('|'))
        .map(Row::parse)
        .collect();
    let unlisted: Vec<_> = found
        .iter()
        .filter(|difference| !rows.iter().any(|row| row.permits(difference)))
        .collect();
    let needless: Vec<_> = rows
        .iter()
        .filter(|row| !found.iter().any(|difference| row.permits(difference)))
        .collect();
    assert!(
        unlisted.is_empty() && needless.is_empty(),
        "not in MIGRATING.md: {unlisted:#?}\nno difference any more: {needless:#?}"
    );
}
