//! Who wants to enter which room: path, query and token together.

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;

use crate::access::{Grant, Right};
use crate::rooms::{MemberName, Position, RoomName};

/// Who wants to enter which room, or what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What was asked for.
    pub(super) wish: Result<Wish, String>,
    /// What the token allows.
    pub(super) grant: Grant,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) room: RoomName,
    pub(super) name: MemberName,
    pub(super) since: Option<Position>,
}

/// The query.
#[derive(Debug, Default, Deserialize)]
struct Parameters {
    name: Option<String>,
    since: Option<String>,
}

impl Entry {
    /// Reads the room's name and the query of `uri`.
    pub(super) fn read(room: &str, uri: &Uri, grant: Grant) -> Self {
        let wish = Query::<Parameters>::try_from_uri(uri)
            .map_err(|_| "the query cannot be read: write ?name=NAME&since=EPOCH:OFFSET".to_owned())
            .and_then(|Query(parameters)| wish(room, &parameters, &grant));
        Self { wish, grant }
    }
}

fn wish(room: &str, parameters: &Parameters, grant: &Grant) -> Result<Wish, String> {
    let room: RoomName = room.parse().map_err(|error| format!("{error}"))?;
    let asked = parameters.name.as_deref().map(str::parse::<MemberName>);
    let asked = asked.transpose().map_err(|error| error.to_string())?;
    let name = match (grant.name().cloned(), asked) {
        (Some(name), Some(asked)) if name != asked => {
            return Err("the token is for another name".to_owned());
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err("a name is missing: /chat/ROOM?name=NAME".to_owned()),
    };
    let since = parameters
        .since
        .as_deref()
        .filter(|since| !since.is_empty());
    let since = since.map(str::parse).transpose();
    let since: Option<Position> = since.map_err(|error| format!("{error}"))?;
    if since.is_some() && !grant.may(Right::History, &room) {
        return Err("the token does not allow history, so no since either".to_owned());
    }
    Ok(Wish { room, name, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(room: &str, query: &str) -> Result<Wish, String> {
        let uri: Uri = format!("/chat/x?{query}").parse().unwrap();
        Entry::read(room, &uri, Grant::everything()).wish
    }

    #[test]
    fn names_come_from_the_query_percent_encoded() {
        let wish = read("tea", "name=Jo%C3%A3o&since=0000000000c0ffee:7&other=1").unwrap();
        assert_eq!((wish.room.as_str(), wish.name.as_str()), ("tea", "João"));
        assert_eq!(wish.since.unwrap().offset, 7);
        assert!(read("tea", "name=ana&since=").unwrap().since.is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (room, query, part) in [
            ("tea", "", "a name is missing"),
            ("tea", "name=", "member name has 1 to 64"),
            ("tea", "name=a%0d%0ab", "'\\r'"),
            ("te a", "name=ana", "' '"),
            ("tea", "name=ana&since=7", "is no position"),
            ("tea", "name=a&name=b", "query cannot be read"),
        ] {
            let error = read(room, query).unwrap_err();
            assert!(error.contains(part), "{query}: {error}");
        }
    }
}
