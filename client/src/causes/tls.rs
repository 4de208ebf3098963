//! Failures of a TLS handshake, the certificate aside: alerts, nothing in common, malformed messages.

use rustls::AlertDescription as A;
use rustls::Error as E;
use rustls::InvalidMessage as M;
use rustls::PeerIncompatible as P;

use super::causes;

const SEE_LOG: &str = "see the server's log";
const IN_BETWEEN: &str = "something in between may change it; see the server's log";
const NO_VERSION: &str = "no TLS version in common";
const NO_ALPN: &str = "no application protocol in common (ALPN)";
const OTHER_HTTP: &str = "check the port, or leave out --http2";
const OLD: &str = "the server wants an older TLS than 1.2 or other ciphers; update it";
const NO_KEY_EXCHANGE: &str = "no key exchange in common";
const NOT_ACCEPTED: &str = "it does not accept the client certificate";
const FROM_ITS_CA: &str = "use one from its CA";
const SURPRISING: &str = "it found the handshake wrong";
const OUT_OF_ORDER: &str = "the server answered out of order";
pub(crate) const NO_TLS: &str = "leave TLS out (ws:// or http://), or check the port";
const BROKEN: &str = "the server broke the protocol";

causes! {
    /// Describes an alert of the server.
    of_alert(A), ALERT {
    // OpenSSL reports a missing certificate in TLS 1.2 as `HandshakeFailure`.
    A::CertificateRequired | A::NoCertificate =>
        "it wants a client certificate",
        "give a client certificate with --cert FILE --key FILE";
    A::UnknownCA
    | A::BadCertificate
    | A::UnsupportedCertificate
    | A::CertificateUnknown
    | A::CertificateUnobtainable
    | A::BadCertificateStatusResponse
    | A::BadCertificateHashValue => NOT_ACCEPTED, FROM_ITS_CA;
    A::CertificateExpired => "the client certificate has expired", "renew the client certificate";
    A::CertificateRevoked => "the client certificate was revoked", "use another client certificate";
    A::UnrecognisedName =>
        "it does not know the name",
        "check the URL or --sni";
    A::ProtocolVersion =>
        NO_VERSION, "update the server, or lower --tls-min";
    A::NoApplicationProtocol => NO_ALPN, OTHER_HTTP;
    A::HandshakeFailure | A::InsufficientSecurity =>
        "nothing in common, or a client certificate is missing",
        "it may want a client certificate (--cert FILE --key FILE), or other ciphers; see the server's log";
    A::AccessDenied => "it denies access", "check the client certificate";
    A::UnknownPSKIdentity | A::EncryptedClientHelloRequired => "it wants what was not offered", SEE_LOG;
    A::InternalError => "it failed", SEE_LOG;
    A::UserCanceled | A::CloseNotify => "it gave up", SEE_LOG;
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
    | A::UnsupportedExtension => SURPRISING, IN_BETWEEN;
    } else None
}

causes! {
    /// Names the parameter that server and client do not have in common.
    of_incompatibility(&P), INCOMPATIBILITY {
    P::ServerDoesNotSupportTls12Or13
    | P::Tls12NotOffered
    | P::Tls12NotOfferedOrEnabled
    | P::SupportedVersionsExtensionRequired => NO_VERSION, OLD;
    P::ServerTlsVersionIsDisabledByOurConfig => NO_VERSION, "lower --tls-min, or update the server";
    P::NoCipherSuitesInCommon => "no cipher suite in common", OLD;
    P::NoKxGroupsInCommon | P::KeyShareExtensionRequired | P::NamedGroupsExtensionRequired =>
        NO_KEY_EXCHANGE, OLD;
    P::NoSignatureSchemesInCommon | P::SignatureAlgorithmsExtensionRequired =>
        "no signature scheme in common", OLD;
    P::NoCertificateRequestSignatureSchemesInCommon =>
        "the server takes no signature of the client certificate's kind of key",
        "use a client certificate with another kind of key";
    P::NoEcPointFormatsInCommon
    | P::EcPointsExtensionRequired
    | P::UncompressedEcPointsRequired
    | P::NullCompressionRequired
    | P::ExtendedMasterSecretExtensionRequired => "nothing in common", OLD;
    P::IncorrectCertificateTypeExtension | P::UnsolicitedCertificateTypeExtension =>
        "no kind of certificate in common", SEE_LOG;
    P::ServerSentHelloRetryRequestWithUnknownExtension
    | P::Tls13RequiredForQuic
    | P::ServerRejectedEncryptedClientHello(_) => OUT_OF_ORDER, SEE_LOG;
    } else None
}

causes! {
    /// Describes a message of TLS that cannot be read.
    of_message(&M), MESSAGE {
    M::InvalidContentType | M::UnknownProtocolVersion | M::MessageTooLarge | M::InvalidEmptyPayload =>
        "the server does not speak TLS",
        NO_TLS;
    M::CertificatePayloadTooLarge | M::HandshakePayloadTooLarge =>
        "the server's certificates or another message of its handshake are too long", SEE_LOG;
    M::UnsupportedCompression | M::UnsupportedCurveType | M::UnsupportedKeyExchangeAlgorithm(_) =>
        NO_KEY_EXCHANGE, OLD;
    M::InvalidCcs
    | M::InvalidCertificateStatusType
    | M::InvalidCertRequest
    | M::InvalidDhParams
    | M::InvalidKeyUpdate
    | M::InvalidServerName
    | M::MessageTooShort
    | M::MissingData(_)
    | M::MissingKeyExchange
    | M::NoSignatureSchemes
    | M::TrailingData(_)
    | M::UnexpectedMessage(_)
    | M::EmptyTicketValue
    | M::IllegalEmptyList(_)
    | M::IllegalEmptyValue
    | M::DuplicateExtension(_)
    | M::PreSharedKeyIsNotFinalExtension
    | M::UnknownHelloRetryRequestExtension
    | M::UnknownCertificateExtension => "the server's TLS message cannot be read", IN_BETWEEN;
    } else None
}

causes! {
    /// Describes what TLS ended with, save what the other tables describe more closely.
    of_error(&E), ERROR {
    E::InappropriateMessage { .. }
    | E::InappropriateHandshakeMessage { .. }
    | E::PeerMisbehaved(_)
    | E::PeerSentOversizedRecord
    | E::DecryptError => BROKEN, IN_BETWEEN;
    E::InvalidEncryptedClientHello(_) => "Encrypted Client Hello cannot be used with this server", SEE_LOG;
    E::NoApplicationProtocol => NO_ALPN, OTHER_HTTP;
    E::NoCertificatesPresented => "the server shows no certificate", SEE_LOG;
    E::UnsupportedNameType => "a certificate cannot have this name", "dial a DNS name or an IP address";
    E::InconsistentKeys(_) => "the client key does not fit the client certificate", "give the --key FILE that belongs to --cert FILE";
    E::FailedToGetCurrentTime => "this machine's clock cannot be read", "check this machine's clock";
    E::FailedToGetRandomBytes => "this machine gives no random bytes", "check that getrandom(2) is permitted here";
    E::EncryptError => "as many messages were encrypted as one key permits", "connect again";
    E::HandshakeNotComplete | E::BadMaxFragmentSize => "this program used TLS wrongly", "report this as a bug";
    } else None
}
