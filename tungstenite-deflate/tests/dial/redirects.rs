//! Redirects: followed by choice, by the rules of the fetch standard.

use tungstenite_deflate::dial::Dial;
use tungstenite_deflate::handshake::{Redirect, RedirectError, WebSocketUrl};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::handshake::client::{Request, Response};
use tungstenite_deflate::tungstenite::http::HeaderMap;
use tungstenite_deflate::{Options, connect_async_with_options};

use super::servers::{header, inside, server};

async fn follow(request: impl IntoClientRequest, limit: usize) -> Result<Response, Error> {
    let request: Request = request.into_client_request().unwrap();
    let options = Options::default().dial(Dial::default().max_redirects(limit));
    connect_async_with_options(request, options, true)
        .await
        .map(|(_, response)| response)
}

#[tokio::test]
async fn as_many_as_chosen_are_followed() {
    let (address, seen) = server().await;
    let url = format!("ws://{address}/to?to?to?/end");
    match follow(url.as_str(), 0).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 307),
        other => panic!("{other:?}"),
    }
    let refused = follow(url.as_str(), 2).await.unwrap_err();
    assert_eq!(
        inside::<RedirectError>(&refused),
        &RedirectError::TooMany { limit: 2 }
    );
    assert!(refused.to_string().contains("redirect number 3, at most 2"));
    seen.lock().unwrap().clear();
    let response = follow(url.as_str(), 3).await.unwrap();
    let reached = response.extensions().get::<WebSocketUrl>().unwrap();
    assert_eq!(reached.to_string(), format!("ws://{address}/end"));
    let mut keys: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|head| header(head, "sec-websocket-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 4);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each request has a key of its own");
    let direct = follow(format!("ws://{address}/"), 3).await.unwrap();
    assert!(direct.extensions().get::<WebSocketUrl>().is_none());
}

#[tokio::test]
async fn another_origin_gets_the_handshake_alone() {
    let (first, seen) = server().await;
    let (other, seen_by_other) = server().await;
    for (location, stays) in [
        ("/here".to_owned(), true),
        (format!("ws://{other}/"), false),
    ] {
        for (origin, passed_on) in [
            (format!("http://{first}"), true),
            ("https://page.example".into(), false),
        ] {
            let mut request = format!("ws://{first}/to?{location}")
                .into_client_request()
                .unwrap();
            for (name, value) in [
                ("cookie", "a=b"),
                ("x-api-key", "s3cret"),
                ("origin", origin.as_str()),
            ] {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            follow(request, 1).await.unwrap();
            let heads = if stays { &seen } else { &seen_by_other };
            let head = heads.lock().unwrap().last().unwrap().clone();
            assert_eq!(header(&head, "cookie"), stays.then_some("a=b"));
            assert_eq!(header(&head, "x-api-key"), stays.then_some("s3cret"));
            let expected = if stays || passed_on {
                origin.as_str()
            } else {
                "null"
            };
            assert_eq!(header(&head, "origin"), Some(expected));
            let host = if stays { first } else { other };
            assert_eq!(header(&head, "host"), Some(host.to_string().as_str()));
            assert!(header(&head, "sec-websocket-extensions").is_some());
            assert_eq!(head.matches("\r\nHost").count(), 1, "{head}");
        }
    }
}

#[tokio::test]
async fn redirects_that_break_a_rule_are_refused() {
    let (address, _) = server().await;
    let refused = follow(format!("ws://{address}/to?ftp://h/"), 5)
        .await
        .unwrap_err();
    assert!(
        matches!(inside(&refused), RedirectError::Location(_)),
        "{refused}"
    );

    let from: WebSocketUrl = "wss://h:444/a/b?c".parse().unwrap();
    for (location, expected) in [
        ("/x", Ok(("wss://h:444/x", true))),
        ("x#part", Ok(("wss://h:444/a/x", true))),
        ("wss://H:444/", Ok(("wss://h:444/", true))),
        ("https://u:p@h:444/", Ok(("wss://h:444/", true))),
        ("//g/x", Ok(("wss://g/x", false))),
        ("wss://h/", Ok(("wss://h/", false))),
        ("wss://sub.h:444/", Ok(("wss://sub.h:444/", false))),
        ("ws://h:444/", Err("it leads from wss to unencrypted ws")),
        ("http://h/", Err("it leads from wss to unencrypted ws")),
        ("javascript:x", Err("scheme `javascript`")),
        ("/a\nb", Err("character")),
    ] {
        match (Redirect::to(&from, location), expected) {
            (Ok(redirect), Ok((url, same))) => {
                assert_eq!(redirect.url().to_string(), url);
                assert_eq!(redirect.url().user_info(), None);
                assert_eq!(redirect.is_same_origin(), same, "{location}");
            }
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (result, _) => panic!("{location}: {result:?}"),
        }
    }
    // A step up in encryption is another origin.
    let plain: WebSocketUrl = "ws://h/".parse().unwrap();
    let redirect = Redirect::to(&plain, "wss://h/").unwrap();
    assert!(!redirect.is_same_origin());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "x"),
        ("sec-websocket-protocol", "bearer.x"),
        ("host", "h"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    assert!(redirect.headers(&headers).is_empty());
}
