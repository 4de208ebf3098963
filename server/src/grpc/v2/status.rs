//! Refusals over gRPC: status codes.

use tonic::Status;

use rooms::Refusal;

/// The status that a call ends with for a refusal.
pub(super) fn status(refusal: &Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::TokenMissing | Refusal::TokenInvalid(_) | Refusal::TokenExpired => {
            Status::unauthenticated(text)
        }
        Refusal::NotLocal | Refusal::OtherName | Refusal::Forbidden { .. } => {
            Status::permission_denied(text)
        }
        Refusal::Name(_)
        | Refusal::NameMissing
        | Refusal::Position(_)
        | Refusal::Id(_)
        | Refusal::Empty
        | Refusal::Malformed(_)
        | Refusal::Binary => Status::invalid_argument(text),
        Refusal::LockedOut
        | Refusal::TooFast { .. }
        | Refusal::AddressTooFast
        | Refusal::TooManyJoins { .. }
        | Refusal::Full(_)
        | Refusal::TooLong { .. } => Status::resource_exhausted(text),
        Refusal::NotStored(_) => Status::failed_precondition(text),
        Refusal::Slow(_) | Refusal::NoKeys | Refusal::Unavailable(_) => Status::unavailable(text),
    }
}
