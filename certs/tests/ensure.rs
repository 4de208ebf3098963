//! Making, keeping and renewing, seen through the files and through a TLS client's verifier.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy.toml excepts only the tests themselves"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use certs::{
    Action, Dates, Error, Outcome, Request, authority_shortcoming, describe, ensure,
    load_certificates, load_pair, load_roots,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;

fn names(names: &[&str]) -> Request {
    Request {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        ..Request::default()
    }
}

fn dated(dates: Dates) -> Request {
    Request {
        dates,
        ..Request::default()
    }
}

fn lasting(days: u16) -> Request {
    Request {
        days,
        ..Request::default()
    }
}

fn forced(force: bool) -> Request {
    Request {
        force,
        ..Request::default()
    }
}

/// Contents of all files of a directory by name.
fn snapshot(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: fs::DirEntry| {
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap_or_default(),
        )
    };
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| read(entry.unwrap()))
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Verifies the pair under `name` as a rustls client that trusts `authority`.
fn verify(outcome: &Outcome, authority: &Path, name: &str) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(load_roots(authority).unwrap());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .unwrap();
    let (chain, _) = load_pair(&outcome.certificate, &outcome.key).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier
        .verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now())
        .map(drop)
}

/// Asserts that `ensure` fails with one line and changes no file; returns the line.
fn refused(directory: &Path, request: &Request) -> String {
    let before = snapshot(directory);
    let error = ensure(directory, request).expect_err("refused").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(snapshot(directory), before, "{error}");
    error
}

#[test]
fn first_run_makes_a_pair_that_clients_accept() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new");
    let outcome = ensure(&directory, &Request::default()).unwrap();
    assert_eq!(
        (&outcome.action, &outcome.authority_action),
        (&Action::Made, &Action::Made)
    );
    assert_eq!(
        snapshot(&directory).into_keys().collect::<Vec<_>>(),
        ["ca.crt", "ca.key", "server.crt", "server.key"]
    );
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(
        (mode(&outcome.key), mode(&outcome.authority_key)),
        (0o600, 0o600)
    );
    assert_eq!(
        (mode(&outcome.certificate), mode(&outcome.authority)),
        (0o644, 0o644)
    );
    assert_eq!(outcome.description.names, ["localhost", "127.0.0.1", "::1"]);
    assert_eq!(outcome.description.days_left, 90);
    assert!(
        fs::read_to_string(&outcome.key)
            .unwrap()
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
    for name in ["localhost", "127.0.0.1", "::1"] {
        verify(&outcome, &outcome.authority, name).unwrap();
    }
    verify(&outcome, &outcome.authority, "example.test").unwrap_err();
    assert_eq!(outcome.to_string().lines().count(), 1);
}

#[test]
fn second_run_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    ensure(
        directory.path(),
        &names(&["a.test", "*.b.test", "192.0.2.7"]),
    )
    .unwrap();
    let before = snapshot(directory.path());
    for request in [
        Request::default(),
        names(&["192.0.2.7", "*.b.test", "a.test", "localhost"]),
        lasting(10),
    ] {
        let outcome = ensure(directory.path(), &request).unwrap();
        assert_eq!(
            (outcome.action, outcome.authority_action),
            (Action::Kept, Action::Kept)
        );
        assert_eq!(outcome.description.names.len(), 6);
        assert_eq!(snapshot(directory.path()), before);
    }
}

