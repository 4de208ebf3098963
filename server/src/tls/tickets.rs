//! The keys of session tickets, made when the first ticket is.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::server::ProducesTickets;
use tracing::error;

/// rustls' tickets, whose keys change every six hours; made when they are first asked for.
///
/// They take random numbers, and aws-lc gathers entropy for its first ones for some 30 ms: the rest of the start does not
/// wait for that.
#[derive(Debug, Default)]
pub(super) struct Tickets(OnceLock<Option<Arc<dyn ProducesTickets>>>);

impl Tickets {
    /// The tickets; `None` if there is no randomness, which leaves full handshakes to fail by themselves.
    fn get(&self) -> Option<&dyn ProducesTickets> {
        let tickets = self.0.get_or_init(|| {
            aws_lc_rs::Ticketer::new()
                .inspect_err(
                    |error| error!(%error, "no session tickets: their keys cannot be made"),
                )
                .ok()
        });
        tickets.as_deref()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.get().map_or(0, ProducesTickets::lifetime)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.get()?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.get()?.decrypt(cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_with_the_first_ticket_and_stay() {
        let tickets = Tickets::default();
        assert!(tickets.enabled() && tickets.0.get().is_none());
        let ticket = tickets.encrypt(b"a session").unwrap();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"a session");
        assert!(tickets.lifetime() > 0);
        assert_eq!(Tickets::default().decrypt(&ticket), None, "other keys");
    }
}
