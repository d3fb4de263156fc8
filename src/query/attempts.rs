//! Every attempt of an instance.

use tokio_postgres::types::Type;

use super::{Error, History, Instance, filter::check_id, row, sql};

/// An attempt and the steps that began in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptInfo {
    /// From 1, by start time.
    pub number: u32,
    /// The attempt.
    pub instance: Instance,
    /// Steps stored that began in it; what began before the second attempt began in the first.
    pub own_steps: u32,
    /// The first of those; earlier ones were taken over from earlier attempts.
    pub first_own_step: Option<u32>,
}

impl History {
    /// The attempts of an instance, the first one first, at most 1,000.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn attempts(&self, id: &str) -> Result<Vec<AttemptInfo>, Error> {
        check_id("instance_id", id)?;
        let rows = self.rows(sql!("attempts"), &[(&id, Type::TEXT)]).await?;
        let attempts = rows.iter().map(|row| {
            let first: Option<i64> = row.try_get("first_own_step")?;
            Ok(AttemptInfo {
                number: row::number(row, "number")?,
                instance: row::instance(row)?,
                own_steps: row::number(row, "own_steps")?,
                first_own_step: first.and_then(|first| first.try_into().ok()),
            })
        });
        let attempts = attempts.collect::<Result<Vec<_>, Error>>()?;
        if !attempts.is_empty() {
            return Ok(attempts);
        }
        // nothing but steps is one attempt of which no start was seen
        let detail = self.detail(id, super::Attempt::Newest).await?;
        let first = self.steps(id, super::Attempt::Newest, None, 1).await?;
        Ok(vec![AttemptInfo {
            number: 1,
            instance: detail.instance,
            own_steps: detail.steps,
            first_own_step: first.first().map(|step| step.id),
        }])
    }
}
