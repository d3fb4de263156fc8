//! One connection to the database.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::Error;
use crate::config;

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Connector {
    pub(super) config: tokio_postgres::Config,
    timeout: Duration,
}

impl Connector {
    /// A connector to `url`.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(url: &str, options: &config::Database) -> Result<Self, Error> {
        Ok(Self {
            config: url.parse()?,
            timeout: options.connect_timeout,
        })
    }

    /// Opens a connection named after its `purpose`.
    ///
    /// # Errors
    /// When the database does not let us in in time.
    pub async fn connect(
        &self,
        purpose: &str,
        mut on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.application_name(format!("flowtrail {purpose}"));
        let (client, mut connection) = tokio::time::timeout(self.timeout, config.connect(NoTls))
            .await
            .map_err(|_| Error::Timeout)??;
        let driver = async move {
            let mut messages = stream::poll_fn(|cx| connection.poll_message(cx));
            while let Some(Ok(message)) = messages.next().await {
                on_message(message);
            }
        };
        #[expect(clippy::disallowed_methods, reason = "ends with its client")]
        tokio::spawn(driver);
        Ok(client)
    }
}
