//! A few connections for queries and housekeeping.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::JoinHandle,
};
use tokio_postgres::{
    AsyncMessage, Client, Config, NoTls,
    config::SslMode,
    types::{ToSql, Type},
};

use super::{Connector, Error, connect::Driven, is_stale};
use crate::config::Database;

/// How long an idle connection may take to show that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// A pool of `--pool-size` connections, made when they are first needed. Each has UTC, an empty
/// search_path and `--statement-timeout`, and is asked for a sign of life before it is handed out.
///
/// Turn the error of `get` into [`Error`], which knows what each server did.
pub fn pool(connector: &Connector, settings: &Database) -> Pool {
    let dial = Dial {
        connector: connector.clone(),
        statement_timeout: format!("{}ms", settings.statement_timeout.as_millis()),
        patience: settings.connect_timeout,
    };
    // A connection whose server has just gone still looks open for a moment: asking costs a round
    // trip, not asking costs a query.
    let ways = ManagerConfig {
        recycling_method: RecyclingMethod::Verified,
    };
    let patience = settings.connect_timeout;
    Pool::builder(Manager::from_connect(
        connector.options().template(),
        dial,
        ways,
    ))
    .max_size(settings.pool_size.max(1))
    .wait_timeout(Some(patience))
    .recycle_timeout(Some(patience.min(SIGN_OF_LIFE)))
    // The connector has its own limit, and its error says more than a timeout of the pool.
    .create_timeout(None)
    .runtime(Runtime::Tokio1)
    .build()
    .expect("a runtime is named")
}

/// Closes what `pool` has idle when `error` says that its connections lead to the wrong server or to
/// none, so that the next ones are made anew. A sign of life does not tell that a server refuses
/// writes.
pub fn leave(pool: &Pool, error: &tokio_postgres::Error) {
    if is_stale(error) {
        pool.retain(|_, _| false);
    }
}

struct Dial {
    connector: Connector,
    statement_timeout: String,
    patience: Duration,
}

impl Dial {
    async fn dial(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let Driven { client, task, .. } = self.connector.open("queries", log).await?;
        let statement = include_str!("../../sql/control/session.sql");
        let timeout: (&(dyn ToSql + Sync), Type) = (&self.statement_timeout, Type::TEXT);
        let timeouts = [timeout];
        let settings = client.query_typed(statement, &timeouts);
        match tokio::time::timeout(self.patience, settings).await {
            Ok(set) => set.map(|_| (client, task)).map_err(Error::from),
            Err(_) => Err(Error::Silent(self.patience)),
        }
    }
}

type Dialled<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

impl Connect for Dial {
    fn connect(&self, _: &Config) -> Dialled<'_> {
        Box::pin(async {
            match self.dial().await {
                Ok(dialled) => Ok(dialled),
                Err(Error::Statement(error)) => Err(error),
                Err(error) => Err(disguise(error).await),
            }
        })
    }
}

fn log(message: AsyncMessage) {
    if let AsyncMessage::Notice(notice) = message {
        tracing::debug!(
            notice = notice.message(),
            code = notice.code().code(),
            "notice"
        );
    }
}

/// Our error inside one of the driver's, which the pool insists on and nobody but the driver can
/// make: a connection over a line that fails with it. [`Error`]'s `From` takes it out again.
async fn disguise(error: Error) -> tokio_postgres::Error {
    let mut config = Config::new();
    config.user("nobody").ssl_mode(SslMode::Disable);
    match config.connect_raw(Broken(Some(error)), NoTls).await {
        Err(disguised) => disguised,
        Ok(_) => unreachable!("a broken line was connected"),
    }
}

struct Broken(Option<Error>);

impl Broken {
    fn fail<T>(&mut self) -> Poll<io::Result<T>> {
        Poll::Ready(Err(self
            .0
            .take()
            .map_or(io::ErrorKind::BrokenPipe.into(), io::Error::other)))
    }
}

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().fail()
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().fail()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().fail()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
