//! Faults of the server's certificate, its chain or a list of revoked certificates.

use rustls::{CertRevocationListError as L, CertificateError as E};
use webpki::Error as W;

use super::causes;

const REISSUE: &str = "have the server's certificate issued again";
const FOR_SERVERS: &str = "use a certificate with server authentication";
const NOT_FOR_SERVERS: &str = "its certificate is not meant for servers";
const UNREADABLE: &str = "its certificate cannot be read";
const WEAK: &str =
    "its certificate has a key or a signature of a kind that is not accepted, such as SHA-1";
const CLOCK: &str = "check this machine's clock";
const EXPIRED: &str = "its certificate has expired";
const RENEW: &str = "renew the server's certificate, and check this machine's clock";
const NOT_YET: &str = "its certificate is not valid yet";
const REVOKED: &str = "its certificate was revoked";
const CRITICAL: &str =
    "its certificate has a critical extension that is not understood (RFC 5280 §4.2)";
const UNKNOWN_ISSUER: &str = "its certificate is signed by no trusted authority (unknown issuer)";
pub(crate) const TRUST: &str = "trust the authority with --ca FILE (for a local server: certs/ca.crt), or skip the check with --insecure";
const NO_STATUS: &str = "it is unknown whether its certificate was revoked";
const OLD_LIST: &str = "the list of revoked certificates has expired";
const NEW_LIST: &str = "get a current list from the authority";
const BAD_SIGNATURE: &str = "a signature does not fit: a key is too short (RSA below 2048 bits) or not that of its certificate, or an authority has not signed what names it";
const IN_BETWEEN: &str = "check the server's key and chain; somebody may be in between";
const NAME: &str = "its certificate is not valid for the name";
pub(crate) const WITH_NAME: &str = "have the server's certificate issued with its name as subjectAltName; a common name does not count";
pub(crate) const OTHER_NAME: &str =
    "dial a name that it is valid for, or give that name with --sni NAME";
const BAD_LIST: &str = "the list of revoked certificates cannot be read";
const ODD_LIST: &str = "the list of revoked certificates is of a kind that is not supported";
const FORGED_LIST: &str = "the list of revoked certificates is not signed by the authority";
const FULL_LIST: &str = "get a full list of version 2 from the authority";

causes! {
    /// Describes the fault of the server's certificate; what `Other` holds is for [`of_webpki`].
    #[expect(deprecated, reason = "an older verifier may still use it")]
    of_certificate(&E), CERTIFICATE {
    E::BadEncoding => UNREADABLE, REISSUE;
    E::Expired | E::ExpiredContext { .. } => EXPIRED, RENEW;
    E::NotValidYet | E::NotValidYetContext { .. } => NOT_YET, CLOCK;
    E::Revoked => REVOKED, REISSUE;
    E::UnhandledCriticalExtension => CRITICAL, REISSUE;
    E::UnknownIssuer => UNKNOWN_ISSUER, TRUST;
    E::UnknownRevocationStatus => NO_STATUS, NEW_LIST;
    E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => OLD_LIST, NEW_LIST;
    E::BadSignature => BAD_SIGNATURE, IN_BETWEEN;
    E::UnsupportedSignatureAlgorithm
    | E::UnsupportedSignatureAlgorithmContext { .. }
    | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => WEAK, REISSUE;
    E::NotValidForName | E::NotValidForNameContext { .. } => NAME, OTHER_NAME;
    E::InvalidPurpose | E::InvalidPurposeContext { .. } => NOT_FOR_SERVERS, FOR_SERVERS;
    E::InvalidOcspResponse => "its OCSP response is not valid", "see the server's log";
    E::ApplicationVerificationFailure => "its certificate was refused", "";
    } else None
}

