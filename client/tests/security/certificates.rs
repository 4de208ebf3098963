//! Servers that are not who they say they are (K1 to K3), and what of a session may be written down.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

use super::common::authority::{Authority, serve_tls};
use super::common::{RealServer, client, read_head, run, serve};

/// The URL of a proxy that makes any tunnel asked for.
fn forwarding_proxy() -> String {
    use std::io::{Write as _, copy};
    use std::net::{Shutdown, TcpStream};
    let address = serve(|mut stream| {
        let head = read_head(&mut stream);
        let target = head.split_whitespace().nth(1).unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
        stream.write_all(answer).unwrap();
        let (mut from, mut to) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = copy(&mut server, &mut stream);
        let _ = stream.shutdown(Shutdown::Write);
    });
    format!("http://{address}")
}

#[test]
fn k1_wrong_certificates_are_refused_with_the_reason() {
    let authority = Authority::new();
    let other = Authority::new();
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    let cases = [
        ("good", authority.sign("localhost", |_| {}), 0, ""),
        (
            "wrong name",
            authority.sign("elsewhere", |_| {}),
            4,
            "not valid for localhost, only for elsewhere",
        ),
        (
            "other CA",
            other.sign("localhost", |_| {}),
            4,
            "no trusted authority",
        ),
        (
            "expired",
            authority.sign("localhost", |one| one.not_after = year(2020)),
            4,
            "has expired",
        ),
        (
            "not yet",
            authority.sign("localhost", |one| one.not_before = year(2090)),
            4,
            "not valid yet",
        ),
        (
            "for clients",
            authority.sign("localhost", |one| {
                one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            4,
            "not meant for servers",
        ),
        (
            "no name",
            authority.sign("localhost", |one| one.subject_alt_names.clear()),
            4,
            "not valid for localhost; have the server's certificate issued with its name",
        ),
        (
            "address",
            authority.sign("127.0.0.1", |_| {}),
            4,
            "not valid for localhost",
        ),
    ];
    for (case, (certificate, key), status, part) in cases {
        let port = serve_tls(certificate, &key);
        let ended = run(&mut client(&[
            &format!("wss://localhost:{port}/"),
            "x",
            "--ca",
            authority.path(),
        ]));
        if status == 0 {
            assert_eq!(
                (ended.status, ended.stdout.as_str()),
                (0, "x\n"),
                "{case}: {ended:?}"
            );
        } else {
            ended.assert_refused(status, part);
        }
    }
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let port = serve_tls(own.der().clone(), &key);
    run(&mut client(&[
        &format!("wss://localhost:{port}/"),
        "x",
        "--ca",
        authority.path(),
    ]))
    .assert_refused(4, "no trusted authority");
}

#[test]
fn k1_addresses_need_a_name_of_their_own() {
    let authority = Authority::new();
    for (name, host, status) in [
        ("127.0.0.1", "127.0.0.1", 0),
        ("localhost", "127.0.0.1", 4),
        ("*.host.example", "a.host.example", 0),
        ("*.host.example", "a.b.host.example", 4),
    ] {
        let (certificate, key) = authority.sign(name, |_| {});
        let port = serve_tls(certificate, &key);
        let url = format!("wss://{host}:{port}/");
        let rule = format!("{host}:{port}:127.0.0.1");
        let arguments = [&url, "x", "--ca", authority.path(), "--resolve", &rule];
        let ended = run(&mut client(&arguments));
        assert_eq!(ended.status, status, "{name} at {host}: {ended:?}");
    }
}

#[test]
fn k3_given_roots_replace_the_systems_and_pins_come_on_top() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let (ca, other) = (server.ca(), Authority::new());
    let ca = ca.to_str().unwrap();
    let status = |arguments: &[&str]| {
        let mut all = vec![url.as_str(), "x"];
        all.extend(arguments);
        run(&mut client(&all)).status
    };
    assert_eq!(status(&["--ca", ca]), 0);
    assert_eq!(status(&["--ca", other.path()]), 4);
    // Repeatable: any of them may vouch.
    assert_eq!(status(&["--ca", other.path(), "--ca", ca]), 0);
    let variable = |value: &str| run(client(&[&url, "x"]).env("CLIENT_CA", value)).status;
    assert_eq!((variable(ca), variable(other.path())), (0, 4));
    let shown = run(&mut client(&[&url, "x", "--ca", ca, "--verbose"]));
    let pin = shown.stderr.split("sha256//").nth(1).unwrap();
    let pin = format!("sha256//{}", pin.split_whitespace().next().unwrap());
    let wrong = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(status(&["--ca", ca, "--pin", &pin]), 0);
    assert_eq!(status(&["--ca", ca, "--pin", wrong]), 4);
    // One of several is enough: keys are changed with both pinned.
    assert_eq!(status(&["--ca", ca, "--pin", wrong, "--pin", &pin]), 0);
    // A pin does not stand in for the chain.
    assert_eq!(status(&["--ca", other.path(), "--pin", &pin]), 4);
    assert_eq!(status(&["--insecure", "--pin", &pin]), 0);
    assert_eq!(status(&["--insecure", "--pin", wrong]), 4);
}

#[test]
fn k2_insecure_still_wants_proof_of_the_key() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign("localhost", |_| {});
    let wrong_key = KeyPair::generate().unwrap();
    let port = serve_tls(certificate, &wrong_key);
    for version in ["1.2", "1.3"] {
        let ended = run(&mut client(&[
            &format!("wss://localhost:{port}/"),
            "x",
            "--insecure",
            "--tls-min",
            version,
        ]));
        ended.assert_refused(4, "not that of its certificate");
    }
}

