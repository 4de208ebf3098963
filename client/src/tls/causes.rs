//! Every fault that a TLS handshake can end with: a sentence, and what to do about it.
//!
//! The enums are not exhaustive, so each `match` names every variant of today and gives `None` for those to come: they
//! are shown as they are, and nothing is claimed about them.

use std::fmt::Write as _;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

/// A sentence, and what to do; empty where nothing is known to help.
pub(crate) type Cause = (&'static str, &'static str);

const ASK_OPERATOR: &str = "the server's certificate has to be made anew";
const SEE_LOG: &str = "see the server's log";

/// Describes the fault of the server's certificate. `Other` is looked into by the caller.
#[expect(deprecated, reason = "an older verifier may still say so")]
pub(crate) fn of_certificate(fault: &CertificateError) -> Option<Cause> {
    use CertificateError as E;
    Some(match fault {
        E::BadEncoding => ("its certificate cannot be read", ASK_OPERATOR),
        E::Expired | E::ExpiredContext { .. } => (
            "its certificate has expired",
            "renew the server's certificate, and check this machine's clock",
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check this machine's clock",
        ),
        E::Revoked => ("its certificate was revoked", ASK_OPERATOR),
        E::UnhandledCriticalExtension => (
            "its certificate has a critical extension that is not understood (RFC 5280 §4.2)",
            ASK_OPERATOR,
        ),
        E::UnknownIssuer => (
            "its certificate is signed by no trusted authority (unknown issuer)",
            "trust the authority with --ca FILE (for a local server: certs/ca.crt), or skip the check with --insecure",
        ),
        E::UnknownRevocationStatus => ("it is unknown whether its certificate was revoked", ""),
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => {
            ("the list of revoked certificates has expired", "")
        }
        E::BadSignature => (
            "a signature does not fit: it does not hold the key of its certificate, or that was not signed by the authority it names",
            "somebody may be in between",
        ),
        E::UnsupportedSignatureAlgorithm
        | E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "its certificate is signed with an algorithm that is not accepted, such as SHA-1",
            ASK_OPERATOR,
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            "its certificate is not valid for the name",
            "dial one of the names it is for, or give the name with --sni NAME",
        ),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => (
            "its certificate is not meant for servers",
            "use a certificate with server authentication",
        ),
        E::InvalidOcspResponse => ("its OCSP response is not valid", SEE_LOG),
        E::ApplicationVerificationFailure => ("its certificate was refused", ""),
        // `Other`, and those to come.
        _ => return None,
    })
}

/// Describes webpki's verdict on a certificate, which rustls passes on as it is.
#[expect(deprecated, reason = "older forms of the same faults")]
pub(crate) fn of_webpki(fault: &webpki::Error) -> Option<Cause> {
    use webpki::Error as E;
    Some(match fault {
        E::CaUsedAsEndEntity => (
            "it shows the certificate of an authority as its own",
            "name that very certificate with --ca FILE to accept it",
        ),
        E::EndEntityUsedAsCa => (
            "its certificate is signed by one that is no authority",
            "name the server's own certificate with --ca FILE, or have it signed by an authority",
        ),
        E::NameConstraintViolation => (
            "its authority must not vouch for this name (name constraints, RFC 5280 §4.2.1.10)",
            "dial a name that the authority may vouch for",
        ),
        E::PathLenConstraintViolated | E::MaximumPathDepthExceeded => (
            "there are more authorities between its certificate and the root than allowed",
            ASK_OPERATOR,
        ),
        E::UnsupportedCertVersion => ("its certificate is not of version 3", ASK_OPERATOR),
        E::BadDer
        | E::BadDerTime
        | E::TrailingData(_)
        | E::ExtensionValueInvalid
        | E::MalformedExtensions
        | E::MalformedDnsIdentifier
        | E::MalformedNameConstraint
        | E::InvalidNetworkMaskConstraint
        | E::InvalidSerialNumber
        | E::SignatureAlgorithmMismatch => ("its certificate cannot be read", ASK_OPERATOR),
        E::InvalidCertValidity => ("its certificate ends before it begins", ASK_OPERATOR),
        E::EmptyEkuExtension | E::RequiredEkuNotFound | E::RequiredEkuNotFoundContext(_) => (
            "its certificate is not meant for servers",
            "use a certificate with server authentication",
        ),
        E::MaximumNameConstraintComparisonsExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded => (
            "its certificates take more checks than is reasonable",
            "somebody may be in between",
        ),
        E::CertDistrusted => ("its certificate is distrusted", ASK_OPERATOR),
        E::CertExpired { .. } => return of_certificate(&CertificateError::Expired),
        E::CertNotValidYet { .. } => return of_certificate(&CertificateError::NotValidYet),
        E::CertNotValidForName(_) => return of_certificate(&CertificateError::NotValidForName),
        E::CertRevoked => return of_certificate(&CertificateError::Revoked),
        E::UnknownIssuer => return of_certificate(&CertificateError::UnknownIssuer),
        E::InvalidSignatureForPublicKey => {
            return of_certificate(&CertificateError::BadSignature);
        }
        E::UnsupportedCriticalExtension => {
            return of_certificate(&CertificateError::UnhandledCriticalExtension);
        }
        E::UnsupportedNameType => (
            "its authority is limited to kinds of names that are not understood",
            ASK_OPERATOR,
        ),
        _ => return None,
    })
}

