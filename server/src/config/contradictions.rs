//! Settings that are fine alone and cannot work together.

use super::{ClientAuth, Config, ListenAddress, Network, RoomKind, RoomOptions, TrustedHeader};

/// A line for each pair of settings that contradict each other.
///
/// `given` reports if somebody gave a setting. A default never contradicts: it yields to what was given.
pub(super) fn contradictions(config: &Config, given: impl Fn(&str) -> bool) -> Vec<String> {
    let mut rules = connections(config);
    rules.extend(proxies(config));
    rules.extend(websocket(config));
    rules.extend(rooms(config));
    rules.extend(nats(config));
    rules.extend(acme(config));
    let broken = rules
        .into_iter()
        .filter(|rule| rule.broken && given(rule.useless));
    broken
        .map(|rule| format!("--{} {}", rule.useless, rule.reason))
        .collect()
}

/// A relation that must hold between a setting and others.
struct Rule {
    /// The setting that is without effect or can never work when the rule is broken.
    useless: &'static str,
    broken: bool,
    reason: &'static str,
}

/// A rule that is broken if `broken`.
fn rule(useless: &'static str, broken: bool, reason: &'static str) -> Rule {
    Rule {
        useless,
        broken,
        reason,
    }
}

fn connections(config: &Config) -> Vec<Rule> {
    let (network, http, tls, shutdown) =
        (&config.network, &config.http, &config.tls, &config.shutdown);
    let same_port = network.grpc_listen.is_some_and(|plain| {
        let mut others = network.listen.iter().chain(&network.admin_listen);
        others.any(|other| other.clashes(&ListenAddress::Plain(plain)))
    });
    let is_exposed = |addresses: &[ListenAddress]| {
        !network.insecure_plain_public.is_on()
            && addresses.iter().any(ListenAddress::is_plain_and_public)
    };
    let exposed = "has a plain:// address that other networks may reach; listen on a private address or allow it with --insecure-plain-public";
    let unlimited = network.handshake_rate.0.is_none();
    vec![
        rule(
            "grpc-listen",
            same_port,
            "is the address of --listen: one of them needs another port",
        ),
        rule("listen", is_exposed(&network.listen), exposed),
        rule("admin-listen", is_exposed(&network.admin_listen), exposed),
        rule(
            "listen",
            has_clash(network.listen.iter()),
            "has an address twice",
        ),
        rule(
            "admin-listen",
            has_clash(network.listen.iter().chain(&network.admin_listen)),
            "has an address twice, or one of --listen",
        ),
        rule(
            "unix-socket-mode",
            !has_unix_socket(network),
            "has no effect: no address is unix:PATH",
        ),
        rule(
            "max-connections-per-address",
            network.max_connections_per_address > network.max_connections,
            "exceeds --max-connections, so that it can never be reached",
        ),
        rule(
            "handshake-burst",
            unlimited,
            "has no effect while --handshake-rate is off",
        ),
        rule(
            "handshake-rate-loopback",
            unlimited && network.handshake_rate_loopback.is_on(),
            "has no effect while --handshake-rate is off",
        ),
        rule(
            "max-uri-bytes",
            http.max_uri_bytes > http.max_head_bytes,
            "exceeds --max-head-bytes, which holds the target too",
        ),
        rule(
            "client-ca",
            tls.client_auth == ClientAuth::Off,
            "has no effect while --client-auth is off: no client is asked for a certificate",
        ),
        rule(
            "drain-window",
            shutdown.drain_window > shutdown.drain_timeout,
            "exceeds --drain-timeout, after which connections are dropped",
        ),
    ]
}

/// Returns whether two of `addresses` cannot be listened on at once.
fn has_clash<'a>(addresses: impl Iterator<Item = &'a ListenAddress>) -> bool {
    let addresses: Vec<_> = addresses.collect();
    let later = |at: usize| addresses.iter().skip(at + 1);
    let mut clashes = addresses
        .iter()
        .enumerate()
        .flat_map(|(at, one)| later(at).map(move |other| one.clashes(other)));
    clashes.any(|clashes| clashes)
}

/// Returns whether a socket is made in the file system.
fn has_unix_socket(network: &Network) -> bool {
    let mut addresses = network.listen.iter().chain(&network.admin_listen);
    addresses.any(|address| matches!(address, ListenAddress::Unix(_)))
}

fn proxies(config: &Config) -> Vec<Rule> {
    let proxies = &config.proxies;
    let is_believed =
        proxies.proxy_protocol.is_on() || proxies.trusted_header != TrustedHeader::Off;
    let nobody = "has no effect without --trusted-proxy: nobody is believed";
    let is_alone = proxies.trusted_proxy.is_empty();
    vec![
        rule(
            "trusted-proxy",
            !is_alone && !is_believed,
            "has no effect while --proxy-protocol and --trusted-header are off: nothing is believed",
        ),
        rule(
            "proxy-protocol",
            is_alone && proxies.proxy_protocol.is_on(),
            nobody,
        ),
        rule(
            "trusted-header",
            is_alone && proxies.trusted_header != TrustedHeader::Off,
            nobody,
        ),
        rule(
            "max-proxy-header-bytes",
            !proxies.proxy_protocol.is_on(),
            "has no effect while --proxy-protocol is off",
        ),
    ]
}

