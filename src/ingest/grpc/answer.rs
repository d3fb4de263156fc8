//! The answering half: from receipts to acks.

use tokio::sync::mpsc::{Receiver, Sender};

use super::{Recorder, read::Pending};
use crate::{
    event::Reason,
    ingest::{
        row::Source,
        ticket::{Counts, Lost, Outcome},
    },
    proto::{
        Ack, Chunk, Durability, PersistenceChanged, RecordResponse, Rejection, RejectionCode,
        Welcome, record_response::Message,
    },
    status::Status,
};

type Answers = Sender<Result<RecordResponse, tonic::Status>>;

/// Rejections of one ack before it is sent, whatever else is ready: an ack stays a small message.
const REJECTIONS: usize = 1_000;

/// Welcomes, then answers every chunk in order, and tells of toggles; returns when the reading half
/// is over and everything is answered, or with what ends the stream.
pub(super) async fn receipts(
    recorder: &Recorder,
    source: &Source,
    mut waiting: Receiver<Pending>,
    answers: &Answers,
) -> Result<(), Status> {
    let mut changes = recorder.toggles.changes();
    let mut enabled = recorder.toggles.persistence(&source.user, &source.app);
    send(answers, welcome(recorder, enabled)).await;
    let mut current = None;
    let mut ack = Ack::default();
    loop {
        // In this order: what is settled by now goes into one ack, which is sent when the next
        // chunk is not settled yet.
        tokio::select! {
            biased;
            Ok(()) = changes.changed() => {
                let now = recorder.toggles.persistence(&source.user, &source.app);
                if now != enabled {
                    enabled = now;
                    let news = PersistenceChanged { persistence_enabled: now };
                    send(answers, Message::PersistenceChanged(news)).await;
                }
            }
            answered = next(&mut current, &mut waiting) => match answered {
                Some((pending, Ok(outcome))) => {
                    recorder.metrics.answered(&outcome.counts, pending.read_at.elapsed());
                    if ack.through_sequence > 0 && ack.durability() != durability(&outcome) {
                        flush(&mut ack, answers).await;
                    }
                    add(&mut ack, pending.sequence, outcome);
                    if ack.rejections.len() >= REJECTIONS {
                        flush(&mut ack, answers).await;
                    }
                }
                Some((_, Err(Lost))) => {
                    recorder.metrics.lost();
                    flush(&mut ack, answers).await;
                    return Err(Status::unavailable(
                        "a chunk was lost before it was stored; send everything that was not acknowledged again",
                    ));
                }
                None => {
                    flush(&mut ack, answers).await;
                    return Ok(());
                }
            },
            // What it sent is written all the same; its place is for the next stream.
            () = answers.closed() => return Ok(()),
            () = std::future::ready(()), if ack.through_sequence > 0 => flush(&mut ack, answers).await,
        }
    }
}

/// Waits for the answer of the chunk that is next; none when there are no more. Cancel safe: the
/// chunk that is waited for stays in `current`.
async fn next(
    current: &mut Option<Pending>,
    waiting: &mut Receiver<Pending>,
) -> Option<(Pending, Result<Outcome, Lost>)> {
    if current.is_none() {
        *current = waiting.recv().await;
    }
    let answer = current.as_mut()?.receipt.answer().await;
    current.take().map(|pending| (pending, answer))
}

/// Sends the ack, if it answers anything, and begins a new one.
async fn flush(ack: &mut Ack, answers: &Answers) {
    let ack = std::mem::take(ack);
    if ack.through_sequence > 0 {
        send(answers, Message::Ack(ack)).await;
    }
}

/// One ack covers one durability.
fn durability(outcome: &Outcome) -> Durability {
    if outcome.spooled {
        Durability::Spooled
    } else {
        Durability::Committed
    }
}

fn add(ack: &mut Ack, sequence: u64, outcome: Outcome) {
    ack.set_durability(durability(&outcome));
    let Counts {
        recorded,
        completed,
        skipped,
        superseded,
        invalid,
    } = outcome.counts;
    ack.through_sequence = sequence;
    ack.recorded += recorded;
    ack.completed += completed;
    ack.skipped += skipped;
    ack.superseded += superseded;
    ack.invalid += invalid;
    ack.rejections
        .extend(outcome.rejections.into_iter().map(|rejection| Rejection {
            sequence,
            index: rejection.index,
            code: code(rejection.invalid.reason).into(),
            reason: rejection.invalid.sentence,
        }));
}

fn code(reason: Reason) -> RejectionCode {
    match reason {
        Reason::UnknownKind => RejectionCode::UnknownKind,
        Reason::MissingField => RejectionCode::MissingField,
        Reason::InvalidText => RejectionCode::InvalidText,
        Reason::TextTooLong => RejectionCode::TextTooLong,
        Reason::InvalidTime => RejectionCode::InvalidTime,
        Reason::InvalidStepId => RejectionCode::InvalidStepId,
        Reason::EventTooLarge => RejectionCode::EventTooLarge,
        Reason::RefusedByDatabase => RejectionCode::RefusedByDatabase,
    }
}

fn welcome(recorder: &Recorder, persistence_enabled: bool) -> Message {
    let limits = &recorder.limits;
    Message::Welcome(Welcome {
        persistence_enabled,
        max_chunk_bytes: limits.max_chunk_bytes as u64,
        max_event_bytes: limits.max_event_bytes as u64,
        max_chunk_events: u32::try_from(Chunk::MAX_EVENTS).unwrap_or(u32::MAX),
        max_unanswered_chunks: u32::try_from(limits.max_unanswered_chunks).unwrap_or(u32::MAX),
    })
}

/// A client that has gone ends the stream in the reading half; what it sent is stored all the same.
async fn send(answers: &Answers, message: Message) {
    let _ = answers
        .send(Ok(RecordResponse {
            message: Some(message),
        }))
        .await;
}