#[test]
fn k2_insecure_is_refused_with_credentials_and_has_no_variable() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret\n").unwrap();
    for credential in [
        &["--user", "a:s3cret"][..],
        &["--bearer-file", token.path().to_str().unwrap()],
        &["--cookie", "a=s3cret"],
        &["-H", "Authorization: s3cret"],
        &["-H", "X-Auth: s3cret"],
        &["-H", "Api_Key: s3cret"],
        &["-H", "X-Gateway: s3cret"],
        &["--subprotocol", "bearer.s3cret"],
        &["--subprotocol", "chat,access_token.s3cret"],
    ] {
        let mut arguments = vec![url.as_str(), "x", "--insecure"];
        arguments.extend(credential);
        let ended = run(&mut client(&arguments));
        ended.assert_refused(2, "--insecure-credentials");
        assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
        arguments.push("--insecure-credentials");
        // The server may refuse a token: it is asked.
        assert!([0, 5].contains(&run(&mut client(&arguments)).status));
    }
    // What says nothing about the user needs no insisting, and a token may stand in the query as well.
    let harmless = ["--origin", "https://localhost:8443", "-H", "User-Agent: x"];
    let mut arguments = vec![url.as_str(), "x", "--insecure", "--subprotocol", "chat"];
    arguments.extend(harmless);
    assert_ne!(run(&mut client(&arguments)).status, 2);
    let with_token = format!("{url}?access_token=s3cret");
    run(&mut client(&[&with_token, "x", "--insecure"])).assert_refused(2, "--insecure-credentials");
    let variables = run(client(&[&url, "x"])
        .env("CLIENT_INSECURE", "1")
        .env("INSECURE", "1"));
    assert_eq!(variables.status, 4);
}

