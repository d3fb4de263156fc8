//! The client's end of a recorder stream: events in, chunks out, every event answered or named.
//!
//! A [`Sender`] is a handle; a task of its own (`driver`) holds the conversation. It fills chunks,
//! reads acks while it sends, and when the connection breaks it connects again and sends what was
//! not answered once more. Memory is bounded by the server's welcome: so many unanswered chunks of
//! so many bytes, and one chunk being filled.

mod driver;
mod outbox;

use std::{fmt, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, transport::Channel};

use crate::proto::Hello;

/// What a stream is and how it is sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who reports; the first message of the stream.
    pub hello: Hello,
    /// Events in a chunk at most, 1 or above.
    pub chunk_events: usize,
    /// How long an outage may last, from the first failure after the last ack; zero gives up at once.
    pub retry_for: Duration,
}

/// An event to send: an encoded `flowtrail.v1.Event`.
#[derive(Clone, Debug)]
pub struct Event {
    /// What the caller knows it by, the line in a file for example.
    pub tag: u64,
    /// `Event::encode_to_vec`.
    pub encoded: Bytes,
}

/// What happens to a stream while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// So many more events were answered, rejected ones among them.
    Answered(u64),
    /// The event with this tag will never be stored, for this reason.
    Rejected {
        /// [`Event::tag`].
        tag: u64,
        /// One sentence.
        reason: String,
    },
    /// The connection broke and is tried again.
    Interrupted {
        /// What the connection said.
        cause: String,
    },
}

/// What became of a stream's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events pushed.
    pub events: u64,
    /// Stored.
    pub recorded: u64,
    /// Ends that completed an instance begun before its app was switched off.
    pub completed: u64,
    /// Not stored, as the app is switched off.
    pub skipped: u64,
    /// Already stored, or a later one is.
    pub superseded: u64,
    /// Rejected.
    pub invalid: u64,
    /// Not answered when the stream was given up.
    pub unanswered: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.recorded += other.recorded;
        self.completed += other.completed;
        self.skipped += other.skipped;
        self.superseded += other.superseded;
        self.invalid += other.invalid;
        self.unanswered += other.unanswered;
    }
}

/// The stream was given up; [`Sender::finish`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream was given up")]
pub struct GivenUp;

/// Why a stream was given up, and what had become of its events.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Every event pushed, the unanswered ones counted.
    pub totals: Totals,
    /// What the connection or the server said last.
    pub cause: Status,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unanswered = self.totals.unanswered;
        write!(
            f,
            "events not answered: {unanswered}: {}",
            said(&self.cause)
        )
    }
}

impl std::error::Error for Failure {}

/// A recorder stream that takes events.
#[derive(Debug)]
pub struct Sender {
    queue: mpsc::Sender<Event>,
    driver: JoinSet<Result<Totals, Failure>>,
    /// Pushed after the stream was given up.
    refused: u64,
}

impl Sender {
    /// Begins a stream; it connects at once, in a task of its own. `notice` is told what happens
    /// and must not block.
    pub fn open(
        channel: Channel,
        options: Options,
        notice: impl FnMut(Notice) + Send + 'static,
    ) -> Self {
        let (queue, events) = mpsc::channel(options.chunk_events.max(1));
        let mut driver = JoinSet::new();
        driver.spawn(driver::Driver::new(channel, options, events, notice).run());
        Self {
            queue,
            driver,
            refused: 0,
        }
    }

    /// Takes an event, once there is room for it. Events are sent in the order of the calls.
    ///
    /// # Errors
    /// [`GivenUp`] when the stream is over; the event counts as unanswered.
    pub async fn push(&mut self, event: Event) -> Result<(), GivenUp> {
        let pushed = self.queue.send(event).await;
        pushed.map_err(|_| {
            self.refused += 1;
            GivenUp
        })
    }

    /// Sends the rest, waits for every answer and closes the stream.
    ///
    /// # Errors
    /// [`Failure`] when the stream was given up before every event was answered.
    pub async fn finish(mut self) -> Result<Totals, Failure> {
        drop(self.queue);
        let outcome = match self.driver.join_next().await {
            Some(Ok(outcome)) => outcome,
            ended => Err(Failure {
                totals: Totals::default(),
                cause: Status::internal(format!("the stream's task ended by itself: {ended:?}")),
            }),
        };
        outcome.map_err(|mut failure| {
            failure.totals.events += self.refused;
            failure.totals.unanswered += self.refused;
            failure
        })
    }
}

/// What a status says, its causes included: the message of a broken connection says little alone.
fn said(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let error_text = error.to_string();
        if !text.contains(&error_text) {
            text = format!("{text}: {error_text}");
        }
        cause = error.source();
    }
    if text.is_empty() {
        status.code().description().clone_into(&mut text);
    }
    text
}
