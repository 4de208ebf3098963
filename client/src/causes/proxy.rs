//! Refusals of a tunnel by a proxy.

use tungstenite_deflate::dial::{ProxyError, SocksError as S};

use super::{Cause, causes, network};

const CREDENTIALS: &str = "it wants a name and a password";
const WITH_CREDENTIALS: &str = "give them in --proxy SCHEME://USER:PASSWORD@HOST:PORT";
const OTHER_CREDENTIALS: &str = "check the name and the password in --proxy";
const FORBIDDEN: &str = "its rules forbid this host or port";
const ASK: &str = "ask who runs it to permit this host and port";
const CHECK_SERVER: &str = "check the URL's host and port";
const NO_TUNNELS: &str = "it does not open tunnels (CONNECT)";
const OTHER_PROXY: &str = "use another proxy, or another port of this one";
const PROXY_LOG: &str = "see the proxy's log";
const NOT_SOCKS: &str = "it does not speak SOCKS5";
const CHECK_SCHEME: &str = "check the scheme and the port of --proxy";
const LATER: &str = "try later";

causes! {
    /// Describes a refusal by SOCKS5 (RFC 1928 §6, RFC 1929).
    of_socks(&S), SOCKS {
    S::GeneralSocksServerFailure => "it failed, or could not reach the server", PROXY_LOG;
    S::ConnectionNotAllowedByRuleset => FORBIDDEN, ASK;
    S::NetworkUnreachable => "no route leads from it to the server", CHECK_SERVER;
    S::HostUnreachable => "it cannot reach the server's host, or finds no address for it", CHECK_SERVER;
    S::ConnectionRefused => "nobody listens at the server's port", CHECK_SERVER;
    S::TtlExpired => "the server did not answer it", CHECK_SERVER;
    S::CommandNotSupported => "it does not open connections (command CONNECT)", OTHER_PROXY;
    S::AddressTypeNotSupported | S::UnknownAddressType =>
        "it does not take this kind of address", "try socks5h for names, socks5 for addresses, or -4";
    S::NoAcceptableAuthMethods | S::AuthorizationRequired => CREDENTIALS, WITH_CREDENTIALS;
    S::PasswordAuthFailure(_) => "it does not accept the name and the password", OTHER_CREDENTIALS;
    S::InvalidAuthValues(_) => "the name or the password has a length that SOCKS5 cannot carry", OTHER_CREDENTIALS;
    S::InvalidTargetAddress(_) => "the server's name has a length that SOCKS5 cannot carry", CHECK_SERVER;
    S::IdentdAuthFailure | S::InvalidUserIdAuthFailure => "it wants identd on this machine", OTHER_PROXY;
    S::InvalidResponseVersion | S::InvalidReservedByte => NOT_SOCKS, CHECK_SCHEME;
    S::ProxyServerUnreachable | S::ParseError(_) => "its address cannot be used", CHECK_SCHEME;
    // tokio-socks reports a reply code that is not assigned as a method.
    S::UnknownAuthMethod | S::UnknownError =>
        "it answered with a method or a reply code that is not known", PROXY_LOG;
    S::Io(_) => "the connection to it failed", PROXY_LOG;
    }
}

/// The answer to CONNECT is not HTTP.
const NOT_HTTP: Cause = Cause {
    meaning: "it does not speak HTTP",
    remedy: CHECK_SCHEME,
};

causes! {
    /// Describes the status that a proxy answers CONNECT with (RFC 9110 §9.3.6).
    of_proxy_status(u16), PROXY_STATUS {
    400 => "it does not understand the request", CHECK_SCHEME;
    401 | 407 => CREDENTIALS, WITH_CREDENTIALS;
    403 | 451 => FORBIDDEN, ASK;
    404 | 410 => "it finds no such server", CHECK_SERVER;
    405 | 501 => NO_TUNNELS, OTHER_PROXY;
    408 | 504 => "the server did not answer it", CHECK_SERVER;
    421 => "it is not the proxy for this server", CHECK_SCHEME;
    426 => "it wants a newer protocol", "try https:// in --proxy";
    429 => "too many requests from here", LATER;
    500 => "it has a fault", PROXY_LOG;
    502 => "it cannot reach the server", CHECK_SERVER;
    503 => "it is full, or cannot reach the server", LATER;
    505 => "it does not speak HTTP/1.1", CHECK_SCHEME;
    511 => "the network wants you to log in first", "open a page in a browser and log in";
    300..=399 => "it answers with a redirect", CHECK_SCHEME;
    } else None
}

/// Returns a sentence for the failure of a tunnel, and a remedy; `has_credentials` if the proxy was shown some.
pub(crate) fn explained(error: &ProxyError, has_credentials: bool) -> (String, &'static str) {
    let explained = super::explained;
    match error {
        ProxyError::Status { status, line } => explained(
            &format!("it answered `{line}`"),
            http(*status, has_credentials),
        ),
        ProxyError::NotHttp { line } => explained(&format!("it answered `{line}`"), Some(NOT_HTTP)),
        ProxyError::HeadTooLong { limit } => (
            format!("its answer has more than {limit} bytes of head"),
            "",
        ),
        ProxyError::Socks(error) => explained(&error.to_string(), of_socks(error)),
        ProxyError::Io(error) => explained(&error.to_string(), network::connection(error)),
        error => explained(&error.to_string(), None),
    }
}

/// The cause of a refusal by an HTTP proxy; `has_credentials` if it was shown some.
fn http(status: u16, has_credentials: bool) -> Option<Cause> {
    match (status, has_credentials) {
        (401 | 407, true) => of_socks(&S::PasswordAuthFailure(0)),
        _ => of_proxy_status(status),
    }
}
