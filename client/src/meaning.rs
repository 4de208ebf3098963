//! From the command line as typed to settings that make sense together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::HeaderMap;
use tungstenite_deflate::DeflateConfig;
use tungstenite_deflate::dial::{Family, NoProxy, Proxy};
use tungstenite_deflate::handshake::Credentials;

use crate::args::{ConnectionArgs, ReachArgs, Side, TlsVersion};
use crate::connect::{Settings, default_options};
use crate::dial::Dial;
use crate::error::ConnectError;
use crate::file::read_named;
use crate::phase::Phase;
use crate::request::add_header;
use crate::target::Target;
use crate::timeouts::Timeouts;
use crate::tls::{MinimumVersion, TlsSettings};

/// The CA that the certificates of a server on this machine are signed by, in the current directory.
pub(crate) const LOCAL_CA: &str = "certs/ca.crt";

/// The scheme without and the one with TLS.
pub(crate) type Schemes = (&'static str, &'static str);

/// The schemes of RFC 6455 §3.
pub(crate) const WEBSOCKET: Schemes = ("ws", "wss");

/// The schemes that gRPC shares with HTTP.
pub(crate) const GRPC: Schemes = ("http", "https");

/// Most redirects that `--follow` follows.
const MAX_REDIRECTS: usize = 5;

/// Translates the connection options for `target`, and returns the warnings about them.
///
/// # Errors
/// Options that contradict each other, or a file that cannot be read.
pub(crate) fn settings(
    args: &ConnectionArgs,
    target: Target,
) -> Result<(Settings, Vec<String>), ConnectError> {
    let mut settings = common(&args.reach, target)?;
    if let Some(origin) = &args.origin {
        add_header(&mut settings.headers, &format!("Origin: {origin}"))
            .map_err(ConnectError::Settings)?;
    }
    settings.subprotocols.clone_from(&args.subprotocols);
    if let Some(bad) = args.subprotocols.iter().find(|name| !is_token(name)) {
        return Err(ConnectError::Settings(format!(
            "subprotocol {bad:?} is not a token (RFC 6455 §4.1)"
        )));
    }
    settings.http2 = args.http2;
    settings.options = settings.options.deflate(deflate(args));
    settings.contexts = args.context_takeover;
    settings.max_redirects = if args.follow { MAX_REDIRECTS } else { 0 };
    let warnings = finish(&args.reach, &mut settings, WEBSOCKET)?;
    Ok((settings, warnings))
}

/// Translates the options that WebSocket and gRPC clients share, and returns the warnings about them.
///
/// # Errors
/// Options that contradict each other, or a file that cannot be read.
pub(crate) fn reach(
    args: &ReachArgs,
    target: Target,
    schemes: Schemes,
) -> Result<(Settings, Vec<String>), ConnectError> {
    let mut settings = common(args, target)?;
    let warnings = finish(args, &mut settings, schemes)?;
    Ok((settings, warnings))
}

fn common(args: &ReachArgs, target: Target) -> Result<Settings, ConnectError> {
    let mut settings = Settings::new(target);
    if let Some(user) = &args.user {
        settings.target.credentials = Some(credentials(user)?);
    }
    settings.headers = headers(args)?;
    settings.dial = Dial {
        family: if args.ipv4 {
            Family::V4
        } else if args.ipv6 {
            Family::V6
        } else {
            Family::Any
        },
        resolve: args.resolve.clone(),
        connect_to: args.connect_to.clone(),
    };
    let lookup = |name: &str| std::env::var(name).ok();
    settings.proxy = if args.proxy.is_some() {
        args.proxy.clone()
    } else {
        Proxy::from_environment(settings.target.secure, lookup)
            .map_err(|error| ConnectError::Settings(error.to_string()))?
    };
    settings.no_proxy = match &args.no_proxy {
        Some(list) => list.clone(),
        None => NoProxy::from_environment(lookup),
    };
    settings.tls = tls(args)?;
    settings.proxy_tls = TlsSettings {
        ca: args.proxy_ca.clone(),
        local_ca: settings.tls.local_ca.clone(),
        minimum_version: settings.tls.minimum_version,
        ..TlsSettings::default()
    };
    settings.timeouts = Timeouts::default();
    for spec in &args.timeouts {
        settings.timeouts.apply(spec);
    }
    // The modes' own time-out comes first and says which phase was late; this one ends what no mode waits for.
    let close = settings.timeouts.get(Phase::Close);
    let close = close.map(|limit| limit.saturating_add(CLOSE_MARGIN));
    settings.options = default_options(args.max_message).close_timeout(close);
    Ok(settings)
}

