//! Rows of a batch into the tables.
//!
//! Nearly all go [straight](super::straight) there. The others go the staged way, in a transaction of
//! their own behind it: COPY into a temporary table, and from there what is new or later. It is taken
//! where records may be there already, where a rerun has cut an instance, and for starts and ends that
//! say less or more than when an instance began and ended.

use std::ops::Range;

use futures_util::{join, try_join};
use tokio_postgres::{Row, types::Type};

use super::{
    batch::{Batch, Fate},
    failure::Failure,
    session::Session,
    straight,
};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Straight into the tables; fails when one is there already.
    Optimistic,
    /// Steps straight into their table, starts and ends through the staging table.
    OptimisticSteps,
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

/// What was noted of instances among the rows before: nearly always nothing.
#[derive(Default)]
struct Marks {
    /// Those that reruns have cut or that were deleted.
    cut: Vec<String>,
    deleted: bool,
    /// Those whose reruns were stored before them.
    awaited: Vec<String>,
}

/// Writes `rows` of `batch` and commits, in two transactions if need be: where the second one fails,
/// what the first has stored is met again, and merged with itself.
///
/// # Errors
/// Why some are not known to be stored; a transaction of the driver may still be open.
pub async fn write(
    session: &mut Session,
    batch: &Batch,
    rows: &Range<usize>,
    way: Way,
) -> Result<Written, Failure> {
    let straight = way != Way::Staged && !session.citus;
    let written = if straight {
        straight::write(session, batch, rows, way).await?
    } else {
        None
    };
    let (steps, flows, awaited) = match written {
        Some(rest) => (0..0, rest.flows, rest.awaited),
        None => (
            batch.step_range(rows),
            batch.flow_range(rows).collect(),
            false,
        ),
    };
    if steps.is_empty() && flows.is_empty() && !awaited {
        return Ok(Written::default());
    }
    session.give_back();
    stage(session, batch, rows, steps, &flows).await
}

/// Writes these `steps` and `flows` of `rows` the staged way, and counts the reruns that waited for an
/// instance among the rows.
async fn stage(
    session: &Session,
    batch: &Batch,
    rows: &Range<usize>,
    steps: Range<usize>,
    flows: &[usize],
) -> Result<Written, Failure> {
    let client = &session.client;
    let asking = client.query_one(&session.marks_any, &[]);
    let (begun, any) = join!(session.begin(), asking);
    begun?;
    let any = any?;
    let marks = marks(session, batch, rows, any.get("cuts"), any.get("reruns")).await?;
    let mut written = Written::default();
    if !steps.is_empty() {
        stage_steps(session, batch, steps, &marks, &mut written).await?;
    }
    let reruns = batch.reruns() && !flows.is_empty();
    if !flows.is_empty() {
        stage_flows(session, batch, flows, &marks, &mut written).await?;
    }
    if reruns || !marks.awaited.is_empty() {
        super::reruns::count(client, marks.awaited, reruns).await?;
    }
    session.commit().await?;
    Ok(written)
}

async fn marks(
    session: &Session,
    batch: &Batch,
    rows: &Range<usize>,
    any_cut: bool,
    any_rerun: bool,
) -> Result<Marks, Failure> {
    let mut marks = Marks::default();
    if !any_cut && !any_rerun {
        return Ok(marks);
    }
    let instances = batch.instances(rows);
    let ask = async |sql| {
        let instances = [(&instances as _, Type::TEXT_ARRAY)];
        session.client.query_typed(sql, &instances).await
    };
    if any_cut {
        let found = ask(include_str!("../../../sql/ingest/cuts_of.sql")).await?;
        marks.deleted = found.iter().any(|row| row.get("deleted"));
        marks.cut = texts(&found);
        marks.cut.dedup();
    }
    if any_rerun {
        let awaited = include_str!("../../../sql/ingest/reruns_awaited.sql");
        marks.awaited = texts(&ask(awaited).await?);
    }
    Ok(marks)
}

async fn stage_steps(
    session: &Session,
    batch: &Batch,
    range: Range<usize>,
    marks: &Marks,
    written: &mut Written,
) -> Result<(), Failure> {
    let client = &session.client;
    let slices = batch.step_slices(range.clone());
    let copying = session.steps_stage.fill(session, slices).await?;
    copying.finish().await?;
    if !marks.cut.is_empty() {
        let place = include_str!("../../../sql/ingest/steps_place.sql");
        client
            .query_typed(place, &[(&marks.cut, Type::TEXT_ARRAY)])
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

/// Stages the starts and ends of these `numbers` and merges them.
async fn stage_flows(
    session: &Session,
    batch: &Batch,
    numbers: &[usize],
    marks: &Marks,
    written: &mut Written,
) -> Result<(), Failure> {
    let client = &session.client;
    let slices = batch.flow_slices(numbers).into_iter();
    let copying = session.flows_stage.fill(session, slices).await?;
    let unknown = async {
        if !batch.complete_only() {
            return Ok(Vec::new());
        }
        let unknown = include_str!("../../../sql/ingest/flows_unknown.sql");
        client.query_typed(unknown, &[]).await
    };
    let deleted = async {
        if !marks.deleted {
            return Ok(Vec::new());
        }
        let deleted = include_str!("../../../sql/ingest/flows_deleted.sql");
        let cut = [(&marks.cut as _, Type::TEXT_ARRAY)];
        client.query_typed(deleted, &cut).await
    };
    // One behind the other, without waiting in between.
    let (finished, first, unknown, deleted, merged, shadowed) = join!(
        copying.finish(),
        client.query_one(&session.flows_first, &[]),
        unknown,
        deleted,
        client.query(&session.flows_merge, &[]),
        client.query(&session.flows_shadowed, &[]),
    );
    finished?;
    let first: i32 = first?.get("first");
    let (unknown, merged, shadowed) = (unknown?, deleted.and(merged)?, shadowed?);
    let mut fates = vec![Fate::Superseded; numbers.len()];
    let mut orphans: Vec<String> = Vec::new();
    let position = |ord: i32| number(ord, first, 0);
    for row in unknown {
        fates[position(row.get("ord"))] = Fate::Skipped;
    }
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

    let first_row = batch.first_flow();
    let others = numbers.iter().map(|number| first_row + number).zip(fates);
    written
        .fates
        .extend(others.filter(|(_, fate)| *fate != Fate::Stored));
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
