//! Where to connect to: a WebSocket URL taken apart (RFC 6455 §3).

use std::fmt;
use std::str::FromStr;

use crate::secret::{Credentials, Secret};

/// A WebSocket URL. `Display` leaves out the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `wss` rather than `ws`.
    pub secure: bool,
    /// Name or address; an IPv6 address stands without its brackets.
    pub host: String,
    /// Port; 443 for `wss` and 80 for `ws` unless the URL has one.
    pub port: u16,
    /// Path with query, at least `/`.
    pub path: String,
    /// `user:password@` of the URL, sent as HTTP Basic and never printed.
    pub credentials: Option<Credentials>,
}

impl Target {
    /// Host and port as a `Host` header has them: the scheme's own port is left out, IPv6 has brackets.
    pub fn authority(&self) -> String {
        let default_port = if self.secure { 443 } else { 80 };
        let host = bracketed(&self.host);
        if self.port == default_port {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Host and port, always both.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Scheme of the URL.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "wss" } else { "ws" }
    }

    /// `localhost`, names below it, and the loopback addresses: those that the local CA may vouch for.
    pub fn is_local(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Same scheme, host and port (RFC 6454): credentials may go along.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
    }

    /// The URL that a `Location` header names, seen from this one.
    ///
    /// # Errors
    /// Not a URL or path, or not one of the four schemes.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        if location.contains("://") {
            return location.parse();
        }
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{}://{rest}", self.scheme()).parse();
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let base = self.path.split('?').next().unwrap_or("/");
            let directory = &base[..=base.rfind('/').unwrap_or(0)];
            format!("{directory}{location}")
        };
        check_path(&path)?;
        Ok(Self {
            path,
            ..self.clone()
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}://{}{}",
            self.scheme(),
            self.authority(),
            self.path
        )
    }
}

impl FromStr for Target {
    type Err = String;

    /// Takes `wss://host[:port]/path`, `ws://…`, `https://…`, `http://…`, and `host:port[/path]`, which means `wss`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('#') {
            return Err("the URL has a fragment (#…), which WebSocket URLs must not have (RFC 6455 §3); leave it out or write %23".into());
        }
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (secure_scheme(scheme)?, rest),
            None => (true, without_scheme(text)?),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (credentials, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (Some(parse_user_info(user_info)?), host_port),
            None => (None, authority),
        };
        let (host, port) = split_host_port(host_port).map_err(|error| hidden(error, text))?;
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        check_path(&path)?;
        Ok(Self {
            secure,
            host,
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            path,
            credentials,
        })
    }
}

/// What is wrong with the host or port of `text`, unless that could be a part of a password: `/`, `?` and `:` end a host.
pub(crate) fn hidden(error: String, text: &str) -> String {
    if text.contains('@') {
        "host or port of the URL cannot be read; percent-encode what stands before its @".into()
    } else {
        error
    }
}

fn secure_scheme(scheme: &str) -> Result<bool, String> {
    match scheme.to_ascii_lowercase().as_str() {
        "wss" | "https" => Ok(true),
        "ws" | "http" => Ok(false),
        _ => Err(format!(
            "scheme `{scheme}` is not one of wss, ws, https, http"
        )),
    }
}

/// `host:port[/path]` is a URL without its scheme; a bare word is neither that nor a subcommand.
fn without_scheme(text: &str) -> Result<&str, String> {
    let authority = text.split(['/', '?']).next().unwrap_or("");
    let after_colon = authority.rsplit_once(':').map_or("", |(_, port)| port);
    if !after_colon.is_empty() && after_colon.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text)
    } else if text.contains('@') {
        // What stands before it may be a password.
        Err("a URL with credentials needs its scheme: wss://USER:PASSWORD@HOST/PATH".into())
    } else {
        Err(format!(
            "`{text}` is neither a URL nor a subcommand in first place; write wss://{text} or {text}:443"
        ))
    }
}

