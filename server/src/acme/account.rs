//! The account at the ACME server, and how that server is reached.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use instant_acme::{
    Account, BodyWrapper, BytesResponse, Error, ExternalAccountKey, HttpClient, NewAccount,
};

use super::{Acme, AcmeError};
use crate::https::Https;

impl Acme {
    /// The stored account, or a new one.
    pub(super) async fn account(&self) -> Result<Account, AcmeError> {
        let directory = self.options.directory();
        let builder = Account::builder_with_http(Box::new(self.https.clone()));
        if let Some(credentials) = self.cache.account(directory)? {
            return Ok(builder.from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self
            .options
            .acme_contact
            .iter()
            .map(String::as_str)
            .collect();
        let request = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = self.external.as_ref();
        let external =
            external.map(|account| ExternalAccountKey::new(account.id.clone(), &account.key));
        let created = builder.create(&request, directory.to_owned(), external.as_ref());
        let (account, credentials) = created.await?;
        self.cache.store_account(directory, &credentials)?;
        Ok(account)
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let https = self.clone();
        Box::pin(async move {
            let sent = https.send(request.map(Body::new)).await;
            let response = sent.map_err(|error| Error::Other(error.into()))?;
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}
