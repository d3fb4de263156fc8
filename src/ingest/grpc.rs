//! The gRPC face of the way in: `Recorder.Record`.
//!
//! A stream has two halves. The reading half takes messages, waits for room and hands chunks to the
//! lanes; a stop ends it between two messages. The answering half awaits the receipts in the order
//! of the chunks and ends when there are none left. Between them stands a bounded channel: a client
//! that does not read its acks stops being read, and nobody else notices.

mod answer;
mod hello;
mod read;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
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
/// Answers that may wait for a client to read them.
const ANSWERS: usize = 8;

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
        let over = Arc::new(AtomicBool::new(false));
        let (recorder, told, open) = (self.clone(), Arc::clone(&over), answers.clone());
        self.lifecycle.spawn(async move {
            recorder.converse(request.into_inner(), answers).await;
            told.store(true, Ordering::Release);
            drop((open, room));
        });
        // A conversation that was dropped in the middle must not look like one that ended well.
        let last = stream::once(async move {
            let dropped = !over.load(Ordering::Acquire);
            dropped.then(|| Err(read::stopped().into()))
        });
        let responses = ReceiverStream::new(responses).chain(last.filter_map(std::future::ready));
        Ok(Response::new(Box::pin(responses)))
    }
}

impl Recorder {
    /// Both halves of one stream, until it is over.
    async fn converse(
        self,
        mut messages: Streaming<RecordRequest>,
        answers: mpsc::Sender<Result<RecordResponse, Status>>,
    ) {
        let source = match hello::receive(&self, &mut messages).await {
            Ok(source) => source,
            Err(status) => {
                // The client may have gone; then nobody wants to know.
                let _ = answers.send(Err(status.into())).await;
                return;
            }
        };
        let (receipts, waiting) = mpsc::channel(self.limits.max_unanswered_chunks);
        let reading = read::chunks(&self, &source, &mut messages, receipts, &answers);
        let answering = answer::receipts(&self, &source, waiting, &answers);
        let (read, answered) = tokio::join!(reading, answering);
        if let Err(status) = answered.and(read) {
            let _ = answers.send(Err(status.into())).await;
        }
    }
}
