//! What steps did to tasks.

use futures_util::{TryStreamExt as _, pin_mut};
use serde_json::value::RawValue;

use crate::{
    proto,
    query::{Error, History, tasks},
};
use prost::Message as _;

use super::ask;

/// Bytes of an input or output that a list holds, at most.
const SHOWN: usize = 256 << 10;
/// Bytes of tasks behind which a page ends: with the last task it is still under 4 MiB.
const PAGE_BYTES: usize = 2 << 20;
/// Tasks behind which a page ends.
const PAGE: usize = 1_000;

/// A page of tasks.
pub(super) async fn list(
    history: &History,
    request: proto::ListTasksRequest,
) -> Result<proto::ListTasksResponse, Error> {
    let (id, attempt) = (&request.instance_id, ask::attempt(request.attempt));
    let steps = history.contents(id, attempt, request.after, None);
    pin_mut!(steps);
    let mut page = proto::ListTasksResponse::default();
    let (mut bytes, mut last) = (0, None);
    while let Some(step) = steps.try_next().await? {
        if bytes > PAGE_BYTES || page.tasks.len() >= PAGE {
            page.next_after = last;
            break;
        }
        last = Some(step.step.id);
        for task in step.tasks()? {
            let task = message(task, step.step.id);
            bytes += task.encoded_len();
            page.tasks.push(task);
        }
    }
    if last.is_none() && request.after.is_none() && !history.is_stored(id).await? {
        return Err(Error::no_instance(id));
    }
    Ok(page)
}

fn message(of: tasks::Task, step_id: u32) -> proto::Task {
    let size = |json: &Option<Box<RawValue>>| json.as_ref().map_or(0, |json| json.get().len());
    let (input_bytes, output_bytes) = (size(&of.input), size(&of.output));
    let shown = |json: Option<Box<RawValue>>| {
        let json = json.filter(|json| json.get().len() <= SHOWN);
        json.map_or_else(Default::default, |json| {
            String::from(Box::<str>::from(json)).into()
        })
    };
    proto::Task {
        task_id: of.id,
        step_id,
        subflow_id: of.subflow_id,
        input: shown(of.input),
        output: shown(of.output),
        input_bytes: input_bytes as u64,
        output_bytes: output_bytes as u64,
        status: of.status.to_owned(),
        flow_status: of.flow_status.to_owned(),
        start_task: of.start_task,
        new_subflow: of.new_subflow,
        flow_uri: of.flow_uri,
        links: of.links.into_iter().map(link).collect(),
    }
}

fn link(of: tasks::Link) -> proto::TaskLink {
    proto::TaskLink {
        from: of.from,
        to: of.to,
        from_task_status: of.from_status.to_owned(),
        to_task_status: of.to_status.to_owned(),
        status: of.status.word().to_owned(),
    }
}
