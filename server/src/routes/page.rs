//! The pages: files that are part of the program, sent with headers that leave a browser little room for mischief.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::proxies::Site;

/// A file of the pages.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// A file of `server/assets` at `/` and its name.
macro_rules! file {
    ($name:literal, $content_type:expr) => {
        file!($name, $content_type, at concat!("/", $name))
    };
    ($name:literal, $content_type:expr, at $path:expr) => {
        File {
            path: $path,
            content_type: $content_type,
            content: include_str!(concat!("../../assets/", $name)),
        }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file; a path that is not here does not exist, so no trick with dots or slashes leads anywhere.
const FILES: &[File] = &[
    file!("index.html", HTML, at "/"),
    file!("chat.html", HTML),
    file!("drone.html", HTML),
    file!("style.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("common.js", SCRIPT),
    file!("strings.js", SCRIPT),
    file!("workbench.js", SCRIPT),
    file!("history.js", SCRIPT),
    file!("payload.js", SCRIPT),
    file!("dashboard.js", SCRIPT),
    file!("plot.js", SCRIPT),
    file!("chat.js", SCRIPT),
    file!("room.js", SCRIPT),
    file!("link.js", SCRIPT),
    file!("transcript.js", SCRIPT),
    file!("toast.js", SCRIPT),
    file!("drone.js", SCRIPT),
    file!("answer.js", SCRIPT),
    file!("sky.js", SCRIPT),
];

/// Headers of every file.
///
/// Scripts, styles and WebSockets come from this server alone and nothing is inline, so a message that a peer sends
/// cannot become code; nobody may frame the pages. None outlives the visit or concerns other ports of the host: that is
/// for who runs the host to choose, see [`pages`].
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // The files change with the program: ask each time, and get 304 while they are the same.
    (header::CACHE_CONTROL, "no-cache"),
];

/// The routes of the pages, which have browsers keep to https for `hsts`, if that is wanted (RFC 6797 §6.1.1).
pub(crate) fn pages(hsts: Option<Duration>) -> Router {
    let hsts = hsts.and_then(max_age);
    FILES.iter().fold(Router::new(), |router, file| {
        let (tag, hsts) = (tag(file.content), hsts.clone());
        router.route(
            file.path,
            get(
                move |site: Option<Extension<Site>>, headers: HeaderMap| async move {
                    // Not over a connection without TLS (RFC 6797 §7.2).
                    let hsts = hsts.filter(|_| site.is_none_or(|Extension(site)| site.is_secure));
                    respond(file, &tag, hsts, &headers)
                },
            ),
        )
    })
}

/// `max-age` with `age` in seconds.
fn max_age(age: Duration) -> Option<HeaderValue> {
    // Letters and digits are always a header's value.
    HeaderValue::from_str(&format!("max-age={}", age.as_secs())).ok()
}

fn respond(
    file: &'static File,
    tag: &HeaderValue,
    hsts: Option<HeaderValue>,
    request: &HeaderMap,
) -> Response {
    let mut response = if is_known(request, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.content.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(file.content_type),
    );
    headers.insert(header::ETAG, tag.clone());
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    response
}

/// Returns true if the browser has this version already (RFC 9110 §13.1.2).
fn is_known(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let lines = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|known| known.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

/// A validator that changes with the content (RFC 9110 §8.8.3).
fn tag(content: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    // Digits and quotes are always a header's value.
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str, known: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        pages(None)
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn every_file_is_sent_with_its_type_and_the_headers() {
        for file in FILES {
            let response = fetch(file.path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{}", file.path);
            assert_eq!(response.headers()[header::CONTENT_TYPE], file.content_type);
            for (name, value) in HEADERS {
                assert_eq!(response.headers()[&name], value, "{}: {name}", file.path);
            }
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, file.content.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_known_version_is_not_sent_again() {
        let tag = fetch("/", None).await.headers()[header::ETAG]
            .to_str()
            .unwrap()
            .to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            assert_eq!(
                fetch("/", Some(&known)).await.status(),
                StatusCode::NOT_MODIFIED,
                "{known}"
            );
        }
        assert_eq!(fetch("/", Some("\"other\"")).await.status(), StatusCode::OK);
        assert_ne!(
            fetch("/style.css", None).await.headers()[header::ETAG]
                .to_str()
                .unwrap(),
            tag
        );
    }

    #[tokio::test]
    async fn tricks_with_paths_find_nothing() {
        let paths = [
            "/..",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/..%2fCargo.toml",
            "//style.css",
            "/style.css/",
            "/style.css%00",
            "/STYLE.CSS",
            "/./style.css",
            "/assets/style.css",
            "/%5c..%5cCargo.toml",
            "/index.html/..",
            "/style%2ecss/",
        ];
        for path in paths {
            assert_eq!(
                fetch(path, None).await.status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let long = format!("/{}", "a".repeat(8000));
        assert_eq!(fetch(&long, None).await.status(), StatusCode::NOT_FOUND);
    }

    /// The files must not hold what the policy forbids: the page would silently lack it.
    #[test]
    fn files_hold_nothing_inline_and_write_no_html() {
        for file in FILES {
            let forbidden: &[&str] = match file.content_type {
                HTML => &["<style", " style=", " onclick=", "javascript:", "<script>"],
                SCRIPT => &[
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                    "new Function",
                    "style.cssText",
                ],
                _ => &["http://", "@import", "url("],
            };
            // The namespace of SVG is a name and is not fetched.
            let content = file.content.replace("http://www.w3.org/2000/svg", "");
            for word in forbidden {
                assert!(!content.contains(word), "{}: {word}", file.path);
            }
            assert!(
                !content.contains("https://"),
                "{}: nothing comes from elsewhere",
                file.path
            );
        }
    }

    /// Each string exists in both languages, and each key that a page names exists.
    #[test]
    fn every_word_is_translated() {
        let strings = FILES
            .iter()
            .find(|file| file.path == "/strings.js")
            .unwrap()
            .content;
        let (english, portuguese) = strings.split_once("  pt: {").unwrap();
        let keys = |text: &str| -> std::collections::BTreeSet<String> {
            text.split('\'')
                .skip(1)
                .step_by(2)
                .zip(text.split('\'').skip(2).step_by(2))
                .filter(|(_, after)| after.starts_with(':'))
                .map(|(key, _)| key.to_owned())
                .collect()
        };
        let (english, portuguese) = (keys(english), keys(portuguese));
        assert_eq!(english, portuguese);
        for file in FILES.iter().filter(|file| file.content_type == HTML) {
            for attribute in ["data-t=\"", "data-t-label=\""] {
                for key in file
                    .content
                    .split(attribute)
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next())
                {
                    assert!(english.contains(key), "{}: {key}", file.path);
                }
            }
        }
    }
}
