//! Credentials of the URL: sent by choice, and to their own origin only.

use tungstenite_deflate::dial::Dial;
use tungstenite_deflate::handshake::WebSocketUrl;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::handshake::client::Request;
use tungstenite_deflate::{Options, connect_async, connect_async_with_options};

use super::servers::{header, server};

const BASIC: &str = "Basic YWxpY2U6czNjcmV0";

async fn sent(request: impl IntoClientRequest, options: Options) {
    let request: Request = request.into_client_request().unwrap();
    connect_async_with_options(request, options, true)
        .await
        .unwrap();
}

#[tokio::test]
async fn credentials_are_sent_by_choice() {
    let (address, seen) = server().await;
    let text = format!("ws://alice:s3cret@{address}/chat");
    let last = || seen.lock().unwrap().pop().unwrap();
    let choice = Options::default().url_credentials(true);

    sent(text.as_str(), Options::default()).await;
    assert_eq!(header(&last(), "authorization"), None);
    connect_async(text.as_str()).await.unwrap();
    assert_eq!(header(&last(), "authorization"), None);

    sent(text.as_str(), choice.clone()).await;
    let head = last();
    assert_eq!(header(&head, "authorization"), Some(BASIC));
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some(address.to_string().as_str()));

    let url: WebSocketUrl = text.parse().unwrap();
    assert!(!format!("{:?}", (&url).into_client_request().unwrap()).contains("s3cret"));
    sent(url, choice.clone()).await;
    assert_eq!(header(&last(), "authorization"), Some(BASIC));

    let mut request = text.as_str().into_client_request().unwrap();
    let own = "Bearer x".parse().unwrap();
    request.headers_mut().insert("authorization", own);
    sent(request, choice.clone()).await;
    assert_eq!(header(&last(), "authorization"), Some("Bearer x"));

    for text in [
        format!("ws://al%0aice:s3cret@{address}/"),
        format!("ws://al%3Aice:s3cret@{address}/"),
        format!("ws://%ff@{address}/"),
    ] {
        let refused = connect_async_with_options(text.as_str(), choice.clone(), true).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("user information"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn credentials_do_not_leave_their_origin() {
    let (first, seen) = server().await;
    let (other, seen_by_other) = server().await;
    let options = Options::default()
        .url_credentials(true)
        .dial(Dial::default().max_redirects(3));
    // Back at the first origin nothing is sent again either: who redirects could read the answer.
    let detour = format!("ws://{other}/to?ws://{first}/end");
    for (location, expected) in [
        ("/here".to_owned(), vec![Some(BASIC), Some(BASIC)]),
        (format!("ws://{other}/"), vec![Some(BASIC)]),
        (format!("ws://mallory:own@{other}/"), vec![Some(BASIC)]),
        (detour, vec![Some(BASIC), None]),
    ] {
        let url = format!("ws://alice:s3cret@{first}/to?{location}");
        sent(url.as_str(), options.clone()).await;
        let heads: Vec<String> = std::mem::take(&mut *seen.lock().unwrap());
        let shown: Vec<_> = heads
            .iter()
            .map(|head| header(head, "authorization"))
            .collect();
        assert_eq!(shown, expected, "{location}");
        for head in std::mem::take(&mut *seen_by_other.lock().unwrap()) {
            assert_eq!(header(&head, "authorization"), None, "{location}");
        }
    }
}
