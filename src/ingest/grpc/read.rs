//! The reading half: from messages to tickets. What has arrived when the client goes is taken too: an
//! engine that crashed does not send it again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::Sender},
    time::Instant,
};
use tonic::Streaming;

use super::Recorder;
use crate::{
    config,
    event::App,
    ingest::{
        load::{self, Terms},
        queue::{Holder, Permit},
        row::Source,
        ticket::Receipt,
    },
    proto::{Chunk, RecordRequest, RecordResponse, record_request::Message},
    status::{Code, Status},
};

/// A chunk on its way, in the order of arrival.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) sequence: u64,
    pub(super) receipt: Receipt,
    pub(super) read_at: Instant,
    /// Its place among the chunks that may be unanswered.
    _place: OwnedSemaphorePermit,
    /// Gives the places of its rejections back.
    _rejections: Rejections,
}

/// Rejections a stream may have before their acks are sent: those of one chunk of nothing else.
const UNSENT_REJECTIONS: usize = Chunk::MAX_EVENTS;

/// How long each message of a client that has gone may wait for room: its stream's place is for others.
const LAST_WORDS: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Rejections {
    unsent: Arc<Semaphore>,
    count: u32,
    _room: Permit,
}

impl Drop for Rejections {
    fn drop(&mut self) {
        self.unsent.add_permits(self.count as usize);
    }
}

/// What ends the reading half while it waits. Between handing a chunk to the lanes and noting its
/// receipt nothing may end it: what is taken is answered.
#[derive(Clone, Copy)]
struct Ends<'a> {
    recorder: &'a Recorder,
    answers: &'a Sender<Result<RecordResponse, tonic::Status>>,
}

impl Ends<'_> {
    /// Waits for `work`, unless the server stops or the client has been gone for a while.
    async fn or<F: Future>(self, work: F) -> Result<F::Output, Status> {
        tokio::select! {
            done = work => Ok(done),
            () = self.recorder.lifecycle.stopping().cancelled() => Err(stopped()),
            // Nobody hears this.
            () = self.gone() => Err(Status::unavailable("the client has gone")),
        }
    }

    async fn gone(self) {
        self.answers.closed().await;
        tokio::time::sleep(LAST_WORDS).await;
    }
}

