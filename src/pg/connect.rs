//! Stand-in, to be replaced on merge: connects with tokio-postgres' own options and no TLS.

use std::{path::Path, time::Duration};

use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::config;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database URL cannot be read, or the server did not let us in.
    #[error("cannot connect to the database")]
    Connect(#[from] tokio_postgres::Error),
    /// The server did not answer in time.
    #[error("the database did not answer within {0:?}")]
    Timeout(Duration),
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Config,
    timeout: Duration,
}

impl Connector {
    /// A connector for a database URL.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(url: &str, options: &config::Database) -> Result<Self, Error> {
        Ok(Self {
            config: url.parse()?,
            timeout: options.connect_timeout,
        })
    }

    /// A connector for a server that listens on a socket in `dir`.
    ///
    /// # Errors
    /// Never, here.
    pub fn socket(
        dir: &Path,
        user: &str,
        dbname: &str,
        options: &config::Database,
    ) -> Result<Self, Error> {
        let mut config = Config::new();
        config.host_path(dir).user(user).dbname(dbname);
        Ok(Self {
            config,
            timeout: options.connect_timeout,
        })
    }

    /// A connector for the database the options name, if they name one.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn configured(options: &config::Database) -> Result<Option<Self>, Error> {
        let url = options.database_url.as_deref();
        url.map(|url| Self::new(url, options)).transpose()
    }

    /// A connection; `purpose` is its application name, `on_message` gets notices and notifications.
    ///
    /// # Errors
    /// When there is none within the connect timeout.
    pub async fn connect(
        &self,
        purpose: &str,
        mut on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.application_name(format!("flowtrail {purpose}"));
        let (client, mut connection) = tokio::time::timeout(self.timeout, config.connect(NoTls))
            .await
            .map_err(|_| Error::Timeout(self.timeout))??;
        #[expect(clippy::disallowed_methods, reason = "a stand-in")]
        tokio::spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|cx| connection.poll_message(cx)).await
            {
                on_message(message);
            }
        });
        Ok(client)
    }
}
