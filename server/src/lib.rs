//! A wss server with permessage-deflate: WebSockets, pages and metrics on one TLS port.
//!
//! [`Server`] is the whole of it; others embed it and add routes of their own:
//!
//! ```no_run
//! use server::{Config, Conversation, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = server::listen("[::]:8443".parse()?)?;
//! let server = Server::new(Config::default())?.route("/shout", |socket, info| async move {
//!     let mut conversation = Conversation::new(socket, info);
//!     while let Some(message) = conversation.next().await {
//!         let loud = message.to_text().unwrap_or_default().to_uppercase();
//!         if conversation.feed(loud.into()).await.is_err() {
//!             break;
//!         }
//!     }
//! });
//! server.run(listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod cli;
pub mod config;
pub mod demonstrations;

mod accept;
mod acme;
mod admission;
mod arrival;
mod arrivals;
mod client_stream;
mod connection;
mod context;
mod conversation;
mod cors;
mod descriptors;
mod drain;
#[doc(hidden)]
pub mod fuzzing;
pub mod grpc;
mod heads;
mod host;
mod https;
mod interim;
mod ledger;
mod limits;
mod linger;
mod listen;
mod listening;
pub mod log;
mod memory;
mod metrics;
mod observers;
mod once_signal;
mod origin;
mod peer;
mod plain_http;
mod proxies;
mod refusal;
mod request;
mod resident;
mod route;
mod router;
mod routes;
mod server;
mod socket;
mod stream;
mod table;
mod tls;
mod trace_context;
mod trust;
mod turns;
#[cfg(unix)]
mod unix_listener;
mod unsent;
mod upgrade;

pub use ::rooms;
pub use acme::AcmeError;
pub use config::Config;
pub use connection::ConnectionInfo;
pub use conversation::Conversation;
pub use listen::{ListenError, Listener, listen, listeners};
pub use server::{Ending, Server, ServerError};
pub use stream::ServerStream;
pub use tls::{TlsError, TlsInfo};
