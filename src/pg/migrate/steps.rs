//! The numbered migrations, each in a transaction of its own.

use std::collections::BTreeSet;

use refinery::{Migration, Runner, Target};
use tokio_postgres::Client;

use super::{Error, Pending};

/// The table in which the runner keeps what was applied.
const HISTORY: &str = "flowtrail.migrations";

const FILES: [(&str, &str); 8] = [
    (
        "V1__public_tables",
        include_str!("../../../sql/migrations/V1__public_tables.sql"),
    ),
    (
        "V2__own_schema",
        include_str!("../../../sql/migrations/V2__own_schema.sql"),
    ),
    (
        "V3__toggle_trigger",
        include_str!("../../../sql/migrations/V3__toggle_trigger.sql"),
    ),
    (
        "V4__skipped_instances",
        include_str!("../../../sql/migrations/V4__skipped_instances.sql"),
    ),
    (
        "V5__reading_views",
        include_str!("../../../sql/migrations/V5__reading_views.sql"),
    ),
    (
        "V6__short_keys",
        include_str!("../../../sql/migrations/V6__short_keys.sql"),
    ),
    (
        "V7__hold",
        include_str!("../../../sql/migrations/V7__hold.sql"),
    ),
    (
        "V8__fewer_entries",
        include_str!("../../../sql/migrations/V8__fewer_entries.sql"),
    ),
];

/// Every migration, in order.
///
/// # Panics
/// Never: the names above are well formed, as the tests show.
pub(super) fn all() -> Vec<Migration> {
    FILES
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql).expect("a name like V1__what_it_does"))
        .collect()
}

pub(super) fn name(migration: &Migration) -> String {
    format!("migration {} {}", migration.version(), migration.name())
}

/// The migrations the database did not have yet.
async fn missing(client: &Client) -> Result<Vec<Migration>, Error> {
    let statement = |error| Error::statement("reading the applied migrations".to_owned(), &error);
    let tables = client
        .query_one(include_str!("../../../sql/migrations/run/tables.sql"), &[])
        .await
        .map_err(statement)?;
    let mut applied = BTreeSet::new();
    if tables.get("history") {
        let rows = client
            .query(include_str!("../../../sql/migrations/run/applied.sql"), &[])
            .await
            .map_err(statement)?;
        applied.extend(rows.iter().map(|row| row.get::<_, i32>("version")));
    }
    Ok(all()
        .into_iter()
        .filter(|migration| !applied.contains(&migration.version()))
        .collect())
}

pub(super) async fn pending(client: &Client) -> Result<Vec<Pending>, Error> {
    let missing = missing(client).await?;
    Ok(missing
        .iter()
        .map(|migration| Pending {
            name: name(migration),
            sql: migration.sql().unwrap_or_default().to_owned(),
        })
        .collect())
}

pub(super) async fn run(client: &mut Client, report: &mut impl FnMut(&str)) -> Result<(), Error> {
    let missing = missing(client).await?;
    if missing.is_empty() {
        return Ok(());
    }
    client
        .batch_execute(include_str!("../../../sql/migrations/run/history.sql"))
        .await
        .map_err(|error| Error::statement("making the schema flowtrail".to_owned(), &error))?;
    for migration in missing {
        let name = name(&migration);
        report(&name);
        let mut runner = Runner::new(&all()).set_target(Target::Version(migration.version()));
        runner.set_migration_table_name(HISTORY);
        runner
            .run_async(client)
            .await
            .map_err(|error| Error::runner(name, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_by_one_to_the_one_this_program_knows() {
        let versions: Vec<i32> = all().iter().map(Migration::version).collect();
        assert_eq!(versions, (1..=super::super::VERSION).collect::<Vec<_>>());
    }
}
