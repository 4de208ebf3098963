//! Proxies by hand and from the environment.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite_deflate::dial::{
    Dial, InvalidProxyVariable, NoProxy, Proxy, ProxyChoice, ProxyError,
};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::{Options, connect_async_with_options};

use super::servers::{http_proxy, inside, listen, server, socks_proxy};

async fn connect(url: &str, proxy: impl Into<ProxyChoice>) -> Result<(), Error> {
    let options = Options::default().dial(Dial::default().proxy(proxy));
    connect_async_with_options(url, options, true)
        .await
        .map(drop)
}

#[tokio::test]
async fn http_proxy_is_shown_its_own_credentials_alone() {
    let (server, requests) = server().await;
    let (proxy, tunnels) = http_proxy().await;
    let url = format!("ws://{server}/chat");
    let with_password: Proxy = format!("http://alice:hunter2@{proxy}").parse().unwrap();
    connect(&url, with_password.clone()).await.unwrap();
    let tunnel = tunnels.lock().unwrap()[0].clone();
    assert!(
        tunnel.starts_with(&format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n")),
        "{tunnel}"
    );
    let request = requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /chat HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("authorization"));

    let without: Proxy = format!("http://{proxy}").parse().unwrap();
    let refused = connect(&url, without).await.unwrap_err();
    assert!(
        matches!(inside(&refused), ProxyError::Status { status: 407, .. }),
        "{refused}"
    );
    assert_eq!(requests.lock().unwrap().len(), 1);

    // Around it.
    let proxy = Box::new(with_password);
    for (list, tunnelled) in [("127.0.0.0/8", false), ("10.0.0.0/8", true)] {
        let before = tunnels.lock().unwrap().len();
        let choice = ProxyChoice::Through {
            proxy: proxy.clone(),
            except: list.parse::<NoProxy>().unwrap(),
        };
        connect(&url, choice).await.unwrap();
        assert_eq!(tunnels.lock().unwrap().len() > before, tunnelled, "{list}");
    }
}

#[tokio::test]
async fn socks_proxy_looks_names_up_if_asked_to() {
    let (server, requests) = server().await;
    let (proxy, asked) = socks_proxy(server).await;
    for (scheme, host, asked_for) in [
        ("socks5h", "server.example", "server.example:80"),
        ("socks5", "127.0.0.1", "127.0.0.1:80"),
        ("socks5h", "127.0.0.1", "127.0.0.1:80"),
    ] {
        let proxy: Proxy = format!("{scheme}://{proxy}").parse().unwrap();
        connect(&format!("ws://{host}/"), proxy).await.unwrap();
        assert_eq!(asked.lock().unwrap().pop().unwrap(), asked_for, "{scheme}");
        let request = requests.lock().unwrap().pop().unwrap();
        assert!(
            request.contains(&format!("\r\nHost: {host}\r\n")),
            "{request}"
        );
    }
    // `socks5` looks the name up here, and there is none.
    let local: Proxy = format!("socks5://{proxy}").parse().unwrap();
    let unknown = connect("ws://server.invalid/", local).await;
    assert!(matches!(unknown, Err(Error::Io(_))), "{unknown:?}");
    assert_eq!(asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn proxies_that_cannot_be_used_are_reported() {
    let (server, requests) = server().await;
    let url = format!("ws://{server}/");
    let encrypted = connect(&url, "https://127.0.0.1".parse::<Proxy>().unwrap()).await;
    assert!(
        matches!(&encrypted, Err(Error::Io(error)) if error.to_string().contains("Proxy::tunnel"))
    );
    // The server is no proxy: it answers CONNECT by 101.
    let wrong = connect(&url, format!("http://{server}").parse::<Proxy>().unwrap()).await;
    assert!(
        matches!(
            inside(&wrong.unwrap_err()),
            ProxyError::Status { status: 101, .. }
        ),
        "{requests:?}"
    );
    let http = listen(|mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 400 x\r\n\r\n").await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let proxy: Proxy = format!("socks5://{}", http.await).parse().unwrap();
    let socks = connect(&url, proxy).await.unwrap_err();
    assert!(matches!(inside(&socks), ProxyError::Socks(_)), "{socks}");
}

#[tokio::test]
async fn answer_of_a_proxy_has_a_limit() {
    let endless = listen(|mut socket| async move {
        let line = b"HTTP/1.1 200 OK\r\nX: "
            .iter()
            .chain(&[b'a'; 1000])
            .copied();
        let line: Vec<u8> = line.collect();
        while socket.write_all(&line).await.is_ok() {}
    });
    let proxy: Proxy = format!("http://{}", endless.await).parse().unwrap();
    let refused = connect("ws://server.example/", proxy).await.unwrap_err();
    assert!(
        matches!(inside(&refused), ProxyError::HeadTooLong { limit } if *limit <= 64 * 1024),
        "{refused}"
    );
}

/// Runs a test of this file in a process with these variables; setting variables of this one is unsafe.
fn in_environment(test: &str, variables: &[(&str, String)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    for name in [
        "wss_proxy",
        "https_proxy",
        "ws_proxy",
        "http_proxy",
        "all_proxy",
        "no_proxy",
    ] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

async fn by_environment(url: &str) -> Result<(), Error> {
    connect(url, ProxyChoice::Environment).await
}

#[tokio::test]
async fn environment_names_the_proxy() {
    let (server, _) = server().await;
    let (proxy, tunnels) = http_proxy().await;
    let address = ("TEST_SERVER", server.to_string());
    let good = ("ws_proxy", format!("http://alice:hunter2@{proxy}"));
    let run = move |test: &'static str, variables: Vec<(&'static str, String)>| {
        tokio::task::spawn_blocking(move || in_environment(test, &variables))
    };
    let reaches = "proxies::child_reaches_the_server";
    run(reaches, vec![address.clone(), good.clone()])
        .await
        .unwrap();
    assert_eq!(tunnels.lock().unwrap().len(), 1);
    let around = ("NO_PROXY", "example.com,127.0.0.1".to_owned());
    run(reaches, vec![address.clone(), good, around])
        .await
        .unwrap();
    assert_eq!(tunnels.lock().unwrap().len(), 1, "NO_PROXY goes around it");
    let wrong = ("all_proxy", "ftp://alice:hunter2@proxy".to_owned());
    run("proxies::child_reports_the_variable", vec![address, wrong])
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "run by environment_names_the_proxy with variables"]
async fn child_reaches_the_server() {
    let server = std::env::var("TEST_SERVER").unwrap();
    by_environment(&format!("ws://{server}/")).await.unwrap();
}

#[tokio::test]
#[ignore = "run by environment_names_the_proxy with variables"]
async fn child_reports_the_variable() {
    let server = std::env::var("TEST_SERVER").unwrap();
    let error = by_environment(&format!("ws://{server}/"))
        .await
        .unwrap_err();
    let variable: &InvalidProxyVariable = inside(&error);
    assert_eq!(variable.name, "all_proxy");
    assert!(!error.to_string().contains("hunter2"));
}
