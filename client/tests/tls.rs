//! Client certificates, TLS versions and proxies over TLS, against the real server and against OpenSSL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use common::authority::{Authority, server_config};
use common::{
    Ended, RealServer, client, dead_port, header, read_head, run, serve, serve_websocket,
    server_binary,
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::CertificateDer;

/// Ends its process when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate and its key as PEM files.
struct Pair {
    directory: tempfile::TempDir,
}

impl Pair {
    fn new(certificate: &CertificateDer<'_>, key: &KeyPair) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pem = rustls_pem("CERTIFICATE", certificate);
        std::fs::write(directory.path().join("one.crt"), pem).unwrap();
        std::fs::write(directory.path().join("one.key"), key.serialize_pem()).unwrap();
        Self { directory }
    }

    fn certificate(&self) -> String {
        self.directory.path().join("one.crt").display().to_string()
    }

    fn key(&self) -> String {
        self.directory.path().join("one.key").display().to_string()
    }
}

fn rustls_pem(what: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
        lines.join("\n")
    )
}

fn for_clients(parameters: &mut CertificateParams) {
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

fn client_pair(authority: &Authority) -> Pair {
    let (certificate, key) = authority.sign("somebody", for_clients);
    Pair::new(&certificate, &key)
}

/// Starts a program and waits for the line that tells that it listens.
fn start(command: &mut Command, ready: &str) -> (Running, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let running = Running(child);
    let mut lines = BufReader::new(stdout).lines();
    let line = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains(ready))
        .unwrap();
    // Whoever stops reading would stop the program.
    std::thread::spawn(move || lines.for_each(drop));
    (running, line)
}

/// The real server, which wants certificates of `authority`.
fn strict_server(directory: &Path, authority: &Authority) -> (Running, u16) {
    let mut command = Command::new(server_binary());
    command
        .args([
            "--listen",
            "127.0.0.1:0",
            "--client-auth",
            "required",
            "--client-ca",
        ])
        .args([authority.path(), "--certs"])
        .arg(directory.join("certs"))
        .env_clear()
        .current_dir(directory);
    let (running, line) = start(&mut command, "rodando na porta ");
    let port = line.split("rodando na porta ").nth(1).unwrap();
    (running, port.trim_end_matches("...").parse().unwrap())
}

#[test]
fn real_server_takes_only_certificates_of_its_authority() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let (_server, port) = strict_server(directory.path(), &authority);
    let echo = format!("wss://localhost:{port}/echo");
    let grpc = format!("https://localhost:{port}");
    let good = client_pair(&authority);
    let foreign = client_pair(&Authority::new());
    let try_with = |arguments: &[&str], pair: Option<&Pair>| -> Ended {
        let mut command = client(arguments);
        // The CA of the working directory is not trusted with a certificate of ours unless it is named.
        command.args(["--ca", "certs/ca.crt"]);
        if let Some(pair) = pair {
            command.args(["--cert", &pair.certificate(), "--key", &pair.key()]);
        }
        run(command.current_dir(directory.path()))
    };
    for (arguments, reply) in [
        (&[echo.as_str(), "Olá"][..], "Olá\n"),
        (&[&echo, "Olá", "--http2"], "Olá\n"),
        (&[&echo, "Olá", "--tls-min", "1.3"], "Olá\n"),
        (
            &["grpc", &grpc, "Olá"],
            "Resposta do servidor: Mensagem recebida: Olá\n",
        ),
    ] {
        let ended = try_with(arguments, Some(&good));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, reply),
            "{ended:?}"
        );
        // In TLS 1.3 the alert comes when the client's handshake is over: it is TLS that is refused all the same.
        try_with(arguments, None).assert_refused(4, "give a client certificate with --cert FILE");
        try_with(arguments, Some(&foreign)).assert_refused(4, "use one from its CA");
    }
}