#[test]
fn other_names_renew_the_pair_and_extend_the_authority() {
    let directory = tempfile::tempdir().unwrap();
    let first = ensure(directory.path(), &Request::default()).unwrap();
    let old_authority = directory.path().join("old-ca.pem");
    fs::copy(&first.authority, &old_authority).unwrap();

    let second = ensure(
        directory.path(),
        &names(&["*.dev.test", "2001:db8::7", "192.0.2.7"]),
    )
    .unwrap();
    let reason = |action: &Action| match action {
        Action::Renewed(reason) => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        reason(&second.action).contains("now also *.dev.test, 192.0.2.7, 2001:db8::7"),
        "{second:?}"
    );
    assert!(
        reason(&second.authority_action).contains("did not permit"),
        "{second:?}"
    );
    assert_eq!(
        second.description.spki, first.description.spki,
        "renewal keeps the key"
    );
    for name in ["localhost", "a.dev.test", "192.0.2.7", "2001:db8::7"] {
        verify(&second, &second.authority, name).unwrap();
    }
    // Whoever still trusts the first certificate of the CA is protected by its constraints.
    verify(&second, &old_authority, "localhost").unwrap_err();

    // Names that the CA permits already leave it alone.
    let third = ensure(directory.path(), &names(&["b.dev.test"])).unwrap();
    assert_eq!(third.authority_action, Action::Kept);
    assert!(
        reason(&third.action).contains("now also b.dev.test, no longer *.dev.test"),
        "{third:?}"
    );
    let fourth = ensure(directory.path(), &names(&["localhost"])).unwrap();
    assert_eq!(fourth.description.names.len(), 3);
    verify(&fourth, &old_authority, "localhost")
        .expect("same CA key, names within the first constraints");
}

