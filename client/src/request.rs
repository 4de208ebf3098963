//! The request of the opening handshake (RFC 6455 §4.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tungstenite_deflate::tungstenite::handshake::client::generate_key;

use crate::error::ConnectError;
use crate::sensitive::is_sensitive_header;
use crate::target::Target;

/// Headers that the handshake sets itself.
const RESERVED: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
];

/// Takes one `NAME: VALUE` into `headers`.
///
/// # Errors
/// No colon, a character that headers must not have (CR and LF among them), or a header of the handshake itself.
pub fn add_header(headers: &mut HeaderMap, line: &str) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("a header is NAME: VALUE")?;
    let name = HeaderName::try_from(name.trim())
        .map_err(|_| "the header's name has a character that names must not have")?;
    if RESERVED.contains(&name) {
        return Err(format!(
            "the header {name} is part of the handshake and cannot be set"
        ));
    }
    // The value may be a secret: the message must not repeat it.
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| {
        format!("the value of the header {name} has a control character (CR, LF and the like)")
    })?;
    value.set_sensitive(is_sensitive_header(&name));
    headers.append(name, value);
    Ok(())
}

/// The HTTP/1.1 request for `target`.
pub(crate) fn request(
    target: &Target,
    headers: &HeaderMap,
    subprotocols: &[String],
) -> Result<http::Request<()>, ConnectError> {
    let wrong =
        |error: http::Error| ConnectError::Settings(format!("the request cannot be made: {error}"));
    let mut request = http::Request::builder()
        .uri(target.to_string())
        .body(())
        .map_err(wrong)?;
    let fields = request.headers_mut();
    let host = HeaderValue::try_from(target.authority()).map_err(|error| wrong(error.into()))?;
    fields.insert(header::HOST, host);
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    let key = HeaderValue::try_from(generate_key()).map_err(|error| wrong(error.into()))?;
    fields.insert(header::SEC_WEBSOCKET_KEY, key);
    insert_common(fields, headers, subprotocols)?;
    Ok(request)
}

/// Inserts the fields that HTTP/1.1 and HTTP/2 share: the subprotocols and the user's own headers.
pub(crate) fn insert_common(
    fields: &mut HeaderMap,
    headers: &HeaderMap,
    subprotocols: &[String],
) -> Result<(), ConnectError> {
    if !subprotocols.is_empty() {
        let value = HeaderValue::try_from(subprotocols.join(", "))
            .map_err(|_| ConnectError::Settings("a subprotocol has a control character".into()))?;
        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    if let Some(host) = headers.get(header::HOST) {
        fields.insert(header::HOST, host.clone());
    }
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::HOST) {
        fields.append(name.clone(), value.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_and_values_kept_secret() {
        let mut headers = HeaderMap::new();
        add_header(&mut headers, "Authorization: Bearer s3cret").unwrap();
        add_header(&mut headers, "X-Name:  Olá ").unwrap();
        assert!(!format!("{headers:?}").contains("s3cret"));
        for line in [
            "",
            "X",
            "X Y: 1",
            "X: a\r\nY: b",
            "X: a\nb",
            "Upgrade: x",
            "sec-websocket-key: x",
            ": x",
            "X: \0",
        ] {
            assert!(add_header(&mut headers, line).is_err(), "{line:?}");
        }
        let error = add_header(&mut headers, "Authorization: s3cret\r\n x").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
