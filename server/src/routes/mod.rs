//! One handler for each route.

mod ack;
mod bearer;
mod chat;
mod drone;
mod echo;
mod fixed;
mod health;
mod history;
mod page;
mod problem;
mod rooms;
mod stats;

pub(crate) use self::drone::{PROTOCOLS as DRONE_PROTOCOLS, drone};
pub(crate) use ack::ack;
pub(crate) use bearer::token as bearer_token;
pub(crate) use chat::{ChatRequest, chat, line as chat_line};
pub(crate) use echo::echo;
pub(crate) use fixed::fixed;
pub(crate) use health::{healthz, metrics, readyz};
pub(crate) use page::pages;
pub(crate) use rooms::room_requests;
pub(crate) use stats::{Figures, stats};
