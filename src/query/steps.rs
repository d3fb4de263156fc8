//! Steps of an attempt, with and without their content.
//!
//! The steps of the newest attempt are the rows of `public.steps`. Those of an earlier one are picked
//! from all versions of each step: the last that began before the attempt that followed, and that no
//! rerun had cut by then. Steps whose id is not the decimal of a number below 2^31, which no engine
//! sends, are left out.

use std::{collections::VecDeque, mem};

use futures_util::stream::{self, Stream};
use tokio::task::yield_now;
use tokio_postgres::{Row, types::Type};

use super::{
    Attempt, Error, History, Step, StepContent,
    row::{self, Time, Value},
    sql,
};

/// Highest id of a step.
const LAST: u32 = i32::MAX.unsigned_abs();
/// Bytes of content that are read at once, unless one step alone has more.
const PORTION: u64 = 4 << 20;
/// Steps that are read at once.
const PORTION_STEPS: usize = 1_000;
/// Bytes of content after which others have a turn: to read a step takes its reader some 20 ns a byte.
const IN_A_ROW: usize = 64 << 10;
/// Steps that are looked up at once before their content is read.
const PLANNED: i64 = 10_000;
/// Number of a step behind which the next ones are asked for by their ids.
const MANY: i64 = 2_000;

/// Between which times the steps of an earlier attempt began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The attempt's start.
    pub(super) start: Time,
    /// Start of the attempt that followed.
    pub(super) next: Time,
}

/// One version of a step.
#[derive(Clone, Debug)]
pub(super) struct Version {
    step: u32,
    started_at: Option<Time>,
}

/// Both ends are part of it; none is open.
type Range = (Option<u32>, Option<u32>);

impl History {
    /// At most `limit` steps with an id above `after`, by id; none is not an error.
    ///
    /// # Errors
    /// When there is no such attempt or the database does not answer.
    pub async fn steps(
        &self,
        id: &str,
        attempt: Attempt,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Step>, Error> {
        let window = self.window(id, attempt).await?;
        let Some(from) = above(after) else {
            return Ok(Vec::new());
        };
        let found = self
            .metadata(id, window, (Some(from), None), limit.into())
            .await?;
        Ok(found.into_iter().map(|(step, _)| step).collect())
    }

    /// One step.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn step(&self, id: &str, attempt: Attempt, step: u32) -> Result<StepContent, Error> {
        self.step_portion(id, attempt, step, None).await
    }

    /// One step with a portion of its content, from a byte on, or with all of it.
    pub(super) async fn step_portion(
        &self,
        id: &str,
        attempt: Attempt,
        step: u32,
        portion: Option<(i32, i32)>,
    ) -> Result<StepContent, Error> {
        let window = self.window(id, attempt).await?;
        let missing = || Error::NotFound(format!("step {step} of instance {id} is not stored"));
        let mut version = Version {
            step,
            started_at: None,
        };
        if window.is_some() {
            let range = (Some(step), Some(step));
            let of = self.metadata(id, window, range, 1).await?;
            (_, version) = of.into_iter().next().ok_or_else(missing)?;
        }
        let found = self.contents_of(id, window, &[version], portion).await?;
        found.into_iter().next().ok_or_else(missing)
    }

    /// Steps with an id above `after` and at most `through`, by id, read a portion of a few MiB at
    /// a time. Ends after an error. However fast it is read, others have their turns in between.
    ///
    /// Each step is whole and as it is when its portion is read: of an instance that changes
    /// meanwhile, by a rerun or by events that come late, the portions may be of different moments.
    pub fn contents(
        &self,
        id: &str,
        attempt: Attempt,
        after: Option<u32>,
        through: Option<u32>,
    ) -> impl Stream<Item = Result<StepContent, Error>> + Send + use<> {
        let reading = Reading {
            history: self.clone(),
            id: id.to_owned(),
            attempt,
            window: None,
            next: above(after),
            through: through.unwrap_or(LAST),
            begun: false,
            planned: VecDeque::new(),
            ready: VecDeque::new(),
            in_a_row: 0,
        };
        stream::try_unfold(reading, |mut reading| async {
            let step = reading.step().await?;
            Ok(step.map(|step| (step, reading)))
        })
    }

