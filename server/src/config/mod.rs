//! Settings of the server, typed and validated, each with a flag, an environment name and a key in the file.

mod all;
mod contradictions;
mod environment;
mod error;
mod file;
mod listen_address;
mod memory;
mod nats;
mod network;
mod observe;
mod proxies;
mod reference;
mod rooms;
mod routes;
mod sources;
mod suggestion;
mod switch;
mod tls;
mod websocket;

pub use all::{Config, Task};
pub use error::ConfigError;
pub use listen_address::ListenAddress;
pub use memory::MemoryOptions;
pub use nats::NatsOptions;
pub use network::{HttpLimits, Network, ShutdownOptions};
pub use observe::{AccessLog, LogFormat, Logging};
pub use proxies::{ProxyOptions, TrustedHeader, TrustedProxy};
pub use rooms::{RoomKind, RoomOptions};
pub use routes::RouteOptions;
pub(crate) use sources::from_text;
pub use sources::{Loaded, Origin, Setting};
pub use switch::Switch;
pub use tls::{ClientAuth, TlsOptions, UnknownName};
pub use values::units::{ByteSize, Limit, TimeSpan};
pub use websocket::{DeflateOptions, WebSocketOptions};
