//! One transaction: rows of a batch into the tables.
//!
//! Steps go the optimistic way, COPY straight into `steps`, or the staged way, COPY into a
//! temporary table and from there what is new or later. The staged way is taken where records may
//! be there already, and where a rerun has cut an instance. Starts and ends are always staged.

use std::ops::Range;

use futures_util::try_join;
use tokio_postgres::{Row, types::Type};

use super::{
    batch::{Batch, Fate},
    copy::copy_in,
    failure::Failure,
    session::Session,
};

/// How steps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Straight into the table; fails when one is there already.
    Optimistic,
    /// Through the staging table; whatever is there already, the later record stays.
    Staged,
}

/// A committed write.
#[derive(Debug, Default)]
pub struct Written {
    /// Rows that were not simply stored.
    pub fates: Vec<(usize, Fate)>,
    /// Records of steps that were there already.
    pub conflicts: bool,
}

/// Instances among the rows that reruns have cut or that were deleted.
#[derive(Default)]
struct Cuts {
    instances: Vec<String>,
    deleted: bool,
}

/// Writes `rows` of `batch` and commits.
///
/// # Errors
/// Why nothing is known to be stored; the transaction is still open unless the session is of no
/// more use.
pub async fn write(
    session: &Session,
    batch: &Batch,
    rows: &Range<usize>,
    way: Way,
) -> Result<Written, Failure> {
    let client = &session.client;
    let ((), any) = try_join!(
        client.batch_execute("begin"),
        client.query_one(&session.cuts_any, &[])
    )?;
    let cuts = if any.get(0) {
        cuts(session, batch, rows).await?
    } else {
        Cuts::default()
    };

    let mut written = Written::default();
    let steps = batch.step_range(rows);
    if !steps.is_empty() {
        if way == Way::Optimistic && !session.citus && cuts.instances.is_empty() {
            copy_in(client, &session.steps_copy, batch.step_slices(steps)).await?;
        } else {
            stage_steps(session, batch, steps, &cuts, &mut written).await?;
        }
    }
    let flows = batch.flow_range(rows);
    if !flows.is_empty() {
        stage_flows(session, batch, flows, &cuts, &mut written).await?;
    }
    session.commit().await?;
    Ok(written)
}

async fn cuts(session: &Session, batch: &Batch, rows: &Range<usize>) -> Result<Cuts, Failure> {
    let instances = batch.instances(rows);
    let found = session
        .client
        .query_typed(
            include_str!("../../../sql/ingest/cuts_of.sql"),
            &[(&instances, Type::TEXT_ARRAY)],
        )
        .await?;
    let deleted = found.iter().any(|row| row.get("deleted"));
    let mut instances = texts(&found);
    instances.dedup();
    Ok(Cuts { instances, deleted })
}

async fn stage_steps(
    session: &Session,
    batch: &Batch,
    range: Range<usize>,
    cuts: &Cuts,
    written: &mut Written,
) -> Result<(), Failure> {
    let client = &session.client;
    copy_in(
        client,
        &session.steps_stage,
        batch.step_slices(range.clone()),
    )
    .await?;
    if !cuts.instances.is_empty() {
        let place = include_str!("../../../sql/ingest/steps_place.sql");
        client
            .query_typed(place, &[(&cuts.instances, Type::TEXT_ARRAY)])
            .await?;
    }
    let rows = client
        .query_typed(include_str!("../../../sql/ingest/steps_insert.sql"), &[])
        .await?;
    let [row] = &rows[..] else {
        return Err(Failure::Adrift);
    };
    let (first, staged, stored): (i32, i64, i64) =
        (row.get("first"), row.get("staged"), row.get("stored"));
    if stored == staged {
        return Ok(());
    }
    written.conflicts = true;
    let (_, _, _, left) = try_join!(
        client.query_typed(include_str!("../../../sql/ingest/steps_lock.sql"), &[]),
        client.query_typed(include_str!("../../../sql/ingest/steps_past.sql"), &[]),
        client.query_typed(include_str!("../../../sql/ingest/steps_replace.sql"), &[]),
        client.query_typed(include_str!("../../../sql/ingest/steps_left.sql"), &[]),
    )?;
    if left.iter().any(|row| row.get("adrift")) {
        return Err(Failure::Adrift);
    }
    let superseded = left
        .iter()
        .map(|row| number(row.get("ord"), first, range.start));
    written
        .fates
        .extend(superseded.map(|row| (row, Fate::Superseded)));
    Ok(())
}

async fn stage_flows(
    session: &Session,
    batch: &Batch,
    range: Range<usize>,
    cuts: &Cuts,
    written: &mut Written,
) -> Result<(), Failure> {
    let client = &session.client;
    copy_in(
        client,
        &session.flows_stage,
        batch.flow_slices(range.clone()),
    )
    .await?;
    let first: i32 = client
        .query_one(&session.flows_first, &[])
        .await?
        .get("first");
    let mut fates = vec![Fate::Superseded; range.len()];
    let position = |ord: i32| number(ord, first, 0);

    if batch.complete_only() {
        let unknown = include_str!("../../../sql/ingest/flows_unknown.sql");
        for row in client.query_typed(unknown, &[]).await? {
            fates[position(row.get("ord"))] = Fate::Skipped;
        }
    }
    if cuts.deleted {
        let deleted = include_str!("../../../sql/ingest/flows_deleted.sql");
        client
            .query_typed(deleted, &[(&cuts.instances, Type::TEXT_ARRAY)])
            .await?;
    }

    let (merged, shadowed, awaited) = try_join!(
        client.query(&session.flows_merge, &[]),
        client.query(&session.flows_shadowed, &[]),
        client.query(&session.reruns_awaited, &[]),
    )?;
    let mut orphans = Vec::new();
    for row in &merged {
        let ords: [Option<i32>; 2] = [row.get("started"), row.get("ended")];
        for ord in ords.into_iter().flatten() {
            fates[position(ord)] = Fate::Stored;
        }
        orphans.extend(row.get::<_, Option<String>>("orphan"));
    }

    let mut irregular = if fates.contains(&Fate::Superseded) {
        let irregular = include_str!("../../../sql/ingest/flows_irregular.sql");
        texts(&client.query_typed(irregular, &[]).await?)
    } else {
        texts(&shadowed)
    };
    irregular.extend_from_slice(&orphans);
    if !irregular.is_empty() {
        irregular.sort();
        irregular.dedup();
        for ord in super::attempts::merge(client, &irregular, orphans).await? {
            fates[position(ord)] = Fate::Stored;
        }
    }
    super::reruns::count(client, texts(&awaited), batch.reruns()).await?;

    let numbered = fates
        .into_iter()
        .enumerate()
        .filter(|(_, fate)| *fate != Fate::Stored);
    let first_row = batch.first_flow() + range.start;
    written
        .fates
        .extend(numbered.map(|(at, fate)| (first_row + at, fate)));
    Ok(())
}

/// The number of the row that was staged as `ord`, where the row numbered `start` was the `first`.
fn number(ord: i32, first: i32, start: usize) -> usize {
    start + usize::try_from(ord - first).unwrap_or_default()
}

/// The first column of each row.
pub(super) fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.get(0)).collect()
}
