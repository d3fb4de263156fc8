//! Load over gRPC: streams that send chunks and take acks.

use std::{sync::Arc, time::Instant};

use anyhow::bail;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{
    chunks::Chunks,
    flows::{Cast, Flows},
    run::{Pace, Run},
    tally::Tally,
};
use crate::{
    cli::{client::refused, traffic},
    proto::{
        Ack, Chunk, Hello, RecordRequest, RecordResponse, record_request, record_response,
        recorder_client::RecorderClient,
    },
};

/// Bytes of a chunk that stand around its events, at most.
const AROUND: usize = 64;

/// How chunks are made and how many may be on their way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) chunk_events: u64,
    pub(super) unanswered: usize,
    /// Share of chunks that are sent twice.
    pub(super) resends: f64,
}

/// A stream that was welcomed.
#[derive(Debug)]
pub(super) struct Stream {
    requests: mpsc::Sender<RecordRequest>,
    responses: Streaming<RecordResponse>,
    chunk_bytes: usize,
    unanswered: Arc<Semaphore>,
    terms: Terms,
}

/// A chunk on its way.
#[derive(Debug)]
struct Sent {
    sequence: u64,
    events: u64,
    bytes: u64,
    at: Instant,
}

impl Stream {
    pub(super) async fn open(channel: Channel, cast: &Cast, terms: Terms) -> anyhow::Result<Self> {
        let (requests, queue) = mpsc::channel(4);
        let hello = Hello {
            user: cast.shape().user.clone(),
            app: cast.shape().app.clone(),
            app_version: "1.0.0".to_owned(),
            host: "load".to_owned(),
            client: traffic::client(),
        };
        let message = Some(record_request::Message::Hello(hello));
        requests.send(RecordRequest { message }).await?;
        let responses = RecorderClient::new(channel)
            .record(ReceiverStream::new(queue))
            .await
            .map_err(|status| refused("Record", &status))?;
        let mut responses = responses.into_inner();
        let first = responses.message().await;
        let first = first.map_err(|status| refused("Record", &status))?;
        let Some(record_response::Message::Welcome(welcome)) =
            first.and_then(|first| first.message)
        else {
            bail!("Record: the server said no welcome; is it a flowtrail server?");
        };
        let chunk_bytes = usize::try_from(welcome.max_chunk_bytes).unwrap_or(usize::MAX);
        let unanswered = terms.unanswered.min(welcome.max_unanswered_chunks as usize);
        Ok(Self {
            requests,
            responses,
            chunk_bytes: chunk_bytes.saturating_sub(AROUND),
            unanswered: Arc::new(Semaphore::new(unanswered.max(1))),
            terms: Terms {
                chunk_events: terms.chunk_events.min(welcome.max_chunk_events.into()),
                ..terms
            },
        })
    }

    /// The chunks of `flows` as this stream takes them.
    pub(super) fn chunks(&self, flows: Flows) -> Chunks {
        Chunks::new(flows, self.terms, self.chunk_bytes)
    }

    /// Sends `chunks` until the run is over and every one is answered. The tally holds what was
    /// answered, also when the stream breaks.
    pub(super) async fn drive(
        self,
        mut chunks: Chunks,
        run: &Run,
        pace: Pace,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let Self {
            requests,
            mut responses,
            unanswered,
            terms,
            ..
        } = self;
        let places = Arc::clone(&unanswered);
        let (sent, mut waiting) = mpsc::channel(terms.unanswered.max(1) * 2);
        let making = &mut chunks;
        let sending = async move {
            // Both ends of the stream's channels are closed by this.
            let (requests, sent) = (requests, sent);
            send(making, run, pace, &places, &requests, &sent).await;
            anyhow::Ok(())
        };
        let receiving = async {
            let mut first: Option<Sent> = None;
            loop {
                let response = responses.message().await;
                let response = response.map_err(|status| refused("Record", &status))?;
                let Some(response) = response else {
                    break;
                };
                let Some(record_response::Message::Ack(ack)) = response.message else {
                    continue;
                };
                let now = Instant::now();
                while let Some(chunk) = first.take().or_else(|| waiting.try_recv().ok()) {
                    if chunk.sequence > ack.through_sequence {
                        first = Some(chunk);
                        break;
                    }
                    unanswered.add_permits(1);
                    tally.answered(chunk.events, chunk.bytes, now - chunk.at);
                    run.answered(chunk.events);
                }
                count(tally, &ack);
            }
            let open = first.is_some() || waiting.try_recv().is_ok();
            anyhow::ensure!(
                !open,
                "Record: the server ended the stream before its last ack"
            );
            Ok(())
        };
        // A stream that broke ends the sending half.
        let done = tokio::try_join!(sending, receiving);
        tally.made(chunks.flows());
        done.map(|_| ())
    }
}

async fn send(
    chunks: &mut Chunks,
    run: &Run,
    mut pace: Pace,
    places: &Semaphore,
    requests: &mpsc::Sender<RecordRequest>,
    sent: &mpsc::Sender<Sent>,
) {
    let mut sequence = 0;
    loop {
        let due = pace.turn(run).await;
        let Some(events) = chunks.next(run) else {
            return;
        };
        let count = events.len() as u64;
        pace.used(count);
        let bytes = events.iter().map(|event| event.len() as u64).sum();
        for resent in [false, true] {
            if resent && !chunks.resends() {
                continue;
            }
            let Ok(permit) = places.acquire().await else {
                return;
            };
            permit.forget();
            sequence += 1;
            let on_its_way = Sent {
                sequence,
                events: count,
                bytes,
                at: due.unwrap_or_else(Instant::now),
            };
            let chunk = Chunk {
                sequence,
                resent,
                events: events.clone(),
            };
            let message = Some(record_request::Message::Chunk(chunk));
            // The receiving half says what happened.
            if sent.send(on_its_way).await.is_err()
                || requests.send(RecordRequest { message }).await.is_err()
            {
                return;
            }
        }
    }
}

fn count(tally: &mut Tally, ack: &Ack) {
    tally.recorded += ack.recorded + ack.completed;
    tally.skipped += ack.skipped;
    tally.superseded += ack.superseded;
    tally.refused += ack.invalid;
}