/// Settles the choices that depend on all others: trust in the local CA, refusals and warnings.
fn finish(
    args: &ReachArgs,
    settings: &mut Settings,
    (plain, encrypted): Schemes,
) -> Result<Vec<String>, ConnectError> {
    // Whoever wrote the file in the current directory must not get credentials, nor answer for another host.
    // With these options, or through a proxy, another machine answers under a local name.
    let is_moved = !args.connect_to.is_empty() || !args.resolve.is_empty();
    if settings.has_credentials() || is_moved || settings.proxy_to_target().is_some() {
        settings.tls.local_ca = None;
    }
    let proxy = settings.proxy.as_ref();
    if is_moved || proxy.is_some_and(|proxy| proxy.credentials.is_some()) {
        settings.proxy_tls.local_ca = None;
    }
    let mut warnings = Vec::new();
    if args.insecure && settings.target.secure {
        if settings.has_credentials() && !args.insecure_credentials {
            let text = "--insecure would show the credentials to whoever answers; trust the server's CA with --ca FILE, \
                        or insist with --insecure-credentials";
            return Err(ConnectError::Settings(text.into()));
        }
        warnings.push("--insecure: the server's certificate and name are not checked; anybody in between can read along".into());
    }
    if !settings.target.secure && settings.has_credentials() {
        warnings.push(format!(
            "{plain}:// is not encrypted: the credentials can be read on the way; use {encrypted}://"
        ));
    }
    Ok(warnings)
}

fn credentials(text: &str) -> Result<Credentials, ConnectError> {
    let (user, password) = if let Some((user, password)) = text.split_once(':') {
        (user, password.to_owned())
    } else {
        let missing =
            |_| ConnectError::Settings("--user NAME needs the password in CLIENT_PASSWORD".into());
        (text, std::env::var("CLIENT_PASSWORD").map_err(missing)?)
    };
    if user.chars().chain(password.chars()).any(char::is_control) {
        return Err(ConnectError::Settings(
            "--user has a control character".into(),
        ));
    }
    Ok(Credentials::new(user, password))
}

fn headers(args: &ReachArgs) -> Result<HeaderMap, ConnectError> {
    let mut headers = HeaderMap::new();
    let mut add = |line: &str| add_header(&mut headers, line).map_err(ConnectError::Settings);
    for header in &args.headers {
        for line in lines_of("the header file", header)? {
            add(&line)?;
        }
    }
    if let Some(path) = &args.bearer_file {
        let token = read_text("the token file", path)?;
        add(&format!("Authorization: Bearer {}", token.trim()))?;
    }
    let mut cookies = Vec::new();
    for cookie in &args.cookies {
        cookies.extend(lines_of("the cookie file", cookie)?);
    }
    if cookies.iter().any(|cookie| !cookie.contains('=')) {
        return Err(ConnectError::Settings("a cookie is NAME=VALUE".into()));
    }
    if !cookies.is_empty() {
        add(&format!("Cookie: {}", cookies.join("; ")))?;
    }
    Ok(headers)
}

/// The text itself, or the lines of the file that `@FILE` names.
fn lines_of(what: &'static str, text: &str) -> Result<Vec<String>, ConnectError> {
    match text.strip_prefix('@') {
        None => Ok(vec![text.to_owned()]),
        Some(path) => {
            let content = read_text(what, Path::new(path))?;
            Ok(content
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(Into::into)
                .collect())
        }
    }
}

/// Reads a small text file; tokens and cookies stay far below 64 KiB.
fn read_text(what: &'static str, path: &Path) -> Result<String, ConnectError> {
    let error = |reason: String| ConnectError::File {
        what,
        path: path.to_owned(),
        reason,
        remedy: "check the path and the permissions",
    };
    let bytes = read_named(path, MAX_TEXT_BYTES).map_err(|failure| error(failure.to_string()))?;
    String::from_utf8(bytes).map_err(|_| error("it is not UTF-8".into()))
}

const MAX_TEXT_BYTES: u64 = 64 * 1024;

fn tls(args: &ReachArgs) -> Result<TlsSettings, ConnectError> {
    if args.keylog && std::env::var_os("SSLKEYLOGFILE").is_none() {
        return Err(ConnectError::Settings(
            "--keylog needs the file's name in SSLKEYLOGFILE".into(),
        ));
    }
    Ok(TlsSettings {
        ca: args.ca.clone(),
        local_ca: Some(PathBuf::from(LOCAL_CA)),
        insecure: args.insecure,
        pins: args.pins.clone(),
        client_certificate: args.cert.clone().zip(args.key.clone()),
        server_name: args.sni.clone(),
        minimum_version: match args.tls_min {
            TlsVersion::V12 => MinimumVersion::Tls12,
            TlsVersion::V13 => MinimumVersion::Tls13,
        },
        key_log: args.keylog,
    })
}

fn deflate(args: &ConnectionArgs) -> Option<DeflateConfig> {
    if args.no_deflate {
        return None;
    }
    let mut config = DeflateConfig::default();
    if let Some(level) = args.deflate_level {
        config = config.level(level);
    }
    if let Some(threshold) = args.deflate_threshold {
        config = config.threshold(threshold);
    }
    if let Some(side) = args.context_takeover {
        config = config
            .client_no_context_takeover(matches!(side, Side::Server | Side::None))
            .server_no_context_takeover(matches!(side, Side::Client | Side::None));
    }
    if let Some(bits) = args.server_max_window_bits {
        config = config.server_max_window_bits(bits);
    }
    if let Some(bits) = args.client_max_window_bits {
        config = config.client_max_window_bits(bits);
    }
    Some(config.encoder_window_bits(args.deflate_window_bits))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Time by which the library waits longer for a Close than the mode that sent one.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);
