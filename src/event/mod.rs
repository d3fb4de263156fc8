//! What is recorded: the three things an engine reports about a flow instance, checked and typed.
//!
//! Pure: no input, no output, no clock. Texts and payloads are borrowed from whatever they came
//! in; nothing here is copied. An event that exists in these types can be stored as it is: its
//! texts hold no NUL, its indexed texts fit an index, its times fit PostgreSQL.

mod check;
mod committed;
pub mod flogo;
mod time;

pub use check::{INDEXED_TEXT_BYTES, Invalid, Reason, excerpt, indexed_text, text};
pub use committed::{App, Committed, CommittedStep};
pub use time::Micros;

/// One reported thing. Field by field the columns of `flowstate` and `steps`; `None` is NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A flow instance began.
    Started(FlowStart<'a>),
    /// An instance took a step.
    Step(Step<'a>),
    /// An instance ended, or paused.
    Ended(FlowEnd<'a>),
}

impl<'a> Event<'a> {
    /// The instance it happened to.
    pub fn instance(&self) -> &'a str {
        match self {
            Self::Started(start) => start.instance,
            Self::Step(step) => step.instance,
            Self::Ended(end) => end.instance,
        }
    }

    /// Bytes of its texts and payloads.
    pub fn bytes(&self) -> usize {
        let sum = |texts: &[Option<&str>], payloads: &[Option<&[u8]>]| {
            let texts = texts.iter().flatten().map(|text| text.len());
            let payloads = payloads.iter().flatten().map(|payload| payload.len());
            self.instance().len() + texts.sum::<usize>() + payloads.sum::<usize>()
        };
        match self {
            Self::Started(e) => sum(
                &[e.flow, e.status, e.original, e.parent, e.parent_flow],
                &[e.input, e.misc],
            ),
            Self::Step(e) => sum(
                &[e.task, e.status, e.flow, e.subflow, e.parent],
                &[e.content, e.misc],
            ),
            Self::Ended(e) => sum(&[e.flow, e.status], &[e.output]),
        }
    }
}

/// The beginning of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStart<'a> {
    /// `flowinstanceid`, not empty.
    pub instance: &'a str,
    /// `starttime`; with the instance the name of the attempt.
    pub started_at: Micros,
    /// `endtime` as long as the flow runs.
    pub ended_at: Option<Micros>,
    /// `flowname`.
    pub flow: Option<&'a str>,
    /// `status`; [`FlowStart::RESTARTED`] when the instance goes on at a step.
    pub status: Option<&'a str>,
    /// `rerunofflowinstanceid`.
    pub original: Option<&'a str>,
    /// `parentflowinstanceid`.
    pub parent: Option<&'a str>,
    /// `parentflowname`.
    pub parent_flow: Option<&'a str>,
    /// `flowinput`.
    pub input: Option<&'a [u8]>,
    /// `misc`.
    pub misc: Option<&'a [u8]>,
}

impl FlowStart<'_> {
    /// Status of a start that goes on at a step of an earlier attempt (contract 2.4).
    pub const RESTARTED: &'static str = "Started";
}

/// One recorded change of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// `flowinstanceid`, not empty.
    pub instance: &'a str,
    /// `stepid`, 0 or above.
    pub number: u32,
    /// `starttime`.
    pub started_at: Micros,
    /// `endtime`.
    pub ended_at: Option<Micros>,
    /// `taskname`.
    pub task: Option<&'a str>,
    /// `status`.
    pub status: Option<&'a str>,
    /// `flowname`.
    pub flow: Option<&'a str>,
    /// `subflowid`.
    pub subflow: Option<&'a str>,
    /// `rerun`.
    pub rerun: Option<bool>,
    /// `parentstepid`.
    pub parent: Option<&'a str>,
    /// `stepdata`.
    pub content: Option<&'a [u8]>,
    /// `misc`.
    pub misc: Option<&'a [u8]>,
}

/// The end of an attempt, or a pause in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEnd<'a> {
    /// `flowinstanceid`, not empty.
    pub instance: &'a str,
    /// Start time of the attempt that ended; `None` is the newest attempt.
    pub started_at: Option<Micros>,
    /// `endtime`.
    pub ended_at: Micros,
    /// `status`.
    pub status: Option<&'a str>,
    /// `flowname`, used when no start was recorded.
    pub flow: Option<&'a str>,
    /// `flowoutput`.
    pub output: Option<&'a [u8]>,
}
