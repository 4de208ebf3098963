//! Parameters that a handshake agreed on.

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};

use super::TlsTransport;
use crate::metrics::HandshakeLabels;

/// Parameters negotiated in a handshake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Name of the cipher suite, as rustls writes it.
    pub cipher_suite: String,
    /// Name of the key exchange group, as rustls writes it; empty if there was none.
    pub group: String,
    /// True if an earlier session was resumed.
    pub resumed: bool,
    /// The server that the client named (SNI).
    pub server_name: Option<String>,
    /// True if the application protocol is `h2`; else it is HTTP/1.1.
    pub http2: bool,
    /// The client's certificate, if it showed one; it has been checked against `--client-ca`.
    pub client_certificate: Option<CertificateDer<'static>>,
    /// True if the client named application protocols.
    pub(crate) named_protocol: bool,
}

impl TlsInfo {
    /// Reads it off a connection whose handshake is done.
    pub(crate) fn of(transport: &mut TlsTransport) -> Self {
        let server_name = transport.take_server_name();
        let connection = transport.session();
        Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "1.3",
            },
            cipher_suite: connection
                .negotiated_cipher_suite()
                .map(|suite| format!("{:?}", suite.suite()))
                .unwrap_or_default(),
            group: connection
                .negotiated_key_exchange_group()
                .map(|group| format!("{:?}", group.name()))
                .unwrap_or_default(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: server_name.map(String::from),
            http2: connection.alpn_protocol() == Some(b"h2"),
            client_certificate: connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .cloned(),
            named_protocol: connection.alpn_protocol().is_some(),
        }
    }

    /// The same as labels of a metric.
    pub(crate) fn labels(&self) -> HandshakeLabels {
        HandshakeLabels {
            version: self.version,
            group: if self.group.is_empty() {
                "none".to_owned()
            } else {
                self.group.clone()
            },
            resumed: if self.resumed { "yes" } else { "no" },
            alpn: match (self.named_protocol, self.http2) {
                (false, _) => "none",
                (true, true) => "h2",
                (true, false) => "http/1.1",
            },
        }
    }
}
