//! All that a step says, for reading (contract, sections 1.3 and 2.7).

use std::{borrow::Cow, collections::BTreeMap};

use litemap::LiteMap;
use serde_json::value::RawValue;

use super::{
    Time,
    json::{Field, Invalid, Object, Read, body, entries, null, raw},
};

/// A step as an engine posted it. Texts and payloads are borrowed from it; payloads are not decoded,
/// so numbers stay as they were sent.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// `flowId`.
    pub instance_id: Cow<'a, str>,
    /// `id`, 0 or above.
    pub step_id: i32,
    /// `flowChanges`, by the number of the subflow, 0 for the main flow. The number is the key: a
    /// change's own `subflowId` is set only where the subflow begins.
    pub changes: LiteMap<i64, FlowChange<'a>>,
    /// `queueChanges`, by the number of the work item.
    pub queue: LiteMap<i64, QueueChange<'a>>,
    /// `starttime`.
    pub start_time: Time,
    /// `endtime`.
    pub end_time: Time,
    /// `rerun`: recorded while the instance was repeated in place.
    pub rerun: bool,
}

/// What a step did to one flow or subflow.
#[derive(Clone, Debug)]
pub struct FlowChange<'a> {
    /// `newFlow`: it begins here.
    pub new_flow: bool,
    /// `flowURI`.
    pub flow_uri: Cow<'a, str>,
    /// `taskId`: the task that was changed last.
    pub task_id: Cow<'a, str>,
    /// `status`; 0 is "not changed". Section 2.6 has the numbers.
    pub status: i64,
    /// `attrs`.
    pub attrs: Payload<'a>,
    /// `tasks`, by id bytewise.
    pub tasks: LiteMap<Cow<'a, str>, TaskChange<'a>>,
    /// `links`, by number.
    pub links: LiteMap<i64, LinkChange<'a>>,
    /// `returnData`: what it returned when it ended.
    pub return_data: Payload<'a>,
}

/// What a step did to a task.
#[derive(Clone, Copy, Debug)]
pub struct TaskChange<'a> {
    /// `change`.
    pub change: Change,
    /// `status`.
    pub status: i64,
    /// `input`.
    pub input: Payload<'a>,
}

/// What a step did to a link.
#[derive(Clone, Debug)]
pub struct LinkChange<'a> {
    /// `change`.
    pub change: Change,
    /// `status`.
    pub status: i64,
    /// `from`: a task; empty unless the engine records for a debugger.
    pub from: Cow<'a, str>,
    /// `to`, as `from`.
    pub to: Cow<'a, str>,
}

/// What a step did to the queue of work.
#[derive(Clone, Debug)]
pub struct QueueChange<'a> {
    /// `change`.
    pub change: Change,
    /// `subflowId`; engines send 0, whatever the subflow.
    pub subflow_id: i64,
    /// `taskId`.
    pub task_id: Cow<'a, str>,
}

/// `change` of a task, a link or a work item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// 0.
    Add,
    /// 1, and any number that is not known.
    Update,
    /// 2.
    Delete,
}

/// A free-form object, or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload<'a>(Option<&'a str>);

impl<'a> Content<'a> {
    /// Reads the body of a step.
    ///
    /// # Errors
    /// [`Invalid`] with the field that Go's decoder would not take, or that is `null` where its
    /// service would crash.
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        let body = body(text)?;
        let [id, instance, changes, queue, start, end, rerun] = Object::of(&body)?.fields([
            "id",
            "flowId",
            "flowChanges",
            "queueChanges",
            "starttime",
            "endtime",
            "rerun",
        ])?;
        Ok(Self {
            changes: changes.numbered(|change| FlowChange::read(change.ok_or_else(null)?))?,
            queue: queue.numbered(|change| QueueChange::read(change.unwrap_or_default()))?,
            instance_id: instance.word()?,
            step_id: id.count()?,
            start_time: start.time()?,
            end_time: end.time()?,
            rerun: rerun.flag()?,
        })
    }

    /// The change that the step's row is about, with its subflow, and the one it was made together
    /// with. The call of a subflow belongs to the flow that calls, anything else to the subflow. A
    /// step may change no flow at all: after a subflow that failed unhandled, which the engine
    /// reports by a step of its own, the outer step only queues the task that called.
    pub fn changed(&self) -> Option<(Changed<'_, 'a>, Option<Changed<'_, 'a>>)> {
        let mut changes = self.changes.iter().map(|(id, change)| (*id, change));
        let lowest = changes.next()?;
        Some(match changes.next() {
            None => (lowest, None),
            Some(child) if child.1.new_flow => (lowest, Some(child)),
            Some(child) => (child, Some(lowest)),
        })
    }
}