#[test]
fn pair_near_its_end_is_renewed_with_its_key() {
    for (request, word) in [
        (dated(Dates::Expired), "ended"),
        (dated(Dates::NotYetValid), "begin"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let first = ensure(directory.path(), &request).unwrap();
        verify(&first, &first.authority, "localhost").unwrap_err();
        assert_eq!(
            ensure(directory.path(), &request).unwrap().action,
            Action::Kept
        );
        let second = ensure(directory.path(), &Request::default()).unwrap();
        assert!(
            matches!(&second.action, Action::Renewed(reason) if reason.contains(word)),
            "{second:?}"
        );
        assert_eq!(second.description.spki, first.description.spki);
        verify(&second, &second.authority, "localhost").unwrap();
    }
}

#[test]
fn test_dates_do_not_replace_a_good_pair() {
    let directory = tempfile::tempdir().unwrap();
    ensure(directory.path(), &Request::default()).unwrap();
    let expired = dated(Dates::Expired);
    assert!(refused(directory.path(), &expired).contains("is good until"));
    let forced = ensure(
        directory.path(),
        &Request {
            force: true,
            ..expired
        },
    )
    .unwrap();
    assert!(forced.description.days_left < 0);
}

#[test]
fn force_makes_a_new_key_under_the_same_authority() {
    let directory = tempfile::tempdir().unwrap();
    let first = ensure(directory.path(), &names(&["a.test"])).unwrap();
    let second = ensure(
        directory.path(),
        &Request {
            force: true,
            days: 825,
            ..Request::default()
        },
    )
    .unwrap();
    assert_ne!(first.description.spki, second.description.spki);
    assert_eq!(second.authority_action, Action::Kept);
    assert_eq!(second.description.names, first.description.names);
    let lifetime = second.description.not_after - second.description.not_before;
    assert!(lifetime.whole_seconds() < 825 * 86_400, "{lifetime}");
    verify(&second, &second.authority, "a.test").unwrap();
}

#[test]
fn client_certificate_is_accepted_for_clients_only() {
    let directory = tempfile::tempdir().unwrap();
    let request = Request {
        client: Some("alice".to_owned()),
        ..Request::default()
    };
    let outcome = ensure(directory.path(), &request).unwrap();
    assert_eq!(outcome.certificate, directory.path().join("alice.crt"));
    assert!(!directory.path().join("server.crt").exists());
    assert_eq!(
        ensure(directory.path(), &request).unwrap().action,
        Action::Kept
    );
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(load_roots(&outcome.authority).unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
        .build()
        .unwrap();
    let (chain, _) = load_pair(&outcome.certificate, &outcome.key).unwrap();
    verifier
        .verify_client_cert(&chain[0], &[], UnixTime::now())
        .unwrap();
    verify(&outcome, &outcome.authority, "alice").unwrap_err();
    let server = ensure(directory.path(), &Request::default()).unwrap();
    let (chain, _) = load_pair(&server.certificate, &server.key).unwrap();
    verifier
        .verify_client_cert(&chain[0], &[], UnixTime::now())
        .unwrap_err();
}

#[test]
fn half_present_files_are_left_alone() {
    for missing in ["ca.crt", "ca.key", "server.crt", "server.key"] {
        let directory = tempfile::tempdir().unwrap();
        ensure(directory.path(), &Request::default()).unwrap();
        fs::remove_file(directory.path().join(missing)).unwrap();
        for force in [false, true] {
            let error = refused(directory.path(), &forced(force));
            assert!(
                error.contains(missing) && error.contains("nothing was changed"),
                "{error}"
            );
        }
    }
}

/// Files to overwrite, with what (else with another directory's), and a part of the line that must come of it.
type Case = (&'static [&'static str], Option<Vec<u8>>, &'static str);

#[test]
fn foreign_mismatched_and_broken_files_are_left_alone() {
    let other = tempfile::tempdir().unwrap();
    ensure(other.path(), &Request::default()).unwrap();
    let from_other = |file: &str| fs::read(other.path().join(file)).unwrap();
    let cases: Vec<Case> = vec![
        (&["server.crt", "server.key"], None, "was not signed by"),
        (&["ca.crt", "ca.key"], None, "was not signed by"),
        (&["server.key"], None, "does not belong to"),
        (&["ca.key"], None, "does not belong to"),
        (&["server.crt"], None, "does not belong to"),
        (&["server.crt"], Some(Vec::new()), "is empty"),
        (&["server.key"], Some(b"rubbish".to_vec()), "no PEM section"),
        (
            &["ca.crt"],
            Some(from_other("ca.key")),
            "but no certificate",
        ),
        (
            &["server.key"],
            Some(from_other("server.crt")),
            "but no private key",
        ),
    ];
    for (files, content, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        ensure(directory.path(), &Request::default()).unwrap();
        for file in files {
            fs::write(
                directory.path().join(file),
                content.clone().unwrap_or_else(|| from_other(file)),
            )
            .unwrap();
        }
        for force in [false, true] {
            let error = refused(directory.path(), &forced(force));
            assert!(error.contains(expected), "{files:?}: {error}");
        }
    }
}

#[test]
fn pair_without_its_authority_is_foreign() {
    let directory = tempfile::tempdir().unwrap();
    ensure(directory.path(), &Request::default()).unwrap();
    fs::remove_file(directory.path().join("ca.crt")).unwrap();
    fs::remove_file(directory.path().join("ca.key")).unwrap();
    assert!(refused(directory.path(), &Request::default()).contains("was not signed by"));
}

#[test]
fn leaf_in_the_place_of_the_authority_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = ensure(directory.path(), &Request::default()).unwrap();
    fs::copy(&outcome.certificate, &outcome.authority).unwrap();
    fs::copy(&outcome.key, &outcome.authority_key).unwrap();
    assert!(refused(directory.path(), &Request::default()).contains("not the certificate of a CA"));
}

#[test]
fn exposed_key_is_refused() {
    for file in ["server.key", "ca.key"] {
        let directory = tempfile::tempdir().unwrap();
        ensure(directory.path(), &Request::default()).unwrap();
        let path = directory.path().join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = refused(directory.path(), &Request::default());
        assert!(
            error.contains(file) && error.contains("0644") && error.contains("chmod 600"),
            "{error}"
        );
    }
}

#[test]
fn dangling_link_is_not_followed_or_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    symlink(&elsewhere, directory.path().join("server.key")).unwrap();
    let error = ensure(directory.path(), &Request::default()).unwrap_err();
    assert!(matches!(error, Error::HalfPresent { .. }), "{error}");
    assert!(!elsewhere.exists());
}

