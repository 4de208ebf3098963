//! The labels of all series. Values that peers could choose are mapped to closed sets (R24): each new value would be a series
//! for ever.

use prometheus_client::encoding::EncodeLabelSet;

/// Label of a limit.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct LimitLabel {
    /// `total`, `address`, `rate` or `descriptors`.
    pub(crate) limit: &'static str,
}

/// Parameters negotiated in a handshake.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct HandshakeLabels {
    /// `1.2` or `1.3`.
    pub(crate) version: &'static str,
    /// The key exchange group's name.
    pub(crate) group: String,
    /// `yes` or `no`.
    pub(crate) resumed: &'static str,
    /// The application protocol; `none` if the client named none.
    pub(crate) alpn: &'static str,
}

/// Label of a failed handshake.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct CauseLabel {
    /// A word for it.
    pub(crate) cause: &'static str,
}

/// Label of a certificate.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct CertificateLabel {
    /// Its file.
    pub(crate) file: String,
}

/// Label of a result.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ResultLabel {
    /// `loaded` or `refused`.
    pub(crate) result: &'static str,
}

/// Labels of a refused request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RefusalLabels {
    /// The path.
    pub(crate) route: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
}

/// Label of a route.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RouteLabel {
    /// The path.
    pub(crate) route: &'static str,
}

/// Labels of a route over one HTTP version.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RouteLabels {
    /// The path.
    pub(crate) route: &'static str,
    /// `1.1` or `2`.
    pub(crate) http: &'static str,
}

/// Labels of an opened connection.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct OpenLabels {
    /// The path.
    pub(crate) route: &'static str,
    /// `1.1` or `2`.
    pub(crate) http: &'static str,
    /// `yes` if permessage-deflate was agreed, else `no`.
    pub(crate) deflate: &'static str,
}

/// Labels of a closed connection.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct CloseLabels {
    /// The path.
    pub(crate) route: &'static str,
    /// The close code as [`close_code`] gives it; 1005 stands for none, 1006 for no Close frame (RFC 6455 §7.1.5).
    pub(crate) code: &'static str,
    /// Side that sent the first Close: `client`, `server` or `nobody`.
    pub(crate) by: &'static str,
}

/// Messages of a kind.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct MessageLabels {
    pub(crate) route: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) kind: &'static str,
}

/// Labels of a finished call.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct CallLabels {
    /// The path; `other` for methods that nobody offers.
    pub(crate) method: &'static str,
    /// The status, as gRPC numbers them; 1 (cancelled) also stands for clients that left.
    pub(crate) code: i32,
}

/// Bytes in a direction.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct DirectionLabels {
    pub(crate) route: &'static str,
    pub(crate) direction: &'static str,
}

/// The label of a close code: the registered ones (IANA, WebSocket Close Code Number Registry) as they are, all others `other`.
pub(crate) fn close_code(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1003 => "1003",
        // Never on the wire: no code, and no Close frame.
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1008 => "1008",
        1009 => "1009",
        1010 => "1010",
        1011 => "1011",
        1012 => "1012",
        1013 => "1013",
        1014 => "1014",
        1015 => "1015",
        3000 => "3000",
        3003 => "3003",
        3008 => "3008",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_a_closed_set() {
        let labels: HashSet<_> = (0..=u16::MAX).map(close_code).collect();
        assert_eq!(labels.len(), 19);
        for code in 0..=u16::MAX {
            let label = close_code(code);
            assert!(label == "other" || label == code.to_string(), "{code}");
        }
    }
}
