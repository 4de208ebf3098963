//! One order: the names proven, the certificate issued and stored.

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::{Acme, AcmeError};
use crate::tls::Answer;

impl Acme {
    /// Obtains a certificate with a new key and stores both.
    pub(super) async fn obtain(&self) -> Result<(), AcmeError> {
        let account = self.account().await?;
        let names = self.options.acme.iter().cloned();
        let names: Vec<Identifier> = names.map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        // Challenges are answered until the order is ready.
        let answers = self.answer(&mut order).await?;
        let status = order.poll_ready(&PATIENCE).await?;
        if status != OrderStatus::Ready {
            return Err(refusal(&mut order).await);
        }
        drop(answers);
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&PATIENCE).await?;
        self.cache.store_certificate(&chain, &key)
    }

    /// Has every name proven that is not yet.
    async fn answer(&self, order: &mut Order) -> Result<Vec<Answer>, AcmeError> {
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let name = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => {
                    let reason = format!("its authorization is {status:?}");
                    return Err(AcmeError::Unproven { name, reason });
                }
            }
            let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
                let reason = "it does not offer the challenge TLS-ALPN-01".to_owned();
                return Err(AcmeError::Unproven { name, reason });
            };
            let authorization_key = challenge.key_authorization();
            let digest = authorization_key.digest();
            let certificate = certificate(&name, digest.as_ref());
            let certificate = certificate.map_err(AcmeError::Challenge)?;
            answers.push(self.challenges.answer(name, certificate));
            challenge.set_ready().await?;
        }
        Ok(answers)
    }
}

/// The certificate that answers a challenge (RFC 8737 section 3).
fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let text = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(text)?;
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).map_err(text)?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = parameters.self_signed(&key).map_err(text)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    // `CertifiedKey::from_der` would refuse the critical extension, which is for the ACME server alone.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// The reason for which the ACME server refused `order`.
async fn refusal(order: &mut Order) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // The state that came with the order is that before the proof.
        if let Err(error) = authorization.refresh().await {
            return error.into();
        }
        let failed = authorization
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = failed {
            return AcmeError::Unproven {
                name: authorization.identifier().to_string(),
                reason: problem.to_string(),
            };
        }
    }
    AcmeError::Unproven {
        name: "the order".to_owned(),
        reason: "it gives no reason".to_owned(),
    }
}

/// Maximum time of an order between two of its states; CAs look from several places.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