#[test]
fn impossible_requests_are_refused_before_anything_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("never");
    let client = |name: &str| Request {
        client: Some(name.to_owned()),
        ..Request::default()
    };
    let many: Vec<String> = (0..100).map(|number| format!("n{number}.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for request in [
        lasting(0),
        lasting(826),
        names(&many),
        client(""),
        client("../alice"),
        client("CA"),
        client("server"),
        client("a.b"),
        client(&"a".repeat(65)),
    ] {
        let error = ensure(&directory, &request).unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{error}");
    }
    assert!(!directory.exists());
}

#[test]
fn first_starts_at_the_same_time_share_one_authority() {
    let directory = tempfile::tempdir().unwrap();
    let start = || ensure(directory.path(), &Request::default()).unwrap();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| outcome.action == Action::Made)
            .count(),
        1
    );
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.description.sha256 == outcomes[0].description.sha256)
    );
}

#[test]
fn serial_numbers_differ_and_description_matches_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let first = ensure(directory.path(), &Request::default()).unwrap();
    let second = ensure(directory.path(), &forced(true)).unwrap();
    assert_ne!(first.description.sha256, second.description.sha256);
    let (chain, _) = load_pair(&second.certificate, &second.key).unwrap();
    assert_eq!(describe(&chain[0]).unwrap(), second.description);
    assert_eq!(second.description.sha256.to_string().len(), 95);
    assert!(second.description.spki_pin().starts_with("sha256//"));
}

/// A CA as older versions made it, limited to addresses too, with a pair that it signed.
fn old_authority(directory: &Path) {
    use rcgen::{
        BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
        ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        NameConstraints,
    };
    let write = |name: &str, text: &str, mode: u32| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(
        DnType::OrganizationName,
        "tungstenite-deflate development CA",
    );
    subject.push(DnType::CommonName, "Development CA 0A1B2C3D");
    params.distinguished_name = subject;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let address = |text: &str, bits| {
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(text.parse().unwrap(), bits))
    };
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            address("127.0.0.1", 32),
            address("::1", 128),
        ],
        excluded_subtrees: Vec::new(),
    });
    let authority = params.self_signed(&key).unwrap();
    write("ca.crt", &authority.pem(), 0o644);
    write("ca.key", &key.serialize_pem(), 0o600);
    let leaf_key = KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.not_before = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    leaf.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(90);
    let issuer = Issuer::from_params(&params, &key);
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    write("server.crt", &leaf.pem(), 0o644);
    write("server.key", &leaf_key.serialize_pem(), 0o600);
}

#[test]
fn authority_that_limits_addresses_is_reissued_and_its_pair_kept() {
    let directory = tempfile::tempdir().unwrap();
    old_authority(directory.path());
    let before = directory.path().join("old.crt");
    fs::copy(directory.path().join("ca.crt"), &before).unwrap();
    let shortcoming = |path: &Path| {
        authority_shortcoming(&load_certificates(path).unwrap()[0]).unwrap_or_default()
    };
    assert!(shortcoming(&before).contains("BoringSSL"));
    let outcome = ensure(directory.path(), &Request::default()).unwrap();
    assert_eq!(outcome.action, Action::Kept);
    assert!(
        matches!(&outcome.authority_action, Action::Renewed(reason) if reason.contains("BoringSSL")),
        "{outcome:?}"
    );
    assert_eq!(shortcoming(&outcome.authority), "");
    // Both the old certificate of the CA and the new one vouch for the pair.
    for authority in [&before, &outcome.authority] {
        for name in ["localhost", "127.0.0.1", "::1"] {
            verify(&outcome, authority, name).unwrap();
        }
    }
    let again = ensure(directory.path(), &Request::default()).unwrap();
    assert_eq!(again.authority_action, Action::Kept);
    // An address more needs no new authority; a name does.
    let more = ensure(directory.path(), &names(&["192.0.2.7"])).unwrap();
    assert_eq!(more.authority_action, Action::Kept);
    verify(&more, &more.authority, "192.0.2.7").unwrap();
    let named = ensure(directory.path(), &names(&["chat.test"])).unwrap();
    assert!(matches!(named.authority_action, Action::Renewed(_)));
}