#[test]
fn certificate_and_key_must_be_readable_and_fit() {
    let authority = Authority::new();
    let one = client_pair(&authority);
    let other = client_pair(&authority);
    let url = format!("wss://localhost:{}/", dead_port());
    let pem = "check the path, the permissions and that it is PEM";
    for (certificate, key, part, remedy) in [
        (
            one.certificate(),
            other.key(),
            "does not fit the certificate",
            "give the --key FILE that belongs to --cert FILE",
        ),
        (one.key(), one.key(), "no `BEGIN CERTIFICATE` section", pem),
        (
            one.certificate(),
            one.certificate(),
            "no unencrypted `BEGIN PRIVATE KEY` section",
            pem,
        ),
        (
            one.certificate(),
            "/nonexistent".into(),
            "No such file",
            pem,
        ),
    ] {
        let arguments = [
            url.as_str(),
            "x",
            "--cert",
            &certificate,
            "--key",
            &key,
            "--ca",
            authority.path(),
        ];
        let ended = run(&mut client(&arguments));
        ended.assert_refused(2, part);
        assert!(
            ended.stderr.ends_with(&format!("; {remedy}\n")),
            "{ended:?}"
        );
    }
    let alone = run(&mut client(&[&url, "x", "--cert", &one.certificate()]));
    assert_eq!(alone.status, 2, "{alone:?}");
}

/// OpenSSL's test server, which answers any request with a page: status 200 tells that TLS came about.
fn openssl(authority: &Authority, more: &[&str]) -> (Running, u16) {
    let (certificate, key) = authority.sign("localhost", |_| {});
    let pair = Pair::new(&certificate, &key);
    let port = dead_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}")])
        .args(["-cert", &pair.certificate(), "-key", &pair.key()])
        .args(["-CAfile", authority.path()])
        .args(more);
    let (running, _) = start(&mut command, "ACCEPT");
    (running, port)
}

#[test]
fn openssl_verifies_the_client_certificate() {
    let authority = Authority::new();
    let good = client_pair(&authority);
    let foreign = client_pair(&Authority::new());
    for version in ["-tls1_2", "-tls1_3"] {
        let (_server, port) = openssl(
            &authority,
            &["-Verify", "1", "-verify_return_error", version],
        );
        let url = format!("wss://localhost:{port}/");
        let try_with = |pair: Option<&Pair>| -> Ended {
            let mut command = client(&[&url, "x", "--ca", authority.path()]);
            if let Some(pair) = pair {
                command.args(["--cert", &pair.certificate(), "--key", &pair.key()]);
            }
            run(&mut command)
        };
        try_with(Some(&good)).assert_refused(5, "`HTTP/1.0 200 ok` instead of status 101");
        try_with(None).assert_refused(4, "--cert FILE --key FILE");
        try_with(Some(&foreign)).assert_refused(4, "the server sent the alert");
    }
}

#[test]
fn oldest_version_is_heeded() {
    let authority = Authority::new();
    for (server, minimum, status, part) in [
        ("-tls1_2", "1.2", 5, "200 ok"),
        ("-tls1_2", "1.3", 4, "lower --tls-min"),
        ("-tls1_3", "1.2", 5, "200 ok"),
        ("-tls1_3", "1.3", 5, "200 ok"),
        ("-tls1_1", "1.2", 4, "TLS to localhost"),
    ] {
        // Debian's OpenSSL has TLS 1.1 at security level 0 only.
        let (_server, port) = openssl(&authority, &[server, "-cipher", "ALL:@SECLEVEL=0"]);
        let url = format!("wss://localhost:{port}/");
        let arguments = [
            &url,
            "x",
            "--ca",
            authority.path(),
            "--tls-min",
            minimum,
            "--show-handshake",
        ];
        run(&mut client(&arguments)).assert_refused(status, part);
    }
    assert_eq!(
        run(&mut client(&["wss://h/", "--tls-min", "1.1"])).status,
        2
    );
}

