//! The private PostgreSQL that runs when no database is named.
//!
//! It is the system's own PostgreSQL, run under the data directory:
//!
//! ```text
//! DATA_DIR/lock               held while a service uses the directory
//! DATA_DIR/postgres/          0700, of the account the server runs as
//!   data/                     the cluster
//!   run/                      its socket; a directory under /tmp when this path is too long
//!   server.log                what it says
//! ```
//!
//! It listens on the socket only, so the directory's mode decides who may connect. It is as durable as
//! any PostgreSQL: nothing is switched off. As root, the server runs as `postgres` or else `nobody`.
//!
//! It is no child to be cleaned up: when the service is killed the server lives on, and the next
//! start adopts it. A server that ends while it is [`Kept`] is started again.

mod account;
pub mod binaries;
mod error;
mod kept;
mod place;
mod server;

use std::path::Path;

use tracing::info;

pub use binaries::{Binaries, Missing};
pub use error::Error;
pub use kept::Kept;

use crate::{config, pg::Connector};
use place::Place;
use server::Server;

/// Superuser and database of the embedded server.
const NAME: &str = "flowtrail";

/// A running private PostgreSQL. Dropped without [`Embedded::stop`] it goes on running, and the next
/// [`Embedded::start`] adopts it.
#[derive(Debug)]
pub struct Embedded {
    server: Server,
    connector: Connector,
    binaries: Binaries,
    // let go last: nobody else may start while this one stops
    place: Place,
}

impl Embedded {
    /// Makes the cluster when there is none, starts its server or adopts the one still running, and
    /// waits until it lets us in.
    ///
    /// # Errors
    /// [`Error`], one line with its remedy: no programs of the right version, a directory that
    /// another service uses or that the server's account cannot reach, a server that does not start.
    pub async fn start(
        options: &config::Embedded,
        database: &config::Database,
    ) -> Result<Self, Error> {
        let asked = options.clone();
        let (place, binaries) = tokio::task::spawn_blocking(move || prepare(&asked))
            .await
            .map_err(|_| Error::Interrupted)??;
        let server = Server::bring_up(&place, &binaries).await?;
        server::make_database(&place).await?;
        let connector = Connector::socket(place.socket_directory(), NAME, NAME, database)
            .map_err(Error::Connect)?;
        info!(
            directory = %place.home().display(),
            adopted = server.adopted(),
            "the embedded {binaries} is ready"
        );
        Ok(Self {
            server,
            connector,
            binaries,
            place,
        })
    }

    /// Whether a cluster exists under the data directory.
    #[must_use]
    pub fn exists(options: &config::Embedded) -> bool {
        Place::version(&options.data_dir).is_some()
    }

    /// Connects to its database.
    #[must_use]
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// The directory of its socket, the only way to it.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        self.place.socket_directory()
    }

    /// Whether the server was already running.
    #[must_use]
    pub fn adopted(&self) -> bool {
        self.server.adopted()
    }

    /// From now on it is started again whenever it ends.
    #[must_use]
    pub fn keep(self) -> Kept {
        Kept::new(self)
    }

    /// Ends the sessions, writes everything to disk, stops the server and waits for its end.
    ///
    /// # Errors
    /// [`Error::Stop`] when it did not end within a minute and had to be ended without its last
    /// checkpoint; nothing is lost, the next start takes longer.
    pub async fn stop(self) -> Result<(), Error> {
        let stopped = self.server.stop(&self.place).await;
        self.place.leave();
        stopped
    }
}

fn prepare(options: &config::Embedded) -> Result<(Place, Binaries), Error> {
    let pg_bin = options.pg_bin.as_deref();
    // before anything is made on disk: without programs nothing should be left behind
    let binaries = Binaries::find(pg_bin, Place::version(&options.data_dir))?;
    let place = Place::prepare(&options.data_dir)?;
    place.make_cluster(&binaries)?;
    Ok((place, binaries))
}
