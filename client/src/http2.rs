//! The opening handshake over HTTP/2: extended CONNECT (RFC 8441).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::deflate::negotiate;
use tungstenite_deflate::tungstenite::protocol::Role;

use crate::connect::{Opened, Settings, Transport};
use crate::error::ConnectError;
use crate::handshake::HandshakeFault;
use crate::head::Head;
use crate::meter::{Meter, Metered};
use crate::request::insert_common;
use crate::said::explanation;
use crate::sensitive::shown_target;

/// Opens a WebSocket on a new stream of a new HTTP/2 connection over `transport`.
pub(crate) async fn open(
    settings: &Settings,
    headers: &HeaderMap,
    transport: Box<dyn Transport>,
) -> Result<Opened, ConnectError> {
    let request = request(settings, headers)?;
    let sent = head_of(
        format!(
            "CONNECT {} HTTP/2 (:protocol websocket)",
            settings.target.path
        ),
        request.headers(),
    );
    let failed = |response: Option<Head>, detail: String| {
        let fault = HandshakeFault {
            request: sent.clone(),
            response,
            is_whole: true,
            detail,
            said: None,
        };
        ConnectError::Handshake {
            peer: shown_target(&settings.target.to_string()).into_owned(),
            fault: Box::new(fault),
        }
    };
    let io = TokioIo::new(transport);
    let (mut sender, mut connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .map_err(|error| failed(None, error.to_string()))?;
    extended_connect_enabled(&mut connection)
        .await
        .map_err(|detail| failed(None, detail))?;
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| failed(None, error.to_string()))?;
    let received = head_of(
        format!("HTTP/2 {}", response.status().as_u16()),
        response.headers(),
    );
    if !response.status().is_success() {
        let detail = format!("status {}", response.status());
        let mut error = failed(Some(received), detail);
        if let ConnectError::Handshake { fault, .. } = &mut error {
            fault.said = explanation(&body_of(response).await);
        }
        return Err(error);
    }
    let agreed =
        check(settings, &response).map_err(|detail| failed(Some(received.clone()), detail))?;
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(|error| failed(None, error.to_string()))?;
    let meter = Meter::without_head();
    let transport: Box<dyn Transport> = Box::new(TokioIo::new(upgraded));
    let metered = Metered::new(transport, meter.clone());
    let options = settings.options.clone();
    let stream =
        WebSocketStream::with_options(metered, BytesMut::new(), Role::Client, options, agreed);
    Ok(Opened {
        stream,
        request: sent,
        response: received,
        meter,
    })
}

/// Waits for the server's SETTINGS: without `ENABLE_CONNECT_PROTOCOL` there the request must not be sent (RFC 8441 §3).
///
/// # Errors
/// The reason why there is none, in words.
async fn extended_connect_enabled(connection: &mut ServerConnection) -> Result<(), String> {
    let enabled = async {
        // hyper reads SETTINGS in a task of its own and does not notify, so this looks again and again.
        while !connection.is_extended_connect_protocol_enabled() {
            tokio::select! {
                result = &mut *connection => {
                    return Err(result.err().map_or_else(|| "it closed the connection".into(), |error| error.to_string()));
                }
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    };
    tokio::time::timeout(SETTINGS_PATIENCE, enabled)
        .await
        .unwrap_or_else(|_| {
            Err("it does not offer WebSockets over HTTP/2, RFC 8441; leave out --http2".into())
        })
}

/// hyper's side of the connection to the server.
type ServerConnection = hyper::client::conn::http2::Connection<
    TokioIo<Box<dyn Transport>>,
    Empty<Bytes>,
    TokioExecutor,
>;

/// The body of a refusal, as far as it comes soon and is short.
async fn body_of(response: Response<Incoming>) -> Bytes {
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY_PATIENCE, body).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        _ => Bytes::new(),
    }
}

/// Maximum length of a refusal's body that is read.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Time limit for the body of a refusal; the status is reported without it as well.
const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// SETTINGS are the first frame of a server (RFC 9113 §3.4): without them by now they do not say what is needed.
const SETTINGS_PATIENCE: Duration = Duration::from_secs(5);

const LOOK_AGAIN: Duration = Duration::from_millis(1);

fn request(
    settings: &Settings,
    headers: &HeaderMap,
) -> Result<Request<Empty<Bytes>>, ConnectError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ConnectError::Settings(format!("the request cannot be made: {error}"))
    };
    let target = &settings.target;
    let scheme = if target.secure { "https" } else { "http" };
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("{scheme}://{}{}", target.authority(), target.path))
        .extension(Protocol::from_static("websocket"))
        .body(Empty::new())
        .map_err(|error| wrong(&error))?;
    let fields = request.headers_mut();
    fields.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    if let Some(config) = &settings.options.deflate {
        let offer =
            HeaderValue::try_from(negotiate::offer(config)).map_err(|error| wrong(&error))?;
        fields.insert(header::SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    insert_common(fields, headers, &settings.subprotocols)?;
    // The authority is in `:authority`, and Host beside it could differ (RFC 9113 §8.3.1).
    fields.remove(header::HOST);
    Ok(request)
}

/// The checks of RFC 6455 §4.1 that are left over HTTP/2: extensions and subprotocol (RFC 8441 §5).
fn check<B>(
    settings: &Settings,
    response: &Response<B>,
) -> Result<Option<tungstenite_deflate::Agreed>, String> {
    let lines = |name: header::HeaderName| {
        response
            .headers()
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect::<Vec<_>>()
    };
    let extensions = lines(header::SEC_WEBSOCKET_EXTENSIONS);
    let agreed = negotiate::accept_response(
        extensions.iter().map(String::as_str),
        settings.options.deflate.as_ref(),
    )
    .map_err(|error| error.to_string())?;
    // Upgrade, Connection, Key and Accept do not exist over HTTP/2.
    for chosen in lines(header::SEC_WEBSOCKET_PROTOCOL) {
        if !settings.subprotocols.contains(&chosen) {
            return Err(format!(
                "subprotocol `{chosen}` was not asked for (RFC 6455 §4.1)"
            ));
        }
    }
    Ok(agreed)
}

fn head_of(first_line: String, headers: &HeaderMap) -> Head {
    let fields = headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    Head {
        first_line,
        fields: fields.collect(),
    }
}