fn websocket(config: &Config) -> Vec<Rule> {
    let websocket = &config.websocket;
    let (memory, deflate) = (&config.memory, &config.deflate);
    let everybody = websocket.origin_allow.iter().any(|origin| origin == "*");
    vec![
        rule(
            "pong-timeout",
            websocket.ping_interval.0.is_none(),
            "has no effect while --ping-interval is off: no Ping is sent",
        ),
        rule(
            "max-websockets-per-address",
            websocket.max_websockets_per_address > websocket.max_websockets,
            "exceeds --max-websockets, so that it can never be reached",
        ),
        rule(
            "max-buffered-bytes-per-connection",
            memory.max_buffered_bytes_per_connection > memory.max_buffered_bytes,
            "exceeds --max-buffered-bytes, so that it can never be reached",
        ),
        rule(
            "max-message-bytes",
            websocket.max_message_bytes > memory.max_buffered_bytes_per_connection,
            "exceeds --max-buffered-bytes-per-connection, so that such a message cannot arrive",
        ),
        rule(
            "deflate-memory",
            deflate.deflate_memory > memory.max_buffered_bytes,
            "exceeds --max-buffered-bytes, of which it is a part",
        ),
        rule(
            "deflate-window-bits",
            deflate.deflate_window_bits > Some(deflate.server_max_window_bits),
            "exceeds --server-max-window-bits, so that it can never be reached",
        ),
        rule(
            "origin-allow",
            everybody && websocket.origin_allow.len() > 1,
            "has `*`, which allows every origin, beside others",
        ),
    ]
}

fn rooms(config: &Config) -> Vec<Rule> {
    let rooms = &config.rooms;
    let text = rooms.rooms_max_text_bytes;
    let without_keys = !has_keys(rooms);
    let unused = "has no effect without keys for tokens (--rooms-token-key, --rooms-token-secret or --rooms-token-jwks-url)";
    let mut rules: Vec<Rule> = [
        "rooms-token-failures",
        "rooms-token-audience",
        "rooms-token-leeway",
    ]
    .map(|useless| rule(useless, without_keys, unused))
    .into();
    let not_fetched = rooms.rooms_token_jwks_url.is_none();
    rules.extend(
        [
            "rooms-token-jwks-ca",
            "rooms-token-jwks-interval",
            "rooms-token-jwks-timeout",
        ]
        .map(|useless| {
            let reason = "has no effect without --rooms-token-jwks-url";
            rule(useless, not_fetched, reason)
        }),
    );
    rules.extend([
        rule(
            "rooms-kind",
            has_shadowed(&rooms.rooms_kind),
            "has a pattern whose rooms all fit an earlier one, so that it never counts",
        ),
        rule(
            "rooms-max-text-bytes",
            text > config.websocket.max_message_bytes,
            "exceeds --max-message-bytes, so that such a message cannot arrive",
        ),
        rule(
            "rooms-queue-bytes",
            rooms.rooms_queue_bytes < text,
            "is below --rooms-max-text-bytes, so that a member is too slow for one message",
        ),
        rule(
            "rooms-history-memory",
            rooms.rooms_history_memory < rooms.rooms_history_bytes,
            "is below --rooms-history-bytes, which one room may keep",
        ),
    ]);
    rules
}

/// Returns whether tokens are asked for.
fn has_keys(rooms: &RoomOptions) -> bool {
    rooms.rooms_token_key.is_some()
        || rooms.rooms_token_secret.is_some()
        || rooms.rooms_token_jwks_url.is_some()
}

/// Returns whether one of `kinds` can never be the first that fits.
fn has_shadowed(kinds: &[RoomKind]) -> bool {
    kinds.iter().enumerate().any(|(at, kind)| {
        let mut earlier = kinds[..at].iter();
        earlier.any(|earlier| earlier.pattern.covers(&kind.pattern))
    })
}

fn acme(config: &Config) -> Vec<Rule> {
    let (tls, acme) = (&config.tls, &config.tls.acme);
    let own = "names a file, and --acme obtains the certificate: give one of them";
    let mut rules: Vec<Rule> = [
        "acme-contact",
        "acme-directory",
        "acme-staging",
        "acme-cache",
        "acme-ca",
        "acme-eab-id",
        "acme-eab-key",
    ]
    .map(|useless| rule(useless, !acme.is_on(), "has no effect without --acme"))
    .into();
    rules.extend([
        rule("cert", acme.is_on(), own),
        rule("key", acme.is_on(), own),
        rule(
            "acme-directory",
            acme.acme_staging.is_on(),
            "and --acme-staging name two ACME servers: give one",
        ),
        rule(
            "acme-eab-id",
            acme.acme_eab_key.is_none(),
            "needs the key of that account, --acme-eab-key",
        ),
        rule(
            "acme-eab-key",
            acme.acme_eab_id.is_none(),
            "needs the identifier of that account, --acme-eab-id",
        ),
        rule(
            "acme",
            tls.client_auth == ClientAuth::Required,
            "can never be proven while --client-auth is required: an ACME server shows no certificate",
        ),
    ]);
    rules
}

fn nats(config: &Config) -> Vec<Rule> {
    let nats = &config.nats;
    let alone = nats.nats.is_empty();
    let unused = "has no effect without --nats";
    let mut rules: Vec<Rule> = [
        "nats-credentials",
        "nats-user-file",
        "nats-ca",
        "nats-stream",
        "nats-max-age",
        "nats-max-bytes",
        "nats-replicas",
        "nats-duplicate-window",
        "nats-presence-ttl",
        "nats-timeout",
    ]
    .map(|useless| rule(useless, alone, unused))
    .into();
    rules.push(rule(
        "nats-required-for-readiness",
        alone && nats.nats_required_for_readiness.is_on(),
        "can never be fulfilled without --nats",
    ));
    rules.push(rule(
        "nats-user-file",
        nats.nats_credentials.is_some(),
        "and --nats-credentials are two identities: give one",
    ));
    rules.push(rule(
        "nats-duplicate-window",
        nats.nats_duplicate_window > nats.nats_max_age,
        "exceeds --nats-max-age, which NATS refuses",
    ));
    rules
}
