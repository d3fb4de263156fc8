//! Indexes on tables that may be large: made while everybody goes on writing.
//!
//! `create index concurrently` cannot run in a transaction, and leaves an invalid index behind when
//! it is interrupted; such a leftover is dropped and made again.

use tokio_postgres::Client;

use super::{Error, Pending};

/// Name and statement of every index made this way, all in schema `public`.
pub(super) const ALL: [(&str, &str); 7] = [
    (
        "flowtrail_flowstate_by_app",
        include_str!("../../../sql/migrations/indexes/flowstate_by_app.sql"),
    ),
    (
        "flowtrail_flowstate_by_version",
        include_str!("../../../sql/migrations/indexes/flowstate_by_version.sql"),
    ),
    (
        "flowtrail_flowstate_by_flow",
        include_str!("../../../sql/migrations/indexes/flowstate_by_flow.sql"),
    ),
    (
        "flowtrail_flowstate_by_host",
        include_str!("../../../sql/migrations/indexes/flowstate_by_host.sql"),
    ),
    (
        "flowtrail_flowstate_by_status",
        include_str!("../../../sql/migrations/indexes/flowstate_by_status.sql"),
    ),
    (
        "flowtrail_flowstate_without_app",
        include_str!("../../../sql/migrations/indexes/flowstate_without_app.sql"),
    ),
    (
        "flowtrail_flowstate_by_original",
        include_str!("../../../sql/migrations/indexes/flowstate_by_original.sql"),
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Missing,
    Invalid,
    Valid,
}

async fn find(client: &Client, name: &str) -> Result<Found, Error> {
    let row = client
        .query_opt(
            include_str!("../../../sql/migrations/run/index_state.sql"),
            &[&name],
        )
        .await
        .map_err(|error| Error::statement(format!("looking for index {name}"), &error))?;
    Ok(match row.map(|row| row.get("valid")) {
        None => Found::Missing,
        Some(false) => Found::Invalid,
        Some(true) => Found::Valid,
    })
}

/// The statement that drops a leftover.
pub(super) fn drop_sql(name: &str) -> String {
    format!("drop index concurrently public.{name};\n")
}

pub(super) async fn pending(client: &Client) -> Result<Vec<Pending>, Error> {
    let mut pending = Vec::new();
    for (name, create) in ALL {
        let found = find(client, name).await?;
        let mut sql = String::new();
        if found == Found::Invalid {
            sql.push_str(&drop_sql(name));
        }
        sql.push_str(create);
        if found != Found::Valid {
            pending.push(Pending {
                name: format!("index {name}"),
                sql,
            });
        }
    }
    Ok(pending)
}

pub(super) async fn run(client: &Client, report: &mut impl FnMut(&str)) -> Result<(), Error> {
    for (name, create) in ALL {
        let found = find(client, name).await?;
        if found == Found::Valid {
            continue;
        }
        let told = format!("index {name}");
        report(&told);
        let statement = |error| Error::statement(told.clone(), &error);
        client
            .batch_execute(include_str!("../../../sql/migrations/run/patient.sql"))
            .await
            .map_err(statement)?;
        if found == Found::Invalid {
            client
                .batch_execute(&drop_sql(name))
                .await
                .map_err(statement)?;
        }
        client.batch_execute(create).await.map_err(statement)?;
    }
    Ok(())
}
