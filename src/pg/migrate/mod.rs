//! The schema and its versions.
//!
//! The public tables are made, or upgraded in place, by numbered migrations that a runner applies
//! each in a transaction of its own; the same transaction raises `flowtrail.meta.schema_version`.
//! Indexes on tables that may be large are made afterwards, outside a transaction, so that nobody
//! has to stop writing. One advisory lock of the session makes concurrent runs take turns.
//!
//! Migrations only add. A program works with a newer schema as long as `oldest_binary` allows it.

mod error;
mod index;
mod script;
mod steps;

use std::{fmt, sync::mpsc, time::Duration};

use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

pub use error::Error;
pub use script::script;

use super::Connector;

/// The schema version this program knows and makes.
pub const VERSION: i32 = 8;

/// How often a run asks for the lock that another run holds.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What stands in a database, seen from this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// None of the tables is there.
    Empty,
    /// The schema this program knows.
    Current,
    /// Older; the tables of another service, never migrated, are version 0.
    Behind {
        /// The version found.
        version: i32,
        /// The version this program needs.
        needs: i32,
    },
    /// Made by a newer program.
    Ahead {
        /// The version found.
        version: i32,
        /// The oldest version a program must know to work with it.
        works_with: i32,
    },
}

impl State {
    /// Whether this program can work with it.
    #[must_use]
    pub fn usable(self) -> bool {
        match self {
            Self::Current => true,
            Self::Ahead { works_with, .. } => works_with <= VERSION,
            Self::Empty | Self::Behind { .. } => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the database is empty; run `flowtrail migrate`"),
            Self::Current => write!(f, "the schema is current (version {VERSION})"),
            Self::Behind { version, needs } => write!(
                f,
                "the schema is version {version}, {needs} is needed; run `flowtrail migrate`"
            ),
            Self::Ahead { version, .. } if self.usable() => write!(
                f,
                "the schema is version {version}, newer than {VERSION}, and still works with this program"
            ),
            Self::Ahead {
                version,
                works_with,
            } => write!(
                f,
                "the schema is version {version} and needs a program that knows version {works_with}, \
                 this one knows {VERSION}; run a newer flowtrail"
            ),
        }
    }
}

/// One thing [`migrate`] would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `migration 1 public_tables`, `index flowtrail_flowstate_by_app`.
    pub name: String,
    /// The statements.
    pub sql: String,
}

/// What [`migrate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The names of what was applied, in order; empty when there was nothing to do.
    pub applied: Vec<String>,
    /// What stands in the database now: [`State::Current`], or a usable [`State::Ahead`].
    pub state: State,
}

/// What stands in the database of `client`.
///
/// # Errors
/// [`Error::Encoding`] and [`Error::Server`] for a database that can never hold the schema,
/// [`Error::Statement`] when it cannot be read.
pub async fn state(client: &Client) -> Result<State, Error> {
    check_server(client).await?;
    let reading = || "reading the version of the schema".to_owned();
    let tables = client
        .query_one(include_str!("../../../sql/migrations/run/tables.sql"), &[])
        .await
        .map_err(|error| Error::statement(reading(), &error))?;
    if !tables.get::<_, bool>("meta") {
        return Ok(if tables.get("public_tables") {
            State::Behind {
                version: 0,
                needs: VERSION,
            }
        } else {
            State::Empty
        });
    }
    let identity = identity(client).await;
    let identity = identity.map_err(|error| Error::statement(reading(), &error))?;
    Ok(identity.state)
}

/// Which database this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random, made with the schema; a standby and a restored copy have the same.
    pub database: Uuid,
    /// What stands in it.
    pub state: State,
}

/// The identity of a database that has been migrated.
///
/// # Errors
/// When it cannot be read, or was never migrated.
pub async fn identity(client: &Client) -> Result<Identity, tokio_postgres::Error> {
    let meta = client
        .query_one(include_str!("../../../sql/migrations/run/meta.sql"), &[])
        .await?;
    let version: i32 = meta.try_get("schema_version")?;
    let state = match version.cmp(&VERSION) {
        std::cmp::Ordering::Less => State::Behind {
            version,
            needs: VERSION,
        },
        std::cmp::Ordering::Equal => State::Current,
        std::cmp::Ordering::Greater => State::Ahead {
            version,
            works_with: meta.try_get("oldest_binary")?,
        },
    };
    Ok(Identity {
        database: meta.try_get("database_id")?,
        state,
    })
}