/// A subflow's number and what a step did to it.
pub type Changed<'c, 'a> = (i64, &'c FlowChange<'a>);

impl<'a> FlowChange<'a> {
    /// The lowest status of a flow that has ended: completed, cancelled or failed (section 2.6).
    pub const ENDED: i64 = 500;

    fn read(object: Object<'_, 'a>) -> Read<Self> {
        let [
            new_flow,
            uri,
            subflow,
            task,
            status,
            attrs,
            tasks,
            links,
            returned,
        ] = object.fields([
            "newFlow",
            "flowURI",
            "subflowId",
            "taskId",
            "status",
            "attrs",
            "tasks",
            "links",
            "returnData",
        ])?;
        subflow.integer()?;
        Ok(Self {
            new_flow: new_flow.flag()?,
            flow_uri: uri.word()?,
            task_id: task.word()?,
            status: status.integer()?,
            attrs: Payload(attrs.payload()?),
            tasks: tasks.map(|task| TaskChange::read(task.ok_or_else(null)?))?,
            links: links.numbered(|link| LinkChange::read(link.unwrap_or_default()))?,
            return_data: Payload(returned.payload()?),
        })
    }

    /// The task whose status counts, and the word for it. With concurrent execution there can be
    /// several, of which Go picks any: here it is the change's own task, else the one with the
    /// smallest id.
    pub fn counted(&self) -> Option<(&Cow<'a, str>, &TaskChange<'a>, &'static str)> {
        self.tasks
            .iter()
            .filter_map(|(id, task)| Some((id, task, counted_word(task.status)?)))
            .min_by_key(|(id, ..)| **id != self.task_id)
    }
}

impl<'a> TaskChange<'a> {
    fn read(object: Object<'_, 'a>) -> Read<Self> {
        let [change, status, input] = object.fields(["change", "status", "input"])?;
        Ok(Self {
            change: Change::read(change)?,
            status: status.integer()?,
            input: Payload(input.payload()?),
        })
    }
}

impl<'a> LinkChange<'a> {
    fn read(object: Object<'_, 'a>) -> Read<Self> {
        let [change, status, from, to] = object.fields(["change", "status", "from", "to"])?;
        Ok(Self {
            change: Change::read(change)?,
            status: status.integer()?,
            from: from.word()?,
            to: to.word()?,
        })
    }
}

impl<'a> QueueChange<'a> {
    fn read(object: Object<'_, 'a>) -> Read<Self> {
        let [change, subflow, task] = object.fields(["change", "subflowId", "taskId"])?;
        Ok(Self {
            change: Change::read(change)?,
            subflow_id: subflow.integer()?,
            task_id: task.word()?,
        })
    }
}

impl Change {
    fn read(field: Field<'_, '_>) -> Read<Self> {
        Ok(match field.integer()? {
            0 => Self::Add,
            2 => Self::Delete,
            _ => Self::Update,
        })
    }
}

impl<'a> Payload<'a> {
    /// The object as it came; none when it was `null`, not sent, or is empty.
    pub fn filled(self) -> Option<&'a RawValue> {
        let text = self.0?;
        let inside = text.strip_prefix('{')?.strip_suffix('}')?;
        (!inside.trim_ascii().is_empty()).then(|| raw(text))?
    }

    /// Its entries, by key bytewise; the last of equal keys stays.
    ///
    /// # Errors
    /// [`Invalid`] when a key is no text: it holds half of a surrogate pair.
    pub fn entries(self) -> Result<BTreeMap<Cow<'a, str>, &'a RawValue>, Invalid> {
        self.0.map_or_else(|| Ok(BTreeMap::new()), entries)
    }
}

