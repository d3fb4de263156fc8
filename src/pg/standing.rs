//! What kind of server answers: primary or standby, and of two primaries the one promoted last.

use std::{future::poll_fn, pin::pin, task::Poll};

use tokio_postgres::{Client, Connection, SimpleQueryMessage};

use super::{Session, pipe::Pipe};

/// A connection that has no task of its own yet.
pub(super) type Line = Connection<Pipe, Pipe>;

/// A server in recovery is a standby; either kind may refuse writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    in_recovery: bool,
    read_only: bool,
    /// Of a primary, where it was asked for and may be known.
    pub(super) lineage: Option<Lineage>,
}

/// Where a primary stands among the copies of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    /// The same for a cluster and its standbys.
    pub(super) system: String,
    /// Higher after each promotion.
    pub(super) timeline: u32,
}

impl Session {
    /// Whether one server is looked for of which there should be one only.
    pub(super) fn wants_primary(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Primary)
    }

    /// What is wrong with a server of this standing, if anything.
    pub(super) fn unwanted(self, standing: &Standing) -> Option<&'static str> {
        let (fits, otherwise) = match self {
            Self::Any => return None,
            Self::ReadWrite => (!standing.read_only, "is read-only"),
            Self::ReadOnly => (standing.read_only, "takes writes"),
            Self::Primary => (!standing.in_recovery, "is a standby"),
            Self::Standby | Self::PreferStandby => (standing.in_recovery, "is no standby"),
        };
        (!fits).then_some(otherwise)
    }
}

/// Asks the server for its standing, and a primary for its `lineage` too where that is wanted.
pub(super) async fn ask(client: &Client, lineage: bool) -> Result<Standing, tokio_postgres::Error> {
    let standing = include_str!("../../sql/control/standing.sql");
    let [in_recovery, read_only] = row(client, standing, ["in_recovery", "read_only"])
        .await?
        .map(|text| text.as_deref() == Some("t"));
    let lineage = if lineage && !in_recovery {
        self::lineage(client).await?
    } else {
        None
    };
    Ok(Standing {
        in_recovery,
        read_only,
        lineage,
    })
}

/// None where the server will not say, as a managed one may.
async fn lineage(client: &Client) -> Result<Option<Lineage>, tokio_postgres::Error> {
    let lineage = include_str!("../../sql/control/lineage.sql");
    let [system, timeline] = match row(client, lineage, ["system", "timeline"]).await {
        Err(error) if error.as_db_error().is_some() => return Ok(None),
        row => row?,
    };
    let timeline = timeline.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
    Ok(system
        .zip(timeline)
        .map(|(system, timeline)| Lineage { system, timeline }))
}

/// Two columns of the one row that `statement` answers with.
async fn row(
    client: &Client,
    statement: &str,
    columns: [&str; 2],
) -> Result<[Option<String>; 2], tokio_postgres::Error> {
    let messages = client.simple_query(statement).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(columns.map(|column| row.and_then(|row| row.get(column)).map(str::to_owned)))
}

/// Does `work` on a connection before it has a task of its own, so that a server that will not do
/// leaves none.
pub(super) async fn alongside<T>(
    connection: &mut Line,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, tokio_postgres::Error> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        while let Poll::Ready(Some(message)) = connection.poll_message(cx) {
            message?;
        }
        work.as_mut().poll(cx)
    })
    .await
}