/// Returns the remedy for an alert of the server.
pub(crate) fn of_alert(alert: AlertDescription) -> Option<Cause> {
    use AlertDescription as A;
    const TOLD: &str = "the server sent an alert";
    Some(match alert {
        // OpenSSL says so of a missing certificate in TLS 1.2.
        A::CertificateRequired | A::NoCertificate => (
            "the server wants a client certificate",
            "give a client certificate with --cert FILE --key FILE",
        ),
        A::UnknownCA
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateUnknown
        | A::CertificateUnobtainable
        | A::BadCertificateStatusResponse
        | A::BadCertificateHashValue => (
            "the server does not accept the client certificate",
            "the server does not accept the client certificate: use one from its CA",
        ),
        A::CertificateExpired => (
            "the client certificate has expired",
            "renew the client certificate",
        ),
        A::CertificateRevoked => (
            "the client certificate was revoked",
            "use another client certificate",
        ),
        A::UnrecognisedName => (
            "the server does not know the name",
            "the server does not know this name: check the URL or --sni",
        ),
        A::ProtocolVersion => (
            "no TLS version in common",
            "the server has no TLS version of ours: update it, or lower --tls-min",
        ),
        A::NoApplicationProtocol => (
            "no application protocol in common (ALPN)",
            "the server does not offer this HTTP version: check the port, or leave out --http2",
        ),
        A::HandshakeFailure | A::InsufficientSecurity => (
            "nothing in common, or a client certificate is missing",
            "it may want a client certificate (--cert FILE --key FILE), or other ciphers; see the server's log",
        ),
        A::AccessDenied => ("the server denies access", "check the client certificate"),
        A::UnknownPSKIdentity | A::EncryptedClientHelloRequired => (TOLD, SEE_LOG),
        A::InternalError => ("the server failed", SEE_LOG),
        A::UserCanceled | A::CloseNotify => ("the server gave up", SEE_LOG),
        A::UnexpectedMessage
        | A::BadRecordMac
        | A::DecryptionFailed
        | A::RecordOverflow
        | A::DecompressionFailure
        | A::IllegalParameter
        | A::DecodeError
        | A::DecryptError
        | A::ExportRestriction
        | A::InappropriateFallback
        | A::NoRenegotiation
        | A::MissingExtension
        | A::UnsupportedExtension => (
            "the server found the handshake wrong",
            "something in between may change it; see the server's log",
        ),
        // `Unknown`, and those to come.
        _ => return None,
    })
}