/// Members of the kind "a file that nobody named is read": every type of file, other owners, other writers, and uses
/// for which it must not vouch.
#[test]
fn k3_local_ca_is_only_a_plain_file_of_our_own() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    let server = RealServer::get();
    let url = server.url("/echo");
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("certs")).unwrap();
    let file = directory.path().join("certs/ca.crt");
    let ended = |more: &[&str]| {
        let mut arguments = vec![url.as_str(), "x"];
        arguments.extend(more);
        run(client(&arguments).current_dir(directory.path()))
    };
    let put = |mode| {
        let _ = std::fs::remove_file(&file);
        std::fs::copy(server.ca(), &file).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    };
    put(0o644);
    assert_eq!(ended(&[]).status, 0, "{:?}", ended(&[]));
    let port = server.address.port();
    let elsewhere = format!("localhost:{port}:127.0.0.1:{port}");
    let address = format!("localhost:{port}:127.0.0.1");
    let ca = file.to_str().unwrap();
    let proxy = forwarding_proxy();
    for more in [
        &["--connect-to", &elsewhere][..],
        &["--resolve", &address],
        &["--proxy", &proxy],
        &["--user", "a:b"],
        &["--cookie", "a=b"],
        &["-H", "X-Auth: a"],
        &["--subprotocol", "bearer.a"],
    ] {
        ended(more).assert_refused(4, "no trusted authority");
        let mut named = vec!["--ca", ca];
        named.extend(more);
        assert!([0, 5].contains(&ended(&named).status), "{more:?}");
    }
    // Nor where another machine may answer under the local name: through a proxy, unless it is left out for this host.
    let through = |more: &[&str], variables: &[(&str, &str)]| {
        let mut arguments = vec![url.as_str(), "x"];
        arguments.extend(more);
        let mut command = client(&arguments);
        command.envs(variables.iter().copied());
        run(command.current_dir(directory.path()))
    };
    let variable = ("HTTPS_PROXY", proxy.as_str());
    through(&[], &[variable]).assert_refused(4, "no trusted authority");
    assert_eq!(through(&["--ca", ca], &[variable]).status, 0);
    for (more, variables) in [
        (&["--no-proxy", "localhost"][..], &[variable][..]),
        (&[], &[variable, ("NO_PROXY", "localhost")]),
        (&["--proxy", &proxy, "--no-proxy", "*"], &[]),
    ] {
        let ended = through(more, variables);
        assert_eq!(ended.status, 0, "{more:?} {variables:?}: {ended:?}");
    }
    put(0o666);
    ended(&[]).assert_refused(2, "others can write to it (mode 666)");
    assert_eq!(ended(&["--ca", ca]).status, 0);
    put(0o644);
    if chown(&file, Some(65_534), None).is_ok() {
        ended(&[]).assert_refused(2, "belongs to the user 65534");
    }
    for target in ["/dev/zero", "/dev/null", "/tmp"] {
        std::fs::remove_file(&file).unwrap();
        symlink(target, &file).unwrap();
        ended(&[]).assert_refused(2, "not a regular file");
    }
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, 0o600.into()).unwrap();
    ended(&[]).assert_refused(2, "not a regular file");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, vec![b'x'; (1 << 20) + 1]).unwrap();
    ended(&[]).assert_refused(2, "more than 1048576 bytes");
}

#[test]
fn key_log_is_written_only_with_its_flag() {
    let server = RealServer::get();
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = server.url("/echo");
    for (flag, written) in [(None, false), (Some("--keylog"), true)] {
        let mut arguments = vec![url.as_str(), "x"];
        arguments.extend(flag);
        let ended = run(server.client(&arguments).env("SSLKEYLOGFILE", file.path()));
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(
            std::fs::read_to_string(file.path())
                .unwrap()
                .contains("CLIENT_TRAFFIC_SECRET_0"),
            written
        );
    }
}

/// Members of the kind "the certificate that --ca names is the server's own": as `openssl req -x509` makes it (an
/// authority), without that, and each with what is still checked of it.
#[test]
fn k3_the_very_certificate_that_ca_names_is_accepted() {
    use rcgen::{BasicConstraints, IsCa};
    type Change<'a> = &'a dyn Fn(&mut CertificateParams);
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let make = |name: &str, change: &dyn Fn(&mut CertificateParams)| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = ca;
        change(&mut parameters);
        let certificate = parameters.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        (serve_tls(certificate.der().clone(), &key), file)
    };
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    let cases: [(&str, Change<'_>, i32, &str); 6] = [
        ("localhost", &|_| {}, 0, ""),
        ("localhost", &|one| one.is_ca = IsCa::NoCa, 0, ""),
        ("elsewhere", &|_| {}, 4, "not valid for localhost"),
        (
            "localhost",
            &|one| one.not_after = year(2020),
            4,
            "has expired",
        ),
        (
            "localhost",
            &|one| one.not_before = year(2090),
            4,
            "not valid yet",
        ),
        (
            "localhost",
            &|one| one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            4,
            "not meant for servers",
        ),
    ];
    let (_, other) = make("localhost", &|_| {});
    for (name, change, status, part) in cases {
        let (port, file) = make(name, change);
        let url = format!("wss://localhost:{port}/");
        let named =
            |path: &std::path::Path| run(&mut client(&[&url, "x", "--ca", path.to_str().unwrap()]));
        let ended = named(file.path());
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        // Another one vouches for nothing, and no pin is blamed that was not given.
        let ended = named(other.path());
        assert_eq!(ended.status, 4, "{ended:?}");
        assert!(!ended.stderr.contains("--pin"), "{ended:?}");
    }
}
