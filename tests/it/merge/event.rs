//! What engines report about an instance, and which of two contradicting reports wins.

/// Seconds since 1970.
pub(super) type Time = i64;

/// A column where NULL is greater than every value, as in a comparison of records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nullable<T>(bool, Option<T>);

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        Self(value.is_none(), value)
    }
}

type Text = Nullable<String>;

/// Who reports; each writer takes the same two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) user: String,
    pub(super) app: String,
    pub(super) version: String,
    pub(super) host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Start {
    pub(super) at: Time,
    pub(super) flow: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) original: Option<String>,
    pub(super) input: Option<String>,
    pub(super) misc: Option<String>,
    pub(super) status: Option<String>,
    pub(super) ended_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) at: Option<Time>,
    pub(super) ended_at: Time,
    pub(super) status: Option<String>,
    pub(super) output: Option<String>,
    pub(super) flow: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) number: i32,
    pub(super) at: Time,
    pub(super) ended_at: Option<Time>,
    pub(super) data: Option<String>,
    pub(super) task: Option<String>,
    pub(super) status: Option<String>,
    pub(super) rerun: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Start(Source, Start),
    End(Source, End),
    Step(Step),
}

/// A rerun's cut: what it was asked for, and the newest attempt that was stored then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cut {
    pub(super) from: i32,
    pub(super) asked_at: Time,
    pub(super) base: Option<Time>,
}

impl Source {
    /// The columns in front of the flow's.
    fn app(&self) -> [String; 3] {
        [&self.user, &self.app, &self.version].map(Clone::clone)
    }
}

impl What {
    /// What decides whether a deletion came after it.
    pub(super) fn began(&self) -> Time {
        match self {
            Self::Start(_, start) => start.at,
            Self::End(_, end) => end.at.unwrap_or(end.ended_at),
            Self::Step(step) => step.at,
        }
    }
}

/// A start that begins anew beats one that goes on; then the record decides.
pub(super) fn start_rank(source: &Source, start: &Start) -> impl Ord + use<> {
    let texts = [&start.flow, &start.parent, &start.original, &start.input];
    let [flow, parent, original, input] = texts.map(|text| Text::from(text.clone()));
    (
        begins_anew(start),
        source.app(),
        flow,
        source.host.clone(),
        (parent, original, input, Text::from(start.misc.clone())),
        Text::from(start.status.clone()),
        Nullable::from(start.ended_at),
    )
}

pub(super) fn begins_anew(start: &Start) -> bool {
    start.status.as_deref() != Some("Started")
}

/// What shows of an end: terminal before paused, then the later one, then the record.
pub(super) fn end_rank(end: &End) -> (bool, Time, Text, Text) {
    let terminal = matches!(
        end.status.as_deref(),
        Some("Completed" | "Failed" | "Cancelled")
    );
    let (status, output) = (end.status.clone(), end.output.clone());
    (terminal, end.ended_at, status.into(), output.into())
}

/// The winner among ends: what does not show of an end with a start decides last.
pub(super) fn whole_end_rank(source: &Source, end: &End) -> impl Ord + use<> {
    let flow = Text::from(end.flow.clone());
    (end_rank(end), source.app(), flow, source.host.clone())
}

/// Among records of a step that began at the same time.
pub(super) fn step_rank(step: &Step) -> impl Ord + use<> {
    (
        step.ended_at,
        Text::from(step.data.clone()),
        Text::from(step.task.clone()),
        Text::from(step.status.clone()),
        Nullable::from(step.rerun),
    )
}
