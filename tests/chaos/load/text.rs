//! The texts of events, in the words of engines.

use std::sync::LazyLock;

use bytes::Bytes;

use super::story::{End, Source, Start, Time};
use crate::support::Chance;

/// What a step says.
pub(super) struct Told<'a> {
    pub(super) instance: &'a str,
    pub(super) number: i32,
    pub(super) flow: &'a str,
    pub(super) task: &'a str,
    pub(super) failed: bool,
    pub(super) at: Time,
    pub(super) ended_at: Time,
    pub(super) rerun: bool,
    pub(super) state: &'a str,
}

/// Letters and digits without an order.
static NOISE: LazyLock<String> = LazyLock::new(|| {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut chance = Chance(0x0dd5);
    (0..512 << 10)
        .map(|_| char::from(SIGNS[chance.below(64)]))
        .collect()
});

/// A text of so many letters that `place` decides; up to 256 KiB.
pub(super) fn noise(place: u64, bytes: usize) -> &'static str {
    let from = usize::try_from(place % (256 << 10)).expect("an index");
    &NOISE[from..from + bytes]
}

fn time(at: Time) -> String {
    let at = jiff::Timestamp::from_microsecond(at).expect("a year of four digits");
    at.to_string()
}

/// The body of a step.
pub(super) fn step(told: &Told<'_>) -> Bytes {
    let Told {
        instance,
        number,
        flow,
        task,
        state,
        rerun,
        ..
    } = told;
    let status = if told.failed { 100 } else { 40 };
    let (at, ended_at) = (time(told.at), time(told.ended_at));
    format!(
        r#"{{"id":{number},"flowId":"{instance}","flowChanges":{{"0":{{"newFlow":false,"flowURI":"res://flow:{flow}","subflowId":0,"taskId":"{task}","status":0,"attrs":{{"state":"{state}"}},"tasks":{{"{task}":{{"change":2,"status":{status},"input":null}}}},"links":{{"{number}":{{"change":1,"status":2,"from":"","to":""}}}},"returnData":null}}}},"queueChanges":{{"{number}":{{"change":2,"subflowId":0,"taskId":"{task}"}}}},"starttime":"{at}","endtime":"{ended_at}","rerun":{rerun}}}"#
    )
    .into()
}

/// The body of a start.
pub(super) fn start(source: &Source, instance: &str, start: &Start) -> Vec<u8> {
    let original = start.original.as_deref().unwrap_or_default();
    let texts = [instance, &start.flow, start.status, original];
    state(
        source,
        texts,
        [&start.input, b"null"],
        [start.at, start.ended_at],
    )
}

/// The body of an end.
pub(super) fn end(source: &Source, instance: &str, end: &End) -> Vec<u8> {
    let flow = end.flow.as_deref().unwrap_or_default();
    let at = end.at.expect("ends over REST name their attempt");
    let texts = [instance, flow, end.status, ""];
    state(source, texts, [b"null", &end.output], [at, end.ended_at])
}

fn state(
    source: &Source,
    [instance, flow, status, original]: [&str; 4],
    payloads: [&[u8]; 2],
    times: [Time; 2],
) -> Vec<u8> {
    let Source {
        user,
        app,
        version,
        host,
    } = source;
    let [inputs, outputs] = payloads.map(String::from_utf8_lossy);
    let [at, ended_at] = times.map(time);
    format!(
        r#"{{"user_id":"{user}","app_name":"{app}","app_version":"{version}","host_id":"{host}","flow_name":"{flow}","flow_instance_id":"{instance}","flow_inputs":{inputs},"flow_outputs":{outputs},"flow_stats":"{status}","rerun_count":0,"start_time":"{at}","end_time":"{ended_at}","original_instance_id":"{original}"}}"#
    )
    .into_bytes()
}
