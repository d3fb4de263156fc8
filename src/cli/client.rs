//! How a command reaches a server.

use anyhow::Context;
use tonic::transport::{Channel, Endpoint};

/// The server a command talks to.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// URL of the server
    #[arg(
        long,
        value_name = "URL",
        env = "FLOWTRAIL_SERVER",
        default_value = "http://127.0.0.1:9190"
    )]
    pub server: String,
}

impl ServerOptions {
    /// A channel to the server, which connects when it is first used.
    ///
    /// # Errors
    /// When the URL is none.
    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from_shared(self.server.clone())
            .with_context(|| format!("--server {}: write it like http://host:9190", self.server))?;
        Ok(std::future::ready(endpoint.connect_lazy()).await)
    }
}