causes! {
    /// Describes webpki's verdict on a certificate or on a list of revoked ones, which rustls passes on as it is.
    #[expect(deprecated, reason = "older forms of the same faults")]
    of_webpki(&W), CHAIN {
    W::CaUsedAsEndEntity =>
        "it shows the certificate of an authority as its own",
        "name that very certificate with --ca FILE to accept it";
    W::EndEntityUsedAsCa =>
        "its certificate is signed by one that is no authority",
        "name the server's own certificate with --ca FILE, or have it signed by an authority";
    W::NameConstraintViolation =>
        "its authority must not vouch for this name (name constraints, RFC 5280 §4.2.1.10)",
        "dial a name that the authority may vouch for";
    W::PathLenConstraintViolated | W::MaximumPathDepthExceeded =>
        "there are more authorities between its certificate and the root than allowed", REISSUE;
    W::UnsupportedCertVersion => "its certificate is not of version 3", REISSUE;
    W::BadDer
    | W::BadDerTime
    | W::TrailingData(_)
    | W::ExtensionValueInvalid
    | W::MalformedExtensions
    | W::MalformedDnsIdentifier
    | W::MalformedNameConstraint
    | W::InvalidNetworkMaskConstraint
    | W::InvalidSerialNumber
    | W::SignatureAlgorithmMismatch => UNREADABLE, REISSUE;
    W::InvalidCertValidity => "its certificate ends before it begins", REISSUE;
    W::EmptyEkuExtension | W::RequiredEkuNotFound | W::RequiredEkuNotFoundContext(_) =>
        NOT_FOR_SERVERS, FOR_SERVERS;
    W::MaximumNameConstraintComparisonsExceeded
    | W::MaximumPathBuildCallsExceeded
    | W::MaximumSignatureChecksExceeded =>
        "its certificates take more checks than is reasonable", IN_BETWEEN;
    W::CertDistrusted => "its certificate is distrusted", REISSUE;
    W::CertExpired { .. } => EXPIRED, RENEW;
    W::CertNotValidYet { .. } => NOT_YET, CLOCK;
    W::CertNotValidForName(_) => NAME, OTHER_NAME;
    W::CertRevoked => REVOKED, REISSUE;
    W::UnknownIssuer => UNKNOWN_ISSUER, TRUST;
    W::InvalidSignatureForPublicKey => BAD_SIGNATURE, IN_BETWEEN;
    W::UnsupportedCriticalExtension => CRITICAL, REISSUE;
    W::UnsupportedNameType =>
        "its authority is limited to kinds of names that are not understood", REISSUE;
    W::UnsupportedSignatureAlgorithm
    | W::UnsupportedSignatureAlgorithmContext(_)
    | W::UnsupportedSignatureAlgorithmForPublicKey
    | W::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => WEAK, REISSUE;
    W::UnknownRevocationStatus => NO_STATUS, NEW_LIST;
    W::CrlExpired { .. } => OLD_LIST, NEW_LIST;
    W::InvalidCrlNumber => BAD_LIST, NEW_LIST;
    W::InvalidCrlSignatureForPublicKey | W::IssuerNotCrlSigner => FORGED_LIST, IN_BETWEEN;
    W::UnsupportedCrlIssuingDistributionPoint
    | W::UnsupportedCrlVersion
    | W::UnsupportedDeltaCrl
    | W::UnsupportedIndirectCrl
    | W::UnsupportedRevocationReason
    | W::UnsupportedRevocationReasonsPartitioning
    | W::UnsupportedCrlSignatureAlgorithm
    | W::UnsupportedCrlSignatureAlgorithmContext(_)
    | W::UnsupportedCrlSignatureAlgorithmForPublicKey
    | W::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => ODD_LIST, FULL_LIST;
    } else None
}

causes! {
    /// Describes the fault of a list of revoked certificates.
    #[expect(deprecated, reason = "an older verifier may still use it")]
    of_revocation_list(&L), REVOCATION_LIST {
    L::BadSignature | L::IssuerInvalidForCrl => FORGED_LIST, IN_BETWEEN;
    L::InvalidCrlNumber | L::InvalidRevokedCertSerialNumber | L::ParseError => BAD_LIST, NEW_LIST;
    L::UnsupportedSignatureAlgorithm
    | L::UnsupportedSignatureAlgorithmContext { .. }
    | L::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    | L::UnsupportedCrlVersion
    | L::UnsupportedCriticalExtension
    | L::UnsupportedDeltaCrl
    | L::UnsupportedIndirectCrl
    | L::UnsupportedRevocationReason => ODD_LIST, FULL_LIST;
    } else None
}
