//! A message that the caller sends in frames of its own.

use crate::error::SendError;
use crate::utf8::Validator;

/// A message of which the caller has sent frames, but not the last one (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug)]
pub(super) enum UnfinishedSend {
    Text(Validator),
    Binary,
}

impl UnfinishedSend {
    /// Returns the message with one more frame; `None` if that is the last one.
    pub(super) fn with(self, payload: &[u8], fin: bool) -> Result<Option<Self>, SendError> {
        let Self::Text(mut validator) = self else {
            return Ok((!fin).then_some(self));
        };
        validator
            .feed(payload)
            .and_then(|()| if fin { validator.finish() } else { Ok(()) })
            .map_err(|_| SendError::InvalidUtf8)?;
        Ok((!fin).then_some(Self::Text(validator)))
    }
}