/// Names the parameter that server and client do not have in common.
pub(crate) fn of_incompatibility(fault: &PeerIncompatible) -> Option<Cause> {
    use PeerIncompatible as P;
    const OLD: &str = "the server wants an older TLS than 1.2 or other ciphers; update it";
    Some(match fault {
        P::ServerDoesNotSupportTls12Or13
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::SupportedVersionsExtensionRequired => ("no TLS version in common", OLD),
        P::ServerTlsVersionIsDisabledByOurConfig => (
            "no TLS version in common",
            "lower --tls-min, or update the server",
        ),
        P::NoCipherSuitesInCommon => ("no cipher suite in common", OLD),
        P::NoKxGroupsInCommon | P::KeyShareExtensionRequired | P::NamedGroupsExtensionRequired => {
            ("no key exchange in common", OLD)
        }
        P::NoSignatureSchemesInCommon | P::SignatureAlgorithmsExtensionRequired => {
            ("no signature scheme in common", OLD)
        }
        P::NoCertificateRequestSignatureSchemesInCommon => (
            "the server takes no signature of the client certificate's kind of key",
            "use a client certificate with another kind of key",
        ),
        P::NoEcPointFormatsInCommon
        | P::EcPointsExtensionRequired
        | P::UncompressedEcPointsRequired
        | P::NullCompressionRequired
        | P::ExtendedMasterSecretExtensionRequired => ("nothing in common", OLD),
        P::IncorrectCertificateTypeExtension | P::UnsolicitedCertificateTypeExtension => {
            ("no kind of certificate in common", SEE_LOG)
        }
        P::ServerSentHelloRetryRequestWithUnknownExtension
        | P::Tls13RequiredForQuic
        | P::ServerRejectedEncryptedClientHello(_) => ("the server answered out of order", SEE_LOG),
        _ => return None,
    })
}

/// The table of the README: every cause with its remedy, by where it comes from.
pub(crate) fn table() -> String {
    use CertificateError as E;
    use webpki::Error as W;
    let certificates = [
        E::Expired,
        E::NotValidYet,
        E::UnknownIssuer,
        E::NotValidForName,
        E::InvalidPurpose,
        E::BadSignature,
        E::BadEncoding,
        E::Revoked,
        E::UnhandledCriticalExtension,
        E::UnknownRevocationStatus,
        E::ExpiredRevocationList,
        E::InvalidOcspResponse,
        E::ApplicationVerificationFailure,
    ];
    let chains = [
        W::CaUsedAsEndEntity,
        W::EndEntityUsedAsCa,
        W::NameConstraintViolation,
        W::PathLenConstraintViolated,
        W::UnsupportedCertVersion,
        W::InvalidCertValidity,
        W::MaximumSignatureChecksExceeded,
        W::CertDistrusted,
        W::UnsupportedNameType,
    ];
    let alerts = (0..=u8::MAX).map(AlertDescription::from);
    let incompatibilities = [
        PeerIncompatible::ServerDoesNotSupportTls12Or13,
        PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        PeerIncompatible::NoCipherSuitesInCommon,
        PeerIncompatible::NoKxGroupsInCommon,
        PeerIncompatible::NoSignatureSchemesInCommon,
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
        PeerIncompatible::IncorrectCertificateTypeExtension,
    ];
    let rows = certificates
        .iter()
        .map(|fault| (format!("certificate: {fault:?}"), of_certificate(fault)))
        .chain(
            chains
                .iter()
                .map(|fault| (format!("chain: {fault:?}"), of_webpki(fault))),
        )
        .chain(alerts.map(|alert| (format!("alert: {alert:?}"), of_alert(alert))))
        .chain(
            incompatibilities
                .iter()
                .map(|fault| (format!("handshake: {fault:?}"), of_incompatibility(fault))),
        );
    let mut text = String::from("| TLS says | meaning | remedy |\n|---|---|---|\n");
    for (name, cause) in rows {
        if let Some((meaning, remedy)) = cause {
            let remedy = if remedy.is_empty() { "–" } else { remedy };
            let _ = writeln!(text, "| `{name}` | {meaning} | {remedy} |");
        }
    }
    text
}
