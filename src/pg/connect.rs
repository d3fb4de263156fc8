//! One connection: which server, how long to wait, who listens to its messages.

use std::{
    fmt,
    future::poll_fn,
    hash::{BuildHasher as _, RandomState},
    path::Path,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tokio_postgres::{
    AsyncMessage, Client, Connection, SimpleQueryMessage, Socket, tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Error, Options, Refusal, Session, Target, errors};
use crate::config::Database;

/// Cheap handle that makes connections to one database.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    options: Options,
    tls: MakeRustlsConnect,
    patience: Duration,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.0.options.describe())
    }
}

impl Connector {
    /// For the database that `url` names, in libpq's words; see [`Options`].
    ///
    /// # Errors
    /// [`Error::Url`] when it cannot be understood or a file it names cannot be read.
    pub fn new(url: &str, settings: &Database) -> Result<Self, Error> {
        Self::build(url.parse()?, settings)
    }

    /// For a server on this machine whose unix socket `.s.PGSQL.5432` is in `dir`, an absolute path.
    ///
    /// # Errors
    /// [`Error::Url`] when `dir` is not UTF-8.
    pub fn socket(
        dir: &Path,
        user: &str,
        dbname: &str,
        settings: &Database,
    ) -> Result<Self, Error> {
        Self::build(Options::socket(dir, user, dbname)?, settings)
    }

    /// For the database that `--database-url` or `--database-url-file` names; none when neither is
    /// given.
    ///
    /// # Errors
    /// [`Error::Url`] as for [`Connector::new`], and when the file cannot be read.
    pub fn configured(settings: &Database) -> Result<Option<Self>, Error> {
        match (&settings.database_url, &settings.database_url_file) {
            (Some(url), _) => Self::new(url, settings).map(Some),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| Error::file("--database-url-file", path, &source))
                .and_then(|url| Self::new(&url, settings))
                .map(Some),
            (None, None) => Ok(None),
        }
    }

    fn build(options: Options, settings: &Database) -> Result<Self, Error> {
        let tls = options.tls.client()?;
        let servers = u32::try_from(options.targets().len()).unwrap_or(u32::MAX);
        // The URL counts for one server, the setting for all of them.
        let patience = options
            .connect_timeout
            .map_or(settings.connect_timeout, |each| {
                each.saturating_mul(servers)
            });
        Ok(Self(Arc::new(Inner {
            options,
            tls,
            patience,
        })))
    }

    /// `host:port/dbname as user`, without secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        self.0.options.describe()
    }

    /// How long a connection is waited for, and any other short answer.
    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Connects, as `flowtrail <purpose>` in `pg_stat_activity`, to the first server that will do.
    /// Every notice and notification goes to `on_message`, on the connection's own task, before
    /// any answer that follows it is handed out; it must not block. The connection ends when the
    /// client is dropped. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Connect`] with what each server did, at the latest after `--connect-timeout`.
    pub async fn connect(
        &self,
        purpose: &str,
        on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Client, Error> {
        let (client, _) = self.open(purpose, on_message).await?;
        Ok(client)
    }

    /// As [`Connector::connect`], with the task that drives the connection.
    pub(super) async fn open(
        &self,
        purpose: &str,
        on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let deadline = Instant::now() + self.0.patience;
        let session = self.0.options.session;
        let targets = self.order();
        let mut second_best = None;
        let mut refusals = Vec::new();
        for (target, left) in targets.iter().zip((1..=targets.len()).rev()) {
            // A silent server may not use up the time of those behind it.
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            let refusal = match self.attempt(target, purpose, share).await {
                Ok((client, connection, standing)) => match unwanted(session, standing) {
                    None => return Ok((client, drive(connection, purpose, target, on_message))),
                    Some(kind) => {
                        if session == Session::PreferStandby && second_best.is_none() {
                            second_best = Some((client, connection, target));
                        }
                        Refusal::unwanted(target, kind)
                    }
                },
                Err(refusal) => refusal,
            };
            tracing::debug!(purpose, %target, reason = refusal.reason, "server passed over");
            let last = refusal.ends_the_search;
            refusals.push(refusal);
            if last {
                break;
            }
        }
        if let Some((client, connection, target)) = second_best {
            return Ok((client, drive(connection, purpose, target, on_message)));
        }
        Err(Error::Connect {
            whom: self.describe(),
            refusals,
        })
    }

    fn order(&self) -> Vec<&Target> {
        let mut targets: Vec<_> = self.0.options.targets().iter().collect();
        if self.0.options.any_order {
            let random = RandomState::new();
            targets.sort_by_cached_key(|target| random.hash_one(target.to_string()));
        }
        targets
    }

    /// One server, authentication and the question for its standing within `patience`.
    async fn attempt(
        &self,
        target: &Target,
        purpose: &str,
        patience: Duration,
    ) -> Result<(Client, Line, Standing), Refusal> {
        let Inner { options, tls, .. } = &*self.0;
        let mut config = options.driver(target, purpose);
        // The driver's limit is for one address of the name; a dead one may not use up all the time.
        config.connect_timeout(patience / 2);
        let attempt = async {
            let (client, mut connection) = config.connect(tls.clone()).await?;
            let standing = if options.session == Session::Any {
                Standing::default()
            } else {
                standing(&client, &mut connection).await?
            };
            Ok((client, connection, standing))
        };
        match tokio::time::timeout(patience, attempt).await {
            Ok(outcome) => {
                outcome.map_err(|error: tokio_postgres::Error| Refusal::read(target, &error))
            }
            Err(_) => Err(Refusal::silence(target, patience)),
        }
    }
}

type Line = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// A server in recovery is a standby; either kind may refuse writes.
#[derive(Clone, Copy, Default)]
struct Standing {
    in_recovery: bool,
    read_only: bool,
}

/// What is wrong with a server of this standing, if anything.
fn unwanted(session: Session, standing: Standing) -> Option<&'static str> {
    let (fits, otherwise) = match session {
        Session::Any => return None,
        Session::ReadWrite => (!standing.read_only, "is read-only"),
        Session::ReadOnly => (standing.read_only, "takes writes"),
        Session::Primary => (!standing.in_recovery, "is a standby"),
        Session::Standby | Session::PreferStandby => (standing.in_recovery, "is no standby"),
    };
    (!fits).then_some(otherwise)
}

/// Asks before the connection has a task of its own, so that a server that will not do leaves none.
async fn standing(
    client: &Client,
    connection: &mut Line,
) -> Result<Standing, tokio_postgres::Error> {
    let mut answer = pin!(client.simple_query(include_str!("../../sql/control/standing.sql")));
    let messages = poll_fn(|cx| {
        while let Poll::Ready(Some(message)) = connection.poll_message(cx) {
            message?;
        }
        answer.as_mut().poll(cx)
    })
    .await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let is = |column| row.and_then(|row| row.get(column)) == Some("t");
    Ok(Standing {
        in_recovery: is("in_recovery"),
        read_only: is("read_only"),
    })
}

/// Gives the connection the task that it lives on until its client is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "a connection outlives the stop of whoever uses it; it ends with its client"
)]
fn drive(
    mut connection: Line,
    purpose: &str,
    target: &Target,
    mut on_message: impl FnMut(AsyncMessage) + Send + 'static,
) -> JoinHandle<()> {
    let (purpose, target) = (purpose.to_owned(), target.to_string());
    tracing::debug!(purpose, target, "connected");
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            match message {
                Ok(message) => on_message(message),
                Err(error) => {
                    let error = errors::causes(&error);
                    tracing::info!(purpose, target, error, "connection lost");
                    return;
                }
            }
        }
    })
}
