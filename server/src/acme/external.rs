//! The account elsewhere that the ACME account is bound to (RFC 8555 section 7.3.4).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use certs::SecretFiles;
use certs::pem::Kind;

use super::error::AcmeError;
use crate::config::AcmeOptions;

/// An account elsewhere that the ACME account is bound to.
pub(super) struct ExternalAccount {
    pub(super) id: String,
    pub(super) key: Vec<u8>,
}

impl ExternalAccount {
    /// Reads the key that `options` name, if they do.
    pub(super) fn read(
        options: &AcmeOptions,
        rule: SecretFiles,
    ) -> Result<Option<Self>, AcmeError> {
        let (Some(id), Some(file)) = (&options.acme_eab_id, &options.acme_eab_key) else {
            return Ok(None);
        };
        let unusable = |reason: String| AcmeError::ExternalAccount {
            file: file.display().to_string(),
            reason,
        };
        let text = certs::read_secret_file(Kind::PrivateKey, file, rule);
        let text = text.map_err(|error| unusable(error.to_string()))?;
        let text = text
            .trim_ascii()
            .strip_suffix(b"=")
            .unwrap_or(text.trim_ascii());
        let key = URL_SAFE_NO_PAD.decode(text.strip_suffix(b"=").unwrap_or(text));
        Ok(Some(Self {
            id: id.clone(),
            key: key.map_err(|error| unusable(format!("it is not base64url: {error}")))?,
        }))
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExternalAccount")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