/// Splits `host[:port]` or `[v6]:port`, checking both halves.
pub(crate) fn split_host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("`{text}` lacks the closing bracket of its IPv6 address"))?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| format!("`{host}` is not an IPv6 address"))?;
        (
            host,
            after
                .strip_prefix(':')
                .or(if after.is_empty() { None } else { Some(after) }),
        )
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err("the URL has no host".into());
    }
    if !host.is_ascii() {
        return Err(format!("host `{host}` is not ASCII; write its xn-- form"));
    }
    if let Some(bad) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"-._:%".contains(*c))
    {
        return Err(format!(
            "host has the character {bad:?}, which names do not have"
        ));
    }
    let port = match port {
        None | Some("") => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Some(number),
            _ => return Err(format!("port `{port}` is not a number from 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

fn check_path(path: &str) -> Result<(), String> {
    match path.chars().find(|c| !c.is_ascii_graphic()) {
        Some(bad) => Err(format!(
            "the URL's path has the character {bad:?}; write it percent-encoded"
        )),
        None => Ok(()),
    }
}

fn parse_user_info(text: &str) -> Result<Credentials, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(Credentials {
        user: percent_decoded(user)?,
        password: Secret::new(percent_decoded(password)?),
    })
}

/// Undoes percent-encoding (RFC 3986 §2.1); control characters are refused.
pub(crate) fn percent_decoded(text: &str) -> Result<String, String> {
    let wrong = || "the user information of the URL is not valid percent-encoded UTF-8".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = after
                .get(..2)
                .and_then(|pair| std::str::from_utf8(pair).ok())
                .ok_or_else(wrong)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| wrong())?;
    if decoded.chars().any(char::is_control) {
        Err(wrong())
    } else {
        Ok(decoded)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        for (text, shown, host, port) in [
            (
                "wss://localhost:8443/ws",
                "wss://localhost:8443/ws",
                "localhost",
                8443,
            ),
            ("ws://example.com", "ws://example.com/", "example.com", 80),
            (
                "https://example.com?x=1",
                "wss://example.com/?x=1",
                "example.com",
                443,
            ),
            ("wss://[::1]:9/a", "wss://[::1]:9/a", "::1", 9),
            ("localhost:8443", "wss://localhost:8443/", "localhost", 8443),
            ("WSS://u:p%40@h/", "wss://h/", "h", 443),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (
                    target.to_string().as_str(),
                    target.host.as_str(),
                    target.port
                ),
                (shown, host, port),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_urls_are_refused() {
        for text in [
            "",
            "bench",
            "wss://",
            "wss://:80/",
            "ftp://h/",
            "wss://h:0/",
            "wss://h:70000/",
            "wss://h/#f",
            "wss://h/a b",
            "wss://h/a\r\nX: y",
            "wss://[::1/",
            "wss://[::g]/",
            "wss://exämple/",
            "wss://u%0d%0a@h/",
            "wss://h\u{7f}/",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let target: Target = "wss://alice:s3cret@h/".parse().unwrap();
        assert!(!format!("{target} {target:?}").contains("s3cret"));
        assert_eq!(target.credentials.unwrap().password.reveal(), "s3cret");
    }

    #[test]
    fn locations_join() {
        let base: Target = "wss://h:8443/a/b?c".parse().unwrap();
        for (location, joined) in [
            ("/x", "wss://h:8443/x"),
            ("x", "wss://h:8443/a/x"),
            ("//g/x", "wss://g/x"),
            ("http://h/x", "ws://h/x"),
        ] {
            assert_eq!(
                base.join(location).unwrap().to_string(),
                joined,
                "{location}"
            );
        }
        assert!(base.join("/a b").is_err());
    }

    #[test]
    fn loopback_is_local() {
        for (url, local) in [
            ("wss://localhost/", true),
            ("wss://a.localhost/", true),
            ("wss://127.0.0.1/", true),
            ("wss://[::1]/", true),
            ("wss://localhost.example/", false),
            ("wss://10.0.0.1/", false),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().is_local(), local, "{url}");
        }
    }
}
