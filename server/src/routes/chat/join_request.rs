//! The path and the query of a request to join.

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;

use rooms::Refusal;

/// A request to join, as it was written.
#[derive(Clone, Debug)]
pub(super) struct JoinRequest {
    pub(super) room: String,
    pub(super) name: Option<String>,
    pub(super) since: Option<String>,
}

/// The query.
#[derive(Debug, Default, Deserialize)]
struct Parameters {
    name: Option<String>,
    since: Option<String>,
}

impl JoinRequest {
    /// Reads the query of `uri` for `room`.
    pub(super) fn read(room: &str, uri: &Uri) -> Result<Self, Refusal> {
        let Query(Parameters { name, since }) = Query::try_from_uri(uri).map_err(|_| {
            let text = "the query cannot be read: write ?name=NAME&since=EPOCH:OFFSET";
            Refusal::Malformed(text.to_owned())
        })?;
        Ok(Self {
            room: room.to_owned(),
            name,
            since,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<JoinRequest, Refusal> {
        let uri: Uri = format!("/chat/x?{query}").parse().unwrap();
        JoinRequest::read("x", &uri)
    }

    #[test]
    fn the_query_is_percent_encoded() {
        let entry = read("name=Jo%C3%A3o&since=0000000000c0ffee:7&other=1").unwrap();
        assert_eq!(entry.name.as_deref(), Some("João"));
        assert_eq!(entry.since.as_deref(), Some("0000000000c0ffee:7"));
        assert!(read("").unwrap().name.is_none());
    }

    #[test]
    fn an_ambiguous_query_is_refused() {
        let error = read("name=a&name=b").unwrap_err().to_string();
        assert!(error.contains("query cannot be read"), "{error}");
    }
}
