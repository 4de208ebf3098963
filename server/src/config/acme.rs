//! Certificates from an ACME server.

use std::path::PathBuf;

use clap::Args;

use super::Switch;

/// Certificates from an ACME server (RFC 8555).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "ACME")]
#[non_exhaustive]
pub struct AcmeOptions {
    /// DNS name to obtain a certificate for from an ACME server, by TLS-ALPN-01 (RFC 8737) on the port of --listen, which has to
    /// be reached as port 443 from outside; repeatable, all in one certificate. Giving it agrees to the server's terms of
    /// service [default: none]
    #[arg(long, value_name = "NAME", value_parser = dns_name)]
    pub acme: Vec<String>,
    /// Address by which the ACME server may reach the operator, as in mailto:admin@chat.example; repeatable [default: none]
    #[arg(long, value_name = "URL", value_parser = contact)]
    pub acme_contact: Vec<String>,
    /// Directory of the ACME server
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://acme-v02.api.letsencrypt.org/directory"
    )]
    pub acme_directory: String,
    /// Use the test server of Let's Encrypt, whose certificates nobody trusts and whose limits are generous
    #[arg(long, value_enum, default_value = "off")]
    pub acme_staging: Switch,
    /// Directory of the account's key and of the certificate with its key; made with mode 0700
    #[arg(long, value_name = "DIR", default_value = "acme")]
    pub acme_cache: PathBuf,
    /// CA certificates (PEM) that the ACME server's own certificate must come from [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
    /// Identifier of the external account that the account is bound to (RFC 8555 section 7.3.4) [default: none]
    #[arg(long, value_name = "ID")]
    pub acme_eab_id: Option<String>,
    /// File with the key of that external account, in base64url [default: none]
    #[arg(long, value_name = "FILE")]
    pub acme_eab_key: Option<PathBuf>,
}

impl AcmeOptions {
    /// Returns whether certificates are obtained by ACME.
    pub(crate) fn is_on(&self) -> bool {
        !self.acme.is_empty()
    }

    /// The URL of the directory that is used.
    pub(crate) fn directory(&self) -> &str {
        if self.acme_staging.is_on() {
            STAGING
        } else {
            &self.acme_directory
        }
    }

    /// The file of the certificate chain and its key.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.acme_cache.join("certificate.pem")
    }
}

/// Let's Encrypt's test server.
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Parses a name that TLS-ALPN-01 can prove: no address and no wildcard.
fn dns_name(text: &str) -> Result<String, String> {
    let is_name = matches!(url::Host::parse(text), Ok(url::Host::Domain(name)) if name == text);
    if text.contains('*') {
        Err(format!(
            "`{text}` is a wildcard, which needs the challenge DNS-01"
        ))
    } else if is_name && text.contains('.') {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not a DNS name in lower case, as in chat.example"
        ))
    }
}

/// Parses a contact: a URL such as `mailto:`.
fn contact(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a URL; write mailto:{text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_challenge_can_prove() {
        for name in ["chat.example", "a.b.example", "xn--bcher-kva.example"] {
            assert_eq!(dns_name(name).as_deref(), Ok(name));
        }
        for text in [
            "",
            "localhost",
            "*.chat.example",
            "192.0.2.1",
            "[::1]",
            "Chat.example",
            "a b.example",
            "https://chat.example",
        ] {
            assert!(dns_name(text).is_err(), "{text}");
        }
    }
}
