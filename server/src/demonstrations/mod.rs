//! `/ws`, `/echo`, `/ack` and `/drone`: routes that demonstrate WebSockets. An embedder need not add them.
//!
//! They use what every embedder has, [`Server::route`], and nothing of the server depends on them.

mod ack;
mod drone;
mod echo;
mod fixed;
mod telemetry;

use ::drone::Fleet;

use crate::log::{CONNECTIONS, transcript};
use crate::route::{Endpoint, WebSocketRoute};
use crate::server::Server;

/// Adds the demonstrations to `server`, unless [`--demonstrations`](crate::config::RouteOptions::demonstrations) is off.
///
/// # Panics
/// In [`run`](Server::run), when one of their paths is already taken.
pub fn add(server: Server) -> Server {
    if !server.config().routes.demonstrations.is_on() {
        return server;
    }
    let fleet = Fleet::default();
    let fixed = Endpoint::new("/ws", &["chat"]).greeting(greet);
    let echo = Endpoint::new("/echo", &["chat"]).without_span();
    let ack = Endpoint::new("/ack", &["chat"]);
    let drone = Endpoint::new("/drone", drone::PROTOCOLS);
    server
        .websocket(WebSocketRoute::new(fixed, fixed::fixed))
        .websocket(WebSocketRoute::new(echo, echo::echo))
        .websocket(WebSocketRoute::new(ack, ack::ack))
        .websocket(WebSocketRoute::new(drone, move |socket, info| {
            drone::drone(fleet.clone(), socket, info)
        }))
}

/// The line of the log that users of `/ws` know.
fn greet() {
    if CONNECTIONS.admit() {
        transcript!("Handshake recebido");
    }
}
