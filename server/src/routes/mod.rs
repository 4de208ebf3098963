//! One handler for each route.

mod bearer;
mod chat;
mod health;
mod history;
mod page;
mod problem;
mod rooms;
mod stats;

pub(crate) use bearer::token as bearer_token;
pub(crate) use chat::{ChatRequest, chat, line as chat_line};
pub(crate) use health::{healthz, metrics, readyz};
pub(crate) use page::pages;
pub(crate) use rooms::room_requests;
pub(crate) use stats::{Figures, stats};