/// Reads chunks until the client has closed its half (`Ok`), or until something ends the stream.
pub(super) async fn chunks(
    recorder: &Recorder,
    source: &Source,
    messages: &mut Streaming<RecordRequest>,
    receipts: Sender<Pending>,
    answers: &Sender<Result<RecordResponse, tonic::Status>>,
) -> Result<(), Status> {
    let ends = Ends { recorder, answers };
    let refused = |status: &Status| {
        let refusals = &recorder.refusals;
        refusals.refused("chunk", &source.app, &status.message);
    };
    let places = Arc::new(Semaphore::new(recorder.limits.max_unanswered_chunks));
    let unsent = Arc::new(Semaphore::new(UNSENT_REJECTIONS));
    let app = Arc::new(App {
        user: source.user.clone(),
        app: source.app.clone(),
    });
    let holder = Holder::app(Arc::clone(&app));
    let mut last = 0;
    // A place first: what is unanswered stays bounded.
    while let Ok(place) = ends.or(Arc::clone(&places).acquire_owned()).await? {
        let message = ends.or(messages.message()).await?;
        let message = message
            .map_err(|status| broken(&status, &recorder.limits))
            .inspect_err(|status| {
                if status.code != Code::Unavailable {
                    refused(status);
                }
            })?;
        let Some(request) = message else {
            return Ok(());
        };
        let chunk = expect_chunk(request, last).inspect_err(refused)?;
        last = chunk.sequence;
        let read_at = Instant::now();
        let permit = ends.or(room(recorder, source, &holder, &chunk)).await?;
        let (receipt, count, room) = take(recorder, source, &app, chunk, permit)?;
        let pending = Pending {
            sequence: last,
            receipt,
            read_at,
            _place: place,
            _rejections: Rejections {
                unsent: Arc::clone(&unsent),
                count,
                _room: room,
            },
        };
        // Nobody answers a client that has gone.
        if receipts.send(pending).await.is_err() && !answers.is_closed() {
            return Ok(());
        }
        if let Ok(places) = ends.or(unsent.acquire_many(count)).await? {
            places.forget();
        }
        // A chunk is work enough: what has arrived of others comes first.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Waits for room for everything that may be made of a chunk.
async fn room(recorder: &Recorder, source: &Source, holder: &Holder, chunk: &Chunk) -> Permit {
    let frame_bytes = chunk.events.iter().map(bytes::Bytes::len).sum::<usize>();
    let intake = &recorder.intake;
    let charge = load::charge(source, intake, chunk.events.len(), frame_bytes);
    intake.budget().room(holder, charge).await
}

/// Decodes, admits and submits a chunk; answers with its receipt, the number of events rejected so
/// far, and the room of these rejections: they stay when the chunk is answered.
fn take(
    recorder: &Recorder,
    source: &Source,
    app: &Arc<App>,
    chunk: Chunk,
    mut permit: Permit,
) -> Result<(Receipt, u32, Permit), Status> {
    let Recorder {
        intake,
        toggles,
        limits,
        ..
    } = recorder;
    let terms = Terms {
        source,
        enabled: toggles.persistence(&source.user, &source.app),
        max_event_bytes: limits.max_event_bytes,
    };
    let events = chunk.events.iter().map(|event| &event[..]);
    let registration = load::registration(toggles, source);
    let (mut loads, known) = load::load(events, terms, intake, registration);
    for load in &mut loads {
        load.app = Some(Arc::clone(app));
    }
    // The frame is gone from here on.
    drop(chunk.events);
    let room = permit.split(load::rejected_bytes(&known));
    permit.shrink_to(load::held_bytes(&loads));
    if let Some(first) = known.rejections.first() {
        let sentence = &first.invalid.sentence;
        recorder
            .refusals
            .rejected(known.rejections.len(), &source.app, sentence);
    }
    let rejected = u32::try_from(known.rejections.len()).unwrap_or(u32::MAX);
    let submitted = intake.submit(loads, chunk.resent, known, permit, None);
    let receipt = submitted.map_err(|_| stopped())?;
    Ok((receipt, rejected, room))
}

fn expect_chunk(request: RecordRequest, last: u64) -> Result<Chunk, Status> {
    let chunk = match request.message {
        Some(Message::Chunk(chunk)) => chunk,
        Some(Message::Hello(_)) => {
            return Err(Status::invalid(
                "a second `hello` came; one stream reports for one app and host, open another",
            ));
        }
        None => {
            return Err(Status::invalid(
                "a message is neither `hello` nor `chunk`; set one, or update the server",
            ));
        }
    };
    if chunk.sequence <= last {
        return Err(Status::invalid(format!(
            "chunk.sequence is {} after {last}; it must rise within a stream, from 1 on",
            chunk.sequence
        )));
    }
    if chunk.events.len() > Chunk::MAX_EVENTS {
        return Err(Status::invalid(format!(
            "chunk.events holds more than {}; split it, see welcome.max_chunk_events",
            Chunk::MAX_EVENTS
        )));
    }
    Ok(chunk)
}

/// What a client is told when its message could not be read.
pub(super) fn broken(status: &tonic::Status, limits: &config::Ingest) -> Status {
    match status.code() {
        tonic::Code::OutOfRange => Status::invalid(format!(
            "the chunk is larger than {} bytes; split it, see welcome.max_chunk_bytes",
            limits.max_chunk_bytes
        )),
        tonic::Code::DeadlineExceeded => {
            Status::new(Code::DeadlineExceeded, status.message().to_owned())
        }
        tonic::Code::Internal | tonic::Code::Unimplemented => Status::invalid(
            "a message is not a flowtrail.v1.RecordRequest, or is compressed; generate the client from the protocol",
        ),
        _ => Status::unavailable("the stream broke"),
    }
}

/// What a client is told when the server stops.
pub(super) fn stopped() -> Status {
    Status::unavailable(
        "the server stops; send what was not acknowledged to another, or again later",
    )
}
