//! An embedded server that is started again whenever it ends.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Embedded, Error, server::Server};
use crate::pg::Connector;

/// The pause after a start that failed.
const PAUSE: Duration = Duration::from_secs(2);

/// A private PostgreSQL with somebody who looks after it. Dropped without [`Kept::stop`] it goes on
/// running, and the next [`Embedded::start`] adopts it.
#[derive(Debug)]
pub struct Kept {
    connector: Connector,
    end: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Kept {
    #[expect(
        clippy::disallowed_methods,
        reason = "it outlives every other task; `stop` waits for it"
    )]
    pub(super) fn new(embedded: Embedded) -> Self {
        let end = CancellationToken::new();
        Self {
            connector: embedded.connector(),
            task: tokio::spawn(keep(embedded, end.clone())),
            end,
        }
    }

    /// Connects to its database.
    #[must_use]
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Stops it, as [`Embedded::stop`].
    ///
    /// # Errors
    /// [`Error::Stop`] when it had to be ended without its last checkpoint.
    pub async fn stop(self) -> Result<(), Error> {
        self.end.cancel();
        self.task.await.map_err(|_| Error::Interrupted)?
    }
}

async fn keep(mut embedded: Embedded, end: CancellationToken) -> Result<(), Error> {
    let keeping = async {
        loop {
            embedded.server.ended(&embedded.place).await;
            error!("the embedded PostgreSQL has ended; it is started again");
            match Server::bring_up(&embedded.place, &embedded.binaries).await {
                Ok(server) => {
                    info!("the embedded PostgreSQL is back");
                    embedded.server = server;
                }
                Err(error) => {
                    error!(%error, "the embedded PostgreSQL does not start; tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    end.run_until_cancelled(keeping).await;
    embedded.stop().await
}
