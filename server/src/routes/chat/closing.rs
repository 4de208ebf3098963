//! Refusals over WebSocket: close codes (RFC 6455 §7.4).

use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;

use rooms::Refusal;

/// The close code for a refusal, and the `code` of the `error` event before it.
pub(super) fn closing(refusal: &Refusal) -> (CloseCode, &'static str) {
    match refusal {
        Refusal::TokenMissing
        | Refusal::TokenInvalid(_)
        | Refusal::LockedOut
        | Refusal::NotLocal
        | Refusal::TokenExpired
        | Refusal::TooFast { .. }
        | Refusal::AddressTooFast => (CloseCode::Policy, refusal.code()),
        Refusal::OtherName
        | Refusal::Forbidden { .. }
        | Refusal::Name(_)
        | Refusal::NameMissing
        | Refusal::Position(_)
        | Refusal::Id(_)
        | Refusal::Empty
        | Refusal::Malformed(_)
        | Refusal::Binary
        | Refusal::NotStored(_) => (CloseCode::Policy, "bad_request"),
        Refusal::TooLong { .. } => (CloseCode::Size, refusal.code()),
        Refusal::TooManyJoins { .. }
        | Refusal::Full(_)
        | Refusal::Slow(_)
        | Refusal::NoKeys
        | Refusal::Unavailable(_) => (CloseCode::Again, refusal.code()),
    }
}
