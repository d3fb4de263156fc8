//! One instance: an attempt of it, what is missing of it, its payloads.

use bytes::Bytes;
use tokio_postgres::{Row, types::Type};

use super::{
    Attempt, Detail, Error, History, Instance, Payload,
    ending::ends_flow,
    filter::check_id,
    row::{self, Time},
    sql,
    steps::Window,
};

/// How an instance ends for good.
const TERMINAL: [&str; 3] = ["Completed", "Failed", "Cancelled"];
/// Bytes of a step's content that is looked into; of a longer one nothing is said.
const LOOKED_INTO: u64 = 16 << 20;

impl History {
    /// One attempt of an instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn instance(&self, id: &str, attempt: Attempt) -> Result<Instance, Error> {
        let found = self.attempt(id, attempt).await?;
        let row = found.ok_or_else(|| no_attempt(id, attempt))?;
        Ok(row::instance(&row)?)
    }

    /// One attempt of an instance with what is missing of it. An instance of which nothing but
    /// steps is stored is shown too.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Pending`], or when the database does not answer.
    pub async fn detail(&self, id: &str, attempt: Attempt) -> Result<Detail, Error> {
        self.complete()?;
        let mut detail = match self.attempt(id, attempt).await? {
            Some(row) => Detail {
                instance: row::instance(&row)?,
                attempt: row::number(&row, "number")?,
                attempts: row::number(&row, "attempts")?,
                input_bytes: row::size(&row, "input_bytes")?,
                output_bytes: row::size(&row, "output_bytes")?,
                start_missing: row.try_get("start_missing")?,
                ..Detail::default()
            },
            None if attempt.may_be_first() && self.is_stored(id).await? => Detail {
                instance: Instance {
                    id: id.to_owned(),
                    ..Instance::default()
                },
                attempt: 1,
                attempts: 1,
                start_missing: true,
                ..Detail::default()
            },
            None => return Err(no_attempt(id, attempt)),
        };
        let window = self.window(id, attempt).await?;
        let last = self.gaps(id, window, &mut detail).await?;
        let has_ended = TERMINAL.contains(&&*detail.instance.status);
        detail.last_steps_missing = has_ended && self.unfinished(id, window, &last).await?;
        Ok(detail)
    }

    /// A payload of an attempt; none when the column is NULL.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn payload(
        &self,
        id: &str,
        attempt: Attempt,
        payload: Payload,
    ) -> Result<Option<Bytes>, Error> {
        let portion = self.payload_portion(id, attempt, payload, None).await?;
        Ok(portion.map(|(bytes, _)| bytes))
    }

    /// A portion of a payload, or all of it, and how many bytes it has in all.
    pub(super) async fn payload_portion(
        &self,
        id: &str,
        attempt: Attempt,
        payload: Payload,
        portion: Option<(i32, i32)>,
    ) -> Result<Option<(Bytes, u64)>, Error> {
        check_id("instance_id", id)?;
        let (from, length) = portion.unzip();
        let rows = self
            .rows(
                sql!("payload"),
                &[
                    (&id, Type::TEXT),
                    (&attempt.number(), Type::INT8),
                    (&(payload == Payload::Input), Type::BOOL),
                    (&from, Type::INT4),
                    (&length, Type::INT4),
                ],
            )
            .await?;
        let Some(row) = rows.first() else {
            if attempt.may_be_first() && self.is_stored(id).await? {
                return Ok(None);
            }
            return Err(no_attempt(id, attempt));
        };
        let bytes = row::bytes(row, "portion")?;
        let all = row::size(row, "bytes")?.unwrap_or_default();
        Ok(bytes.map(|bytes| (bytes, all)))
    }

    /// Whether anything of an instance is stored.
    ///
    /// # Errors
    /// When the id is none, or the database does not answer.
    pub async fn is_stored(&self, id: &str) -> Result<bool, Error> {
        check_id("instance_id", id)?;
        let rows = self.rows(sql!("exists"), &[(&id, Type::TEXT)]).await?;
        let stored = rows.first().map(|row| row.try_get("stored")).transpose()?;
        Ok(stored.unwrap_or_default())
    }

    /// The row of an attempt.
    async fn attempt(&self, id: &str, attempt: Attempt) -> Result<Option<Row>, Error> {
        check_id("instance_id", id)?;
        let rows = self
            .rows(
                sql!("attempt"),
                &[(&id, Type::TEXT), (&attempt.number(), Type::INT8)],
            )
            .await?;
        Ok(rows.into_iter().next())
    }

    /// Between which times the steps of an attempt began; none for the newest one, whose steps are
    /// those of the public table. Asked for by its number it has all that began in it, also what was
    /// cut for an attempt that has not begun.
    pub(super) async fn window(&self, id: &str, attempt: Attempt) -> Result<Option<Window>, Error> {
        check_id("instance_id", id)?;
        if attempt.number().is_none() {
            return Ok(None);
        }
        let Some(row) = self.attempt(id, attempt).await? else {
            if attempt.may_be_first() && self.is_stored(id).await? {
                return Ok(None);
            }
            return Err(no_attempt(id, attempt));
        };
        let next: Option<Time> = row.try_get("next_start")?;
        Ok(Some(Window {
            start: row::started(&row).unwrap_or(Time::NEVER),
            next: next.unwrap_or(Time::FOREVER),
        }))
    }

    /// Counts the steps and finds the gaps; answers with the last ids, the highest first.
    async fn gaps(
        &self,
        id: &str,
        window: Option<Window>,
        detail: &mut Detail,
    ) -> Result<Vec<u32>, Error> {
        let rows = match window {
            None => self.rows(sql!("steps_gaps"), &[(&id, Type::TEXT)]).await?,
            Some(Window { start, next }) => {
                self.rows(
                    sql!("past_steps_gaps"),
                    &[
                        (&id, Type::TEXT),
                        (&start, Type::TIMESTAMP),
                        (&next, Type::TIMESTAMP),
                    ],
                )
                .await?
            }
        };
        let Some(row) = rows.first() else {
            return Ok(Vec::new());
        };
        let ids = |column| -> Result<Vec<u32>, Error> {
            let ids: Option<Vec<i64>> = row.try_get(column)?;
            let ids = ids.unwrap_or_default().into_iter();
            Ok(ids.filter_map(|id| id.try_into().ok()).collect())
        };
        detail.steps = row::number(row, "steps")?;
        detail.gaps = ids("gap_from")?.into_iter().zip(ids("gap_to")?).collect();
        ids("last")
    }

    /// Whether none of the `last` steps ends the main flow. One step does, nearly always the last:
    /// with concurrent tasks others may have been numbered behind it.
    async fn unfinished(
        &self,
        id: &str,
        window: Option<Window>,
        last: &[u32],
    ) -> Result<bool, Error> {
        for &step in last {
            let of = self
                .metadata(id, window, (Some(step), Some(step)), 1)
                .await?;
            let Some(step) = of.first() else {
                return Ok(false);
            };
            if step.0.bytes > LOOKED_INTO {
                return Ok(false);
            }
            let contents = self
                .contents_of(id, window, std::slice::from_ref(&step.1), None)
                .await?;
            let ended = contents.first().and_then(|step| ends_flow(&step.content));
            // one that is not what an engine of Flogo's posts says nothing
            if ended != Some(false) {
                return Ok(false);
            }
        }
        Ok(!last.is_empty())
    }
}

impl Attempt {
    /// As the statements take it: null is the newest.
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Newest | Self::Number(0) => None,
            Self::Number(number) => Some(number.into()),
        }
    }

    /// An instance without a row has one attempt.
    fn may_be_first(self) -> bool {
        matches!(self.number(), None | Some(1))
    }
}

fn no_attempt(id: &str, attempt: Attempt) -> Error {
    match attempt {
        Attempt::Newest | Attempt::Number(0 | 1) => Error::no_instance(id),
        Attempt::Number(number) => {
            Error::NotFound(format!("attempt {number} of instance {id} is not stored"))
        }
    }
}
