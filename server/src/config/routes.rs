//! Switches for the server's own routes.

use clap::Args;

use super::Switch;

/// Settings of the server's own routes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Routes")]
#[non_exhaustive]
pub struct RouteOptions {
    /// Serve the figures of the server: /metrics and /stats, which are unauthenticated
    #[arg(long, value_enum, default_value = "on")]
    pub metrics: Switch,
    /// Serve gRPC reflection
    #[arg(long, value_enum, default_value = "on")]
    pub reflection: Switch,
    /// Serve the demonstrations: /ws, /echo, /ack and /drone, and the pages
    #[arg(long, alias = "demo", value_enum, default_value = "on")]
    pub demonstrations: Switch,
}