/// The word of a task status that counts in the row.
fn counted_word(status: i64) -> Option<&'static str> {
    match status {
        30 => Some("Waiting"),
        40 => Some("Completed"),
        100 => Some("Failed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads_keep_their_bytes_and_changes_the_number_of_their_key() {
        let text = r#"{"id":4,"flowId":"i","flowChanges":{"10":{"subflowId":0,"attrs":
            {"b":1.0,"a":12345678901234567890,"a":1e400},"returnData":{ },"tasks":
            {"t":{"change":2,"status":40,"input":{"x" : "\u003c"}},"s":{"change":7}}},"2":{}},
            "queueChanges":{"3":{"taskId":"t","change":2},"4":null},"rerun":true}"#;
        let content = Content::parse(text).expect("a step");
        assert_eq!(content.changes.keys().copied().collect::<Vec<_>>(), [2, 10]);
        let change = &content.changes[&10];
        let attrs = change.attrs.entries().expect("texts");
        let attrs: Vec<_> = attrs.iter().map(|(key, raw)| (&**key, raw.get())).collect();
        assert_eq!(attrs, [("a", "1e400"), ("b", "1.0")]);
        let task = |id| change.tasks.get(id).expect("it is changed");
        let input = task("t").input.filled().map(RawValue::get);
        assert_eq!(input, Some(r#"{"x" : "\u003c"}"#));
        assert!(change.return_data.filled().is_none());
        assert_eq!(task("t").change, Change::Delete);
        assert_eq!(task("s").change, Change::Update);
        assert_eq!(content.queue[&3].change, Change::Delete);
        assert_eq!(content.queue[&4].change, Change::Add);
        assert!(content.rerun);
    }

    #[test]
    fn of_changes_by_the_same_key_the_last_stays_wherever_it_stands() {
        let text = r#"{"flowChanges":{"7":{"status":1},"0":{"status":2,
            "tasks":{"t":{"status":1},"s":{"status":2},"\u0074":{"status":3}},
            "links":{"2":{"status":1},"1":{"status":2},"02":{"status":3}}},"7":{"status":3}},
            "queueChanges":{"1":{"taskId":"a"},"0":{"taskId":"b"},"1":{"taskId":"c"}}}"#;
        let content = Content::parse(text).expect("a step");
        let of = |id| content.changes.get(&id).map(|change| change.status);
        assert_eq!((of(0), of(7)), (Some(2), Some(3)));
        assert_eq!(content.changes.keys().copied().collect::<Vec<_>>(), [0, 7]);
        let (tasks, links) = (&content.changes[&0].tasks, &content.changes[&0].links);
        let tasks: Vec<_> = tasks
            .iter()
            .map(|(id, task)| (&**id, task.status))
            .collect();
        assert_eq!(tasks, [("s", 2), ("t", 3)]);
        let links: Vec<_> = links.iter().map(|(id, link)| (*id, link.status)).collect();
        assert_eq!(links, [(1, 2), (2, 3)]);
        let queue: Vec<_> = content.queue.values().map(|item| &*item.task_id).collect();
        assert_eq!(queue, ["b", "c"]);
    }

    #[test]
    fn a_key_that_is_no_text_is_an_error_where_it_is_read() {
        let text = r#"{"flowChanges":{"0":{"attrs":{"\ud800":1}}}}"#;
        let content = Content::parse(text).expect("a step");
        content.changes[&0].attrs.entries().expect_err("no text");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, cut in 0_usize..600, at in 0_usize..600, byte: u8) {
            let _ = Content::parse(&String::from_utf8_lossy(&bytes)).map(|_| ());
            let mut step = br#"{"id":2,"flowChanges":{"0":{"newFlow":false,"flowURI":"u","taskId":"t","status":0,
                "attrs":null,"tasks":{"t":{"change":1,"status":30,"input":{"q":[5,{"a":-1e9}]}}},"links":{"1":{"change":0,
                "from":"a","to":"\u00e9"}},"returnData":{}}},"queueChanges":{"2":{"change":2,"taskId":"t"}},
                "starttime":"2026-11-20T19:57:35.842723249Z","rerun":false}"#.to_vec();
            if let Some(place) = step.get_mut(at) {
                *place = byte;
            }
            step.truncate(if cut < 300 { step.len() } else { cut });
            if let Ok(content) = Content::parse(&String::from_utf8_lossy(&step)) {
                for change in content.changes.values() {
                    let _ = change.attrs.entries().map(|entries| entries.len());
                    let _ = change.counted();
                }
                content.changed();
            }
        }
    }
}