/// A proxy over TLS that wants credentials; notes each request head.
fn https_proxy(authority: &Authority, seen: &Arc<Mutex<String>>) -> u16 {
    let (certificate, key) = authority.sign("localhost", |_| {});
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(certificate, &key)));
    let seen = Arc::clone(seen);
    serve(move |stream| {
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                tunnel(stream, &seen).await;
            }
        });
    })
    .port()
}

async fn tunnel(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    seen: &Mutex<String>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    seen.lock().unwrap().clone_from(&head);
    if header(&head, "Proxy-Authorization").as_deref() != Some("Basic YWxpY2U6aHVudGVyMg==") {
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let _ = stream.shutdown().await;
        return;
    }
    let target = head.split_whitespace().nth(1).unwrap();
    let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
    let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
}

#[test]
fn proxies_are_reached_over_tls() {
    let server = RealServer::get();
    let authority = Authority::new();
    let seen = Arc::new(Mutex::new(String::new()));
    let port = https_proxy(&authority, &seen);
    let proxy = format!("https://alice:hunter2@localhost:{port}");
    let echo = server.url("/echo");
    let grpc = format!("https://localhost:{}", server.address.port());
    let plain = serve_websocket(|mut stream| async move {
        use futures_util::{SinkExt as _, StreamExt as _};
        while let Some(Ok(message)) = stream.next().await {
            if stream.send(message).await.is_err() {
                return;
            }
        }
    });
    for arguments in [
        &[echo.as_str(), "Olá"][..],
        &[&echo, "Olá", "--http2"],
        &[&plain, "Olá"],
        &["grpc", &grpc, "Olá"],
    ] {
        let mut all = arguments.to_vec();
        // Through a proxy the CA of the working directory is not trusted unless it is named.
        all.extend(["--proxy", &proxy, "--proxy-ca", authority.path()]);
        all.extend(["--ca", "certs/ca.crt"]);
        let ended = run(&mut server.client(&all));
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert!(ended.stdout.ends_with("Olá\n"), "{ended:?}");
        assert!(seen.lock().unwrap().starts_with("CONNECT "), "{seen:?}");
        seen.lock().unwrap().clear();
    }
    // The proxy's authority is not the server's, and the other way round.
    run(&mut server.client(&[&echo, "x", "--proxy", &proxy]))
        .assert_refused(10, "trust its authority with --proxy-ca");
    let ca = server.ca();
    let arguments = [&echo, "x", "--proxy", &proxy, "--ca", ca.to_str().unwrap()];
    run(&mut server.client(&arguments)).assert_refused(10, "no trusted authority");
    let arguments = [
        &echo,
        "x",
        "--proxy",
        &proxy,
        "--proxy-ca",
        authority.path(),
        "--ca",
        authority.path(),
    ];
    run(&mut server.client(&arguments)).assert_refused(4, "no trusted authority");
    // --insecure is about the server alone.
    let arguments = [&echo, "x", "--proxy", &proxy, "--insecure"];
    run(&mut server.client(&arguments)).assert_refused(10, "no trusted authority");
    let wrong = format!("https://alice:wrong@localhost:{port}");
    let arguments = [
        &echo,
        "x",
        "--proxy",
        &wrong,
        "--proxy-ca",
        authority.path(),
    ];
    run(&mut server.client(&arguments)).assert_refused(10, "407");
    let mut from_environment = server.client(&[
        &echo,
        "x",
        "--proxy-ca",
        authority.path(),
        "--ca",
        "certs/ca.crt",
    ]);
    let ended = run(from_environment.env("https_proxy", &proxy));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "x\n"),
        "{ended:?}"
    );
    let plain_proxy = serve(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    });
    let arguments = [
        &echo,
        "x",
        "--proxy",
        &format!("https://localhost:{}", plain_proxy.port()),
        "--timeout",
        "tls=2s",
    ];
    let ended = run(&mut server.client(&arguments));
    assert!(matches!(ended.status, 6 | 10), "{ended:?}");
}