    /// Steps of a range by id, and which version each is.
    pub(super) async fn metadata(
        &self,
        id: &str,
        window: Option<Window>,
        (from, through): Range,
        limit: i64,
    ) -> Result<Vec<(Step, Version)>, Error> {
        let after = i64::from(from.unwrap_or(0)) - 1;
        let through = i64::from(through.unwrap_or(LAST).min(LAST));
        let mut values = vec![
            (&id as row::Parameter<'_>, Type::TEXT),
            (&after, Type::INT8),
            (&through, Type::INT8),
            (&limit, Type::INT8),
        ];
        let rows = match &window {
            None => {
                let through = through.min(after + limit);
                self.newest(values, after, through).await?
            }
            Some(window) => {
                values.push((&window.start, Type::TIMESTAMP));
                values.push((&window.next, Type::TIMESTAMP));
                self.rows(sql!("past_steps"), &values).await?
            }
        };
        let steps = rows.iter().map(|row| {
            let step = row::step(row)?;
            let version = Version {
                step: step.id,
                started_at: row.try_get("starttime")?,
            };
            Ok((step, version))
        });
        steps.collect()
    }

    /// Steps of the newest attempt. Ids are texts, and to find which numbers follow one is to look at
    /// every step of the instance. Behind many it is cheaper to ask for those that follow where none
    /// is missing, the ones behind `after` up to `through`.
    async fn newest(
        &self,
        mut values: Vec<Value<'_>>,
        after: i64,
        through: i64,
    ) -> Result<Vec<Row>, Error> {
        if after >= MANY {
            let next: Vec<String> = (after + 1..=through).map(|id| id.to_string()).collect();
            let mut values = values.clone();
            values.push((&next, Type::TEXT_ARRAY));
            let rows = self.rows(sql!("steps"), &values).await?;
            if rows.len() == next.len() {
                return Ok(rows);
            }
        }
        values.push((&None::<Vec<String>>, Type::TEXT_ARRAY));
        self.rows(sql!("steps"), &values).await
    }

    /// These versions with their content, or a portion of it; those that are gone are left out.
    pub(super) async fn contents_of(
        &self,
        id: &str,
        window: Option<Window>,
        versions: &[Version],
        portion: Option<(i32, i32)>,
    ) -> Result<Vec<StepContent>, Error> {
        let ids: Vec<String> = versions.iter().map(|of| of.step.to_string()).collect();
        let times: Vec<_> = versions.iter().map(|of| of.started_at).collect();
        let (from, length) = portion.unzip();
        let mut values = vec![
            (&id as row::Parameter<'_>, Type::TEXT),
            (&ids, Type::TEXT_ARRAY),
            (&from, Type::INT4),
            (&length, Type::INT4),
        ];
        let mut statement = sql!("steps_content");
        if window.is_some() {
            values.push((&times, Type::TIMESTAMP_ARRAY));
            statement = sql!("past_steps_content");
        }
        let rows = self.rows(statement, &values).await?;
        Ok(rows.iter().map(row::content).collect::<Result<_, _>>()?)
    }
}

/// The id that follows.
fn above(after: Option<u32>) -> Option<u32> {
    match after {
        None => Some(0),
        Some(after) => after.checked_add(1).filter(|next| *next <= LAST),
    }
}

/// Where [`History::contents`] is.
struct Reading {
    history: History,
    id: String,
    attempt: Attempt,
    window: Option<Window>,
    /// First id that is not planned; none when all are.
    next: Option<u32>,
    through: u32,
    begun: bool,
    /// What to read, a portion each.
    planned: VecDeque<Vec<Version>>,
    ready: VecDeque<StepContent>,
    /// Bytes that were handed out since somebody else had a turn.
    in_a_row: usize,
}

impl Reading {
    async fn step(&mut self) -> Result<Option<StepContent>, Error> {
        if !mem::replace(&mut self.begun, true) {
            self.window = self.history.window(&self.id, self.attempt).await?;
        }
        loop {
            if let Some(step) = self.ready.pop_front() {
                if self.in_a_row > IN_A_ROW {
                    yield_now().await;
                    self.in_a_row = 0;
                }
                self.in_a_row += step.content.len();
                return Ok(Some(step));
            }
            if let Some(portion) = self.planned.pop_front() {
                let (id, window) = (&self.id, self.window);
                let read = self.history.contents_of(id, window, &portion, None);
                self.ready = read.await?.into();
            } else if let Some(from) = self.next.filter(|from| *from <= self.through) {
                self.plan(from).await?;
            } else {
                return Ok(None);
            }
        }
    }

    async fn plan(&mut self, from: u32) -> Result<(), Error> {
        let range = (Some(from), Some(self.through));
        let (id, window) = (&self.id, self.window);
        let steps = self.history.metadata(id, window, range, PLANNED).await?;
        self.next = match steps.last() {
            Some((last, _)) if i64::try_from(steps.len()) == Ok(PLANNED) => above(Some(last.id)),
            _ => None,
        };
        let (mut portion, mut bytes) = (Vec::new(), 0);
        for (step, version) in steps {
            let full = bytes + step.bytes > PORTION || portion.len() == PORTION_STEPS;
            if full && !portion.is_empty() {
                self.planned.push_back(mem::take(&mut portion));
                bytes = 0;
            }
            bytes += step.bytes;
            portion.push(version);
        }
        if !portion.is_empty() {
            self.planned.push_back(portion);
        }
        Ok(())
    }
}
