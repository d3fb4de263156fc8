//! The body of a step, and the columns of its row (contract, section 2.7).

use std::borrow::Cow;

use super::{Content, Time, json::Invalid};

/// What a row of `steps` holds besides the body itself, which is its stepdata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// `flowId`.
    pub instance_id: Cow<'a, str>,
    /// `id`, 0 or above.
    pub step_id: i32,
    /// The task the step is about; empty when it is not about one.
    pub task_name: Cow<'a, str>,
    /// `Started`, `Waiting`, `Completed`, `Failed`, or empty.
    pub status: &'static str,
    /// Short name of the flow or subflow: what follows the last colon of its URI.
    pub flow_name: Cow<'a, str>,
    /// Decimal number of the subflow, `0` for the main flow.
    pub subflow_id: Cow<'a, str>,
    /// `starttime`.
    pub start_time: Time,
    /// `endtime`.
    pub end_time: Time,
    /// `rerun`: recorded while the instance was repeated in place.
    pub rerun: bool,
}

impl<'a> Step<'a> {
    /// Reads the body of a step.
    ///
    /// # Errors
    /// [`Invalid`] with the field that Go's decoder would not take, or that is `null` where its
    /// service would crash.
    pub fn parse(body: &'a str) -> Result<Self, Invalid> {
        let content = Content::parse(body)?;
        let row = Row::of(&content);
        Ok(Self {
            task_name: row.task_name,
            status: row.status,
            flow_name: row.flow_name,
            subflow_id: match row.subflow_id {
                0 => Cow::Borrowed("0"),
                id => Cow::Owned(id.to_string()),
            },
            instance_id: content.instance_id,
            step_id: content.step_id,
            start_time: content.start_time,
            end_time: content.end_time,
            rerun: content.rerun,
        })
    }
}

/// The columns that are derived from the changes.
#[derive(Default)]
struct Row<'a> {
    task_name: Cow<'a, str>,
    status: &'static str,
    flow_name: Cow<'a, str>,
    subflow_id: i64,
}

impl<'a> Row<'a> {
    fn of(content: &Content<'a>) -> Self {
        let Some(((subflow_id, change), _)) = content.changed() else {
            return Self::queue_only(content);
        };
        let (task_name, status) = match change.counted() {
            Some((id, _, word)) => (id, word),
            None if change.new_flow => (&change.task_id, "Started"),
            None => (&change.task_id, ""),
        };
        Self {
            task_name: task_name.clone(),
            status,
            flow_name: short_name(&change.flow_uri),
            subflow_id,
        }
    }

    fn queue_only(content: &Content<'a>) -> Self {
        let mut tasks = content.queue.values().map(|change| &change.task_id);
        let task_name = match (tasks.next(), tasks.next()) {
            (Some(only), None) => only.clone(),
            _ => Cow::default(),
        };
        Self {
            task_name,
            ..Self::default()
        }
    }
}

/// `res://flow:intake` is `intake`, `res://flow:a:b` is `b`.
fn short_name<'a>(uri: &Cow<'a, str>) -> Cow<'a, str> {
    fn short(uri: &str) -> &str {
        uri.rsplit_once(':').map_or(uri, |(_, name)| name)
    }
    match uri {
        Cow::Borrowed(uri) => Cow::Borrowed(short(uri)),
        Cow::Owned(uri) => Cow::Owned(short(uri).to_owned()),
    }
}

#[cfg(test)]
mod tests;
