//! The block that a person at a terminal sees once the server listens: addresses, and what to do next.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::config::Config;
use crate::listen::{Listener, Service};

/// An address for clients, and whether TLS is spoken there.
#[derive(Clone, Copy, Debug)]
struct Address {
    socket: SocketAddr,
    is_tls: bool,
}

/// The block for a server with `config` that listens on `listeners`; `program` is the name by which it was started.
///
/// `None` if there is no address for clients that a URL could name.
pub(super) fn block(config: &Config, listeners: &[Listener], program: &Path) -> Option<String> {
    let public = listeners
        .iter()
        .filter(|listener| listener.kind.service == Service::Public);
    let addresses = public.filter_map(|listener| {
        let socket = listener.tcp_address()?;
        let is_tls = listener.kind.is_tls;
        Some(Address { socket, is_tls })
    });
    render(config, &addresses.collect::<Vec<_>>(), program)
}

fn render(config: &Config, addresses: &[Address], program: &Path) -> Option<String> {
    let first = addresses.first()?;
    let has_pages = config.routes.demonstrations.is_on();
    let path = if has_pages {
        "/echo"
    } else {
        "/chat/hall?name=me"
    };
    let mut rows = Vec::new();
    for address in addresses {
        if has_pages {
            rows.push(("Pages", address.url("http", "/")));
        }
        rows.push(("WebSocket", address.url("ws", path)));
    }
    let certs = &config.tls.certs;
    let is_default = certs == Path::new("certs");
    let makes_certificates =
        config.tls.cert.is_empty() && config.tls.key.is_empty() && !config.tls.acme.is_on();
    let mut client = format!("{} '{}'", client(program), first.url("ws", path));
    if makes_certificates && first.is_tls {
        rows.push(("CA", certs.join("ca.crt").display().to_string()));
        let mut trust = format!("{} trust", program.display());
        if !is_default {
            // Writing to a String cannot fail.
            let _ = write!(trust, " --certs {}", certs.display());
            let _ = write!(client, " --ca {}", certs.join("ca.crt").display());
        }
        rows.push(("Trust the CA", trust));
    }
    rows.push(("Client", client));
    rows.push((
        "Read next",
        "server/README.md, or `server --help`".to_owned(),
    ));
    let lines = rows
        .iter()
        .map(|(name, value)| format!("  {name:<13} {value}\n"));
    Some(format!("\n{}\n", lines.collect::<String>()))
}

impl Address {
    /// A URL of this address: for an unspecified or loopback address, by the name that the development certificate has.
    fn url(self, scheme: &str, path: &str) -> String {
        let host = match self.socket.ip().to_canonical() {
            address if address.is_loopback() || address.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let secure = if self.is_tls { "s" } else { "" };
        format!("{scheme}{secure}://{host}:{}{path}", self.socket.port())
    }
}

/// The command that starts the client, which is built and installed beside the server.
fn client(program: &Path) -> String {
    let beside = program.with_file_name(format!("client{}", std::env::consts::EXE_SUFFIX));
    let is_found_by_path = program.components().count() == 1;
    if is_found_by_path || beside.is_file() {
        beside.display().to_string()
    } else {
        "cargo run -q -p client --".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Switch;

    fn shown(config: &Config, addresses: &[(&str, bool)]) -> String {
        let addresses: Vec<Address> = addresses
            .iter()
            .map(|&(socket, is_tls)| Address {
                socket: socket.parse().unwrap(),
                is_tls,
            })
            .collect();
        render(config, &addresses, Path::new("server")).unwrap()
    }

    #[test]
    fn block_leads_from_the_start_to_a_page_and_to_the_client() {
        let shown = shown(&Config::default(), &[("[::]:8443", true)]);
        let expected = "
  Pages         https://localhost:8443/
  WebSocket     wss://localhost:8443/echo
  CA            certs/ca.crt
  Trust the CA  server trust
  Client        client 'wss://localhost:8443/echo'
  Read next     server/README.md, or `server --help`

";
        assert_eq!(shown, expected);
    }

    #[test]
    fn block_names_what_the_settings_chose() {
        let mut config = Config::default();
        config.tls.certs = "/var/lib/wss".into();
        config.routes.demonstrations = Switch::Off;
        let block = shown(
            &config,
            &[("192.0.2.1:443", true), ("[2001:db8::1]:80", false)],
        );
        for part in [
            "wss://192.0.2.1:443/chat/hall?name=me\n",
            "ws://[2001:db8::1]:80/chat/hall?name=me\n",
            "server trust --certs /var/lib/wss\n",
            " --ca /var/lib/wss/ca.crt\n",
        ] {
            assert!(block.contains(part), "{part}: {block}");
        }
        assert!(!block.contains("Pages"), "{block}");
        config.tls.cert = vec!["a.crt".into()];
        config.tls.key = vec!["a.key".into()];
        let block = shown(&config, &[("127.0.0.1:1", true)]);
        assert!(
            !block.contains("trust") && !block.contains("--ca"),
            "{block}"
        );
    }

    #[test]
    fn without_an_address_there_is_no_block() {
        assert_eq!(render(&Config::default(), &[], Path::new("server")), None);
    }
}
