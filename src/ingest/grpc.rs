//! The gRPC face of the way in: `Recorder.Record`.
//!
//! A stream has two halves. The reading half takes messages, waits for room and hands chunks to the
//! lanes; a stop ends it between two messages. The answering half awaits the receipts in the order
//! of the chunks and ends when there are none left. Between them stands a bounded channel: a client
//! that does not read its acks stops being read, and nobody else notices; after a minute its stream
//! ends.

mod answer;
mod hello;
mod read;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
};

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{metrics::Metrics, queue::Intake, refusals::Refusals};
use crate::{
    config,
    control::Toggles,
    lifecycle::Lifecycle,
    proto::{RecordRequest, RecordResponse, recorder_server},
    status,
};

/// Bytes of a request's frame besides its chunk: tag and length.
const ENVELOPE_BYTES: usize = 16;
/// Answers that may wait for a client to read them; while they do, further acks become one.
const ANSWERS: usize = 2;

/// What streams need; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The way to the lanes.
    pub intake: Intake,
    /// What is recorded.
    pub toggles: Toggles,
    /// Limits of chunks and streams.
    pub limits: Arc<config::Ingest>,
    /// Room for further streams.
    pub streams: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Metrics,
    /// What is said of what is not taken.
    pub refusals: Refusals,
    /// When to stop.
    pub lifecycle: Lifecycle,
}

impl Recorder {
    /// The tonic service, taking messages of the configured size.
    pub fn service(self) -> recorder_server::RecorderServer<Self> {
        let limit = self.limits.max_chunk_bytes + ENVELOPE_BYTES;
        recorder_server::RecorderServer::new(self).max_decoding_message_size(limit)
    }
}

#[tonic::async_trait]
impl recorder_server::Recorder for Recorder {
    type RecordStream = Pin<Box<dyn Stream<Item = Result<RecordResponse, Status>> + Send>>;

    async fn record(
        &self,
        request: Request<Streaming<RecordRequest>>,
    ) -> Result<Response<Self::RecordStream>, Status> {
        let Ok(room) = Arc::clone(&self.streams).try_acquire_owned() else {
            let message = "this server has all the streams it takes (--max-streams); try another";
            self.refusals.refused("streams", "", message);
            return Err(status::Status::new(status::Code::Exhausted, message).into());
        };
        let (answers, responses) = mpsc::channel(ANSWERS);
        let end = Arc::new(OnceLock::new());
        let (recorder, told) = (self.clone(), Arc::clone(&end));
        self.lifecycle.spawn(async move {
            let ended = recorder.converse(request.into_inner(), &answers).await;
            told.get_or_init(|| ended);
            drop((answers, room));
        });
        // A conversation that was dropped in the middle must not look like one that ended well.
        let last = stream::once(async move {
            let ended = end.get().cloned();
            let status = ended.unwrap_or_else(|| Err(read::stopped())).err()?;
            Some(Err(status.into()))
        });
        let responses = ReceiverStream::new(responses).chain(last.filter_map(std::future::ready));
        Ok(Response::new(Box::pin(responses)))
    }
}

impl Recorder {
    /// Both halves of one stream, until it is over; an error is what the client is told at its end.
    async fn converse(
        self,
        mut messages: Streaming<RecordRequest>,
        answers: &mpsc::Sender<Result<RecordResponse, Status>>,
    ) -> Result<(), status::Status> {
        let source = hello::receive(&self, &mut messages).await?;
        let (receipts, waiting) = mpsc::channel(self.limits.max_unanswered_chunks);
        let failed = CancellationToken::new();
        let reading = read::chunks(&self, &source, &mut messages, receipts, answers);
        let reading = failed.run_until_cancelled(reading);
        let answering = async {
            let answered = answer::receipts(&self, &source, waiting, answers).await;
            // A client that waits for an answer sends nothing that would end the other half.
            answered.inspect_err(|_| failed.cancel())
        };
        let (read, answered) = tokio::join!(reading, answering);
        answered.and(read.unwrap_or(Ok(())))
    }
}
