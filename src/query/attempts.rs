//! Every attempt of an instance.

use super::{Error, History, Instance};

/// An attempt and the steps that began in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptInfo {
    /// From 1, by start time.
    pub number: u32,
    /// The attempt.
    pub instance: Instance,
    /// Steps stored that began in it.
    pub own_steps: u32,
    /// The first of those; earlier ones were taken over from earlier attempts.
    pub first_own_step: Option<u32>,
}

impl History {
    /// The attempts of an instance, the first one first.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn attempts(&self, _id: &str) -> Result<Vec<AttemptInfo>, Error> {
        todo!("attempts")
    }
}