/// What [`migrate`] would do with the database of `client`, in order. Changes nothing.
///
/// # Errors
/// As [`state`]; [`Error::Newer`] when the schema excludes this program.
pub async fn pending(client: &Client) -> Result<Vec<Pending>, Error> {
    if let State::Ahead { .. } = checked_state(client).await? {
        return Ok(Vec::new());
    }
    let mut all = steps::pending(client).await?;
    all.extend(index::pending(client).await?);
    Ok(all)
}

/// Brings the schema to [`VERSION`], alone: other runs wait. `report` is told each thing before it
/// is done, and the server's warnings. Without anything to do it needs no privilege but to read.
///
/// # Errors
/// [`Error::Connect`]; [`Error::Encoding`], [`Error::Server`] and [`Error::Newer`] before anything
/// was changed; [`Error::Statement`] names what failed. Migrations applied before stay applied, and
/// a further run goes on from there.
pub async fn migrate(
    connector: &Connector,
    mut report: impl FnMut(&str) + Send,
) -> Result<Outcome, Error> {
    let (warn, warnings) = mpsc::sync_channel(64);
    let mut client = connector
        .connect("migrate", move |message| {
            if let AsyncMessage::Notice(notice) = message {
                // a server that warns more often than anybody reads may do so unheard
                let _ = warn.try_send(notice.message().to_owned());
            }
        })
        .await
        .map_err(Error::Connect)?;
    let statement = |error| Error::statement("preparing the session".to_owned(), &error);
    client
        .batch_execute(include_str!("../../../sql/migrations/run/session.sql"))
        .await
        .map_err(statement)?;
    check_server(&client).await?;
    lock(&client, &mut report).await?;

    let mut applied = Vec::new();
    if !matches!(checked_state(&client).await?, State::Ahead { .. }) {
        steps::run(&mut client, &mut |name| {
            report(name);
            applied.push(name.to_owned());
        })
        .await?;
        index::run(&client, &mut |name| {
            report(name);
            applied.push(name.to_owned());
        })
        .await?;
    }
    let state = state(&client).await?;
    client
        .batch_execute(include_str!("../../../sql/migrations/run/unlock.sql"))
        .await
        .map_err(|error| Error::statement("releasing the lock".to_owned(), &error))?;
    for warning in warnings.try_iter() {
        report(&format!("warning: {warning}"));
    }
    Ok(Outcome { applied, state })
}

async fn checked_state(client: &Client) -> Result<State, Error> {
    let state = state(client).await?;
    if matches!(state, State::Ahead { .. }) && !state.usable() {
        return Err(Error::Newer(state));
    }
    Ok(state)
}

async fn check_server(client: &Client) -> Result<(), Error> {
    let row = client
        .query_one(include_str!("../../../sql/migrations/run/server.sql"), &[])
        .await
        .map_err(|error| Error::statement("reading the server's version".to_owned(), &error))?;
    let version: i32 = row.get("version");
    if version < 120_000 {
        return Err(Error::Server(version / 10_000));
    }
    let encoding: String = row.get("encoding");
    if encoding != "UTF8" {
        return Err(Error::Encoding {
            database: row.get("database"),
            encoding,
        });
    }
    Ok(())
}

/// Takes the lock of the session. It is asked for again and again, because a statement that waits
/// in the server keeps a snapshot, and the holder's `create index concurrently` waits for those.
async fn lock(client: &Client, report: &mut impl FnMut(&str)) -> Result<(), Error> {
    let mut told = false;
    loop {
        let row = client
            .query_one(
                include_str!("../../../sql/migrations/run/try_lock.sql"),
                &[],
            )
            .await
            .map_err(|error| Error::statement("taking the lock".to_owned(), &error))?;
        if row.get("locked") {
            return Ok(());
        }
        if !told {
            report("waiting for another migration of this database");
            told = true;
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}
