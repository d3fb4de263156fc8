//! Steps of an attempt, with and without their content.

use futures_util::stream::{self, Stream};

use super::{Attempt, Error, History, Step, StepContent};

impl History {
    /// At most `limit` steps with an id above `after`, by id; none is not an error.
    ///
    /// # Errors
    /// When there is no such attempt or the database does not answer.
    pub async fn steps(
        &self,
        _id: &str,
        _attempt: Attempt,
        _after: Option<u32>,
        _limit: u32,
    ) -> Result<Vec<Step>, Error> {
        todo!("metadata")
    }

    /// One step.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn step(
        &self,
        _id: &str,
        _attempt: Attempt,
        _step: u32,
    ) -> Result<StepContent, Error> {
        todo!("by key")
    }

    /// Steps with an id above `after` and at most `through`, by id, read a portion of a few MiB at
    /// a time. Ends after an error.
    pub fn contents(
        &self,
        _id: &str,
        _attempt: Attempt,
        _after: Option<u32>,
        _through: Option<u32>,
    ) -> impl Stream<Item = Result<StepContent, Error>> + Send + use<> {
        stream::empty()
    }
}
