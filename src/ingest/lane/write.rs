//! One transaction: rows of a batch into the tables.
//!
//! Steps go the optimistic way, COPY straight into `steps`, or the staged way, COPY into a
//! temporary table and from there what is new or later. The staged way is taken where records may
//! be there already, and where a rerun has cut an instance. So do instances that begin in the batch,
//! folded into rows of `flowstate`; all other starts and ends are staged.

use std::ops::Range;

use futures_util::{join, try_join};
use tokio_postgres::{Row, types::Type};

use super::{
    batch::{Batch, Fate},
    copy::Copying,
    ends::{self, Left},
    failure::Failure,
    fold::Folded,
    session::Session,
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
    let (steps, flows) = (batch.step_range(rows), batch.flow_range(rows));
    let straight = way != Way::Staged && !session.citus;
    let opening = async {
        if !straight || steps.is_empty() {
            return Ok(None);
        }
        Copying::begin(session, &session.steps_copy).await.map(Some)
    };
    let (begun, any, opened) = join!(
        session.begin(),
        client.query_one(&session.marks_any, &[]),
        opening
    );
    begun?;
    let (any, mut last) = (any?, opened?);
    let (any_cut, any_rerun) = (any.get("cuts"), any.get("reruns"));
    if any_cut || any_rerun {
        // More is to be asked than a COPY under way allows.
        Copying::finish(last.take()).await?;
    }
    let marks = marks(session, batch, rows, any_cut, any_rerun).await?;
    let optimistic = straight && marks.cut.is_empty();

    let mut written = Written::default();
    if !steps.is_empty() {
        if optimistic {
            let mut copying = match last {
                Some(copying) => copying,
                None => Copying::begin(session, &session.steps_copy).await?,
            };
            copying.send(batch.step_slices(steps)).await?;
            last = Some(copying);
        } else {
            stage_steps(session, batch, steps, &marks, &mut written).await?;
        }
    }
    let staged = if optimistic && way == Way::Optimistic && !flows.is_empty() {
        fold_in(session, &mut last, batch.fold(flows)).await?
    } else {
        Left {
            numbers: flows.collect(),
            ..Left::default()
        }
    };
    let reruns = batch.reruns() && !staged.numbers.is_empty();
    if !staged.numbers.is_empty() {
        stage_flows(session, batch, last.take(), staged, &marks, &mut written).await?;
    }
    if reruns || !marks.awaited.is_empty() {
        Copying::finish(last.take()).await?;
        super::reruns::count(client, marks.awaited, reruns).await?;
    }
    session.commit(last).await?;
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
    let copying = session.steps_stage.fill(session, None, slices).await?;
    Copying::finish(Some(copying)).await?;
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

/// Writes what was folded behind the `last` COPY; answers with what has to be staged.
async fn fold_in(
    session: &Session,
    last: &mut Option<Copying>,
    folded: Folded<'_>,
) -> Result<Left, Failure> {
    let Folded { rows, ends, rest } = folded;
    let mut left = Left::default();
    if !rows.is_empty() || !ends.is_empty() {
        let opening = async {
            if rows.is_empty() {
                return Ok(None);
            }
            let copying = Copying::begin(session, &session.flows_copy);
            copying.await.map(Some)
        };
        let (finished, merged, opened) = join!(
            Copying::finish(last.take()),
            ends::merge(session, &ends),
            opening
        );
        finished?;
        left = merged?;
        *last = opened?;
        if let Some(copying) = last {
            copying.send(rows.into_iter()).await?;
        }
    }
    left.numbers.extend(rest);
    left.numbers.sort_unstable();
    Ok(left)
}

/// Ends the COPY `before`, stages these starts and ends and merges them.
async fn stage_flows(
    session: &Session,
    batch: &Batch,
    before: Option<Copying>,
    staged: Left,
    marks: &Marks,
    written: &mut Written,
) -> Result<(), Failure> {
    let client = &session.client;
    let Left {
        numbers,
        mut orphans,
    } = staged;
    let slices = batch.flow_slices(&numbers).into_iter();
    let copying = session.flows_stage.fill(session, before, slices).await?;
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
        Copying::finish(Some(copying)),
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
