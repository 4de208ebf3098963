//! Whole servers over one NATS, and how they are let in.

use futures_util::{SinkExt, StreamExt};
use server::rooms::Settings;
use server::rooms::backplane::{Backplane, Health, Nats, NatsCounts, NatsSettings};

use super::log::{connected, draft, next_message};
use super::{common, room};
use crate::broker::Broker;
use crate::common::{soon, until};
use crate::operator::Operator;

/// Reads lines of text until one says `wanted`.
async fn hear(client: &mut common::Client, wanted: &str) {
    soon(async {
        loop {
            let message = client.next().await.unwrap().unwrap();
            if message.to_text().is_ok_and(|text| text.trim() == wanted) {
                return;
            }
        }
    })
    .await;
}

/// Somebody who has joined the room, which shows when its own words come back.
async fn enter(server: &common::Running, name: &str) -> common::Client {
    let (mut client, _) = server.open(&format!("/chat/tea?name={name}"), &[]).await;
    client.send("here".into()).await.unwrap();
    hear(&mut client, &format!("{name}: here")).await;
    client
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn two_servers_share_their_rooms() {
    let mut broker = Broker::started().await;
    let url = format!("nats://127.0.0.1:{}", broker.port);
    let flags = ["--nats", &url, "--nats-timeout", "1s"];
    let one = common::start(&flags).await;
    let two = common::start(&[&flags[..], &["--nats-required-for-readiness", "on"]].concat()).await;
    until(async || two.get("/readyz").await.contains("200 OK")).await;
    let mut ana = enter(&one, "ana").await;
    let mut rui = enter(&two, "rui").await;
    ana.send("one".into()).await.unwrap();
    hear(&mut rui, "ana: one").await;
    rui.send("two".into()).await.unwrap();
    hear(&mut ana, "rui: two").await;
    broker.kill();
    until(async || two.get("/readyz").await.contains("503")).await;
    assert!(one.get("/readyz").await.contains("200 OK"));
    // Whoever is on the same node goes on; the others get it later.
    let mut eva = enter(&one, "eva").await;
    ana.send("three".into()).await.unwrap();
    hear(&mut eva, "ana: three").await;
    broker.start().await;
    hear(&mut rui, "ana: three").await;
    until(async || two.get("/readyz").await.contains("200 OK")).await;
    assert!(
        two.get("/metrics")
            .await
            .contains("wss_nats_connections_total 2")
    );
    drop((ana, rui, eva));
    for server in [one, two] {
        assert_eq!(server.stop().await.cut_off, 0);
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nats_is_reached_with_tls_and_a_password() {
    // The certificates are those of a server of ours; any authority would do.
    let server = common::start(&[]).await;
    let certs = server.certs.path();
    let mut broker = Broker::absent();
    for (flag, value) in [
        ("--tlscert", certs.join("server.crt").to_str().unwrap()),
        ("--tlskey", certs.join("server.key").to_str().unwrap()),
        ("--user", "ana"),
        ("--pass", "secret"),
    ] {
        broker.flags.extend([flag.to_owned(), value.to_owned()]);
    }
    broker.flags.push("--tls".to_owned());
    broker.start().await;
    let user = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(user.path(), "ana:secret\n").unwrap();
    let url = format!("tls://localhost:{}", broker.port);
    let mut settings = NatsSettings::new(vec![url.parse().unwrap()]);
    settings.authorities = Some(server.authority());
    settings.user_file = Some(user.path().to_owned());
    let good = Broker::backplane_with(settings.clone(), NatsCounts::default());
    let _deliveries = connected(&good).await;
    good.publish(&room("tea"), &draft("1", "hello"))
        .await
        .unwrap();
    // Without the password, and without trust, there is no connection, and it is said why.
    let down = async |settings: NatsSettings, wanted: &str| {
        let bad = Broker::backplane_with(settings, NatsCounts::default());
        let _deliveries = bad.deliveries();
        until(async || match bad.health() {
            Health::Down(reason) => reason.to_lowercase().contains(wanted),
            Health::Up => panic!("connected"),
        })
        .await;
    };
    let mut stranger = settings.clone();
    stranger.user_file = None;
    down(stranger, "authorization").await;
    let mut distrustful = settings;
    distrustful.authorities = None;
    down(distrustful, "certificate").await;
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nats_is_reached_with_credentials_of_an_account() {
    let server = common::start(&[]).await;
    let certs = server.certs.path();
    let (ours, theirs) = (Operator::new(), Operator::new());
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::absent();
    let configuration = directory.path().join("nats.conf");
    std::fs::write(&configuration, ours.configuration(directory.path())).unwrap();
    for (flag, value) in [
        ("-c", &configuration),
        ("--tlscert", &certs.join("server.crt")),
        ("--tlskey", &certs.join("server.key")),
    ] {
        let value = value.to_str().unwrap().to_owned();
        broker.flags.extend([flag.to_owned(), value]);
    }
    broker.flags.push("--tls".to_owned());
    broker.start().await;
    let credentials = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
        path
    };
    let url = format!("tls://localhost:{}", broker.port);
    let mut settings = NatsSettings::new(vec![url.parse().unwrap()]);
    settings.authorities = Some(server.authority());
    settings.credentials = Some(credentials("good.creds", ours.credentials()));
    let good = Broker::backplane_with(settings.clone(), NatsCounts::default());
    let mut deliveries = connected(&good).await;
    let stored = good.publish(&room("tea"), &draft("1", "hello")).await;
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        stored.unwrap().position
    );
    let down = async |credentials, wanted: &str| {
        let mut settings = settings.clone();
        settings.credentials = credentials;
        let bad = Broker::backplane_with(settings, NatsCounts::default());
        let _deliveries = bad.deliveries();
        until(async || match bad.health() {
            Health::Down(reason) => reason.to_lowercase().contains(wanted),
            Health::Up => panic!("connected"),
        })
        .await;
    };
    down(None, "authorization").await;
    let foreign = credentials("foreign.creds", theirs.credentials());
    down(Some(foreign), "authorization").await;
    let (jwt, seed) = (ours.credentials(), theirs.credentials());
    let (jwt, _) = jwt.split_once("-----BEGIN USER").unwrap();
    let (_, seed) = seed.split_once("-----BEGIN USER").unwrap();
    let mixed = credentials("mixed.creds", format!("{jwt}-----BEGIN USER{seed}"));
    down(Some(mixed), "authorization").await;
    // What can never work is refused at the start.
    settings.credentials = Some(credentials("rubbish.creds", "rubbish".to_owned()));
    let refused = Nats::new(settings, Settings::default(), NatsCounts::default());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("rubbish.creds"), "{refused}");
}
