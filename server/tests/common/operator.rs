//! An operator of NATS with one account and one user, as `nsc` would make them.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is a test: it may panic"
)]

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account and one user.
pub struct Operator {
    issuer: KeyPair,
    account: KeyPair,
    system: KeyPair,
    user: KeyPair,
}

impl Operator {
    pub fn new() -> Self {
        Self {
            issuer: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
            user: KeyPair::new_user(),
        }
    }

    /// Returns the configuration of a server that trusts this operator; a file of it is written into `directory`.
    pub fn configuration(&self, directory: &Path) -> String {
        let file = directory.join("operator.jwt");
        let operator = json!({"type": "operator", "version": 2});
        std::fs::write(&file, sign(&self.issuer, &self.issuer, &operator)).unwrap();
        let account = |account: &KeyPair| {
            // Without limits, JetStream's among them.
            let limits = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
                "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
            });
            let claims = json!({"limits": limits, "type": "account", "version": 2});
            sign(&self.issuer, account, &claims)
        };
        let system = json!({
            "limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                "conn": -1, "leaf": -1},
            "type": "account", "version": 2,
        });
        format!(
            "operator: {:?}\nresolver: MEMORY\nsystem_account: {system}\n\
             resolver_preload: {{ {}: {}, {system}: {} }}\n",
            file.display().to_string(),
            self.account.public_key(),
            account(&self.account),
            sign(&self.issuer, &self.system, &system),
            system = self.system.public_key(),
        )
    }

    /// The user's file.
    pub fn credentials(&self) -> String {
        let claims = json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            sign(&self.account, &self.user, &claims),
            self.user.seed().unwrap(),
        )
    }
}

/// A JWT in which `issuer` says of `subject` what the claims say.
fn sign(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({
        "jti": subject.public_key(), "iat": 1_795_240_000, "iss": issuer.public_key(), "name": "rooms",
        "sub": subject.public_key(), "nats": claims,
    });
    let signed = format!("{}.{}", part(&header), part(&body));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}
