//! The task that holds a stream's conversation and begins a new one when it breaks.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{
    Event, Failure, Notice, Options, Totals,
    outbox::{Next, Outbox},
    said,
};
use crate::proto::{
    Ack, Chunk, RecordRequest, RecordResponse, Welcome, record_request, record_response,
    recorder_client::RecorderClient,
};

/// A server that takes longer to say welcome is not there.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// Unanswered chunks at most, however many the server would take.
const UNANSWERED_CHUNKS: usize = 1024;
/// An ack names every rejected event with a reason.
const LARGEST_ACK: usize = 64 << 20;

pub(super) struct Driver<N> {
    client: RecorderClient<Channel>,
    options: Options,
    events: mpsc::Receiver<Event>,
    /// Nothing more will come from `events`.
    finishing: bool,
    outbox: Outbox,
    totals: Totals,
    /// Events that were answered.
    answered: u64,
    /// Since when nothing was achieved: no answer, and no welcome while there is nothing to answer.
    outage: Option<Instant>,
    notice: N,
}

/// An open stream.
struct Conversation {
    requests: mpsc::Sender<RecordRequest>,
    responses: Streaming<RecordResponse>,
    max_chunk_bytes: usize,
    max_unanswered: usize,
    sequence: u64,
}

impl<N: FnMut(Notice) + Send> Driver<N> {
    pub(super) fn new(
        channel: Channel,
        options: Options,
        events: mpsc::Receiver<Event>,
        notice: N,
    ) -> Self {
        Self {
            client: RecorderClient::new(channel).max_decoding_message_size(LARGEST_ACK),
            outbox: Outbox::new(options.chunk_events),
            options,
            events,
            finishing: false,
            answered: 0,
            outage: None,
            totals: Totals::default(),
            notice,
        }
    }

    /// Converses until everything is answered or an outage lasts too long.
    pub(super) async fn run(mut self) -> Result<Totals, Failure> {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .with_jitter();
        let mut delays = backoff.build();
        loop {
            let Err(cause) = self.converse().await else {
                return Ok(self.totals);
            };
            self.outbox.take_back();
            if self.outage.is_none() {
                delays = backoff.build();
                if !final_word(&cause) && !self.options.retry_for.is_zero() {
                    let cause = said(&cause);
                    (self.notice)(Notice::Interrupted { cause });
                }
            }
            let since = *self.outage.get_or_insert_with(Instant::now);
            let left = self.options.retry_for.saturating_sub(since.elapsed());
            if final_word(&cause) || left.is_zero() {
                return Err(self.give_up(cause).await);
            }
            time::sleep(delays.next().unwrap_or_default().min(left)).await;
        }
    }

    /// One stream, from hello to the server's OK.
    async fn converse(&mut self) -> Result<(), Status> {
        let mut talk = self.open().await?;
        if self.outbox.waiting() == 0 {
            self.outage = None;
        }
        loop {
            self.send(&mut talk);
            if self.finishing && self.outbox.waiting() == 0 && self.outbox.unanswered() == 0 {
                break;
            }
            // Both are cancel safe: a message or an event that is not returned is not consumed.
            tokio::select! {
                response = talk.responses.message() => match response? {
                    Some(response) => self.hear(response),
                    None => return Err(Status::unavailable("the server closed the stream")),
                },
                event = self.events.recv(), if !self.finishing && !self.outbox.full(talk.max_chunk_bytes) => {
                    match event {
                        Some(event) => self.take(event),
                        None => self.finishing = true,
                    }
                }
            }
        }
        drop(talk.requests);
        // Every event is answered: how the connection ends does not matter any more.
        while let Ok(Some(response)) = talk.responses.message().await {
            self.hear(response);
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Conversation, Status> {
        let (requests, stream) = mpsc::channel(UNANSWERED_CHUNKS + 1);
        let hello = record_request::Message::Hello(self.options.hello.clone());
        let opened = time::timeout(WELCOME_WITHIN, async {
            // The first message of a channel that holds more always has room.
            let _ = requests.try_send(RecordRequest {
                message: Some(hello),
            });
            let mut responses = self
                .client
                .record(ReceiverStream::new(stream))
                .await?
                .into_inner();
            let first = responses.message().await?;
            match first.and_then(|response| response.message) {
                Some(record_response::Message::Welcome(welcome)) => Ok((responses, welcome)),
                _ => Err(Status::failed_precondition(
                    "the server did not answer the hello with a welcome; is it flowtrail?",
                )),
            }
        });
        let (responses, welcome) = opened
            .await
            .map_err(|_| Status::unavailable("no welcome from the server within 10s"))??;
        let Welcome {
            max_chunk_bytes,
            max_unanswered_chunks,
            ..
        } = welcome;
        Ok(Conversation {
            requests,
            responses,
            max_chunk_bytes: usize::try_from(max_chunk_bytes).unwrap_or(usize::MAX),
            max_unanswered: usize::try_from(max_unanswered_chunks)
                .unwrap_or(UNANSWERED_CHUNKS)
                .clamp(1, UNANSWERED_CHUNKS),
            sequence: 0,
        })
    }

    fn take(&mut self, event: Event) {
        self.totals.events += 1;
        self.outbox.push(event);
    }

    /// Sends what is due. A chunk that is not full goes only when the server has nothing to answer,
    /// so chunks grow while it is busy.
    fn send(&mut self, talk: &mut Conversation) {
        while self.outbox.unanswered() < talk.max_unanswered {
            let idle = self.outbox.unanswered() == 0 && self.events.is_empty();
            let (events, resent) = match self
                .outbox
                .next(talk.max_chunk_bytes, self.finishing || idle)
            {
                Some(Next::Chunk { events, resent }) => (events, resent),
                Some(Next::Oversized(event)) => {
                    self.reject_oversized(&event, talk.max_chunk_bytes);
                    continue;
                }
                None => return,
            };
            talk.sequence += 1;
            let chunk = Chunk {
                sequence: talk.sequence,
                resent,
                events: events.iter().map(|event| event.encoded.clone()).collect(),
            };
            // There is room for every unanswered chunk; a stream that is closed says why when read.
            let _ = talk.requests.try_send(RecordRequest {
                message: Some(record_request::Message::Chunk(chunk)),
            });
            self.outbox.sent(talk.sequence, events);
        }
    }

    fn reject_oversized(&mut self, event: &Event, max_chunk_bytes: usize) {
        self.totals.invalid += 1;
        (self.notice)(Notice::Rejected {
            tag: event.tag,
            reason: format!(
                "the event has {} bytes and the server takes chunks of {max_chunk_bytes}; raise its \
                 --max-chunk-bytes and --max-event-bytes",
                event.encoded.len()
            ),
        });
        self.progress(1);
    }

    fn progress(&mut self, answered: u64) {
        if answered == 0 {
            return;
        }
        self.answered += answered;
        self.outage = None;
        (self.notice)(Notice::Answered(answered));
    }

    fn hear(&mut self, response: RecordResponse) {
        // A persistence change needs nothing here: the server skips what it does not record.
        if let Some(record_response::Message::Ack(ack)) = response.message {
            self.settle(&ack);
        }
    }

    fn settle(&mut self, ack: &Ack) {
        let mut answered = 0;
        while let Some(sent) = self.outbox.answered(ack.through_sequence) {
            answered += sent.events.len() as u64;
            for rejection in ack
                .rejections
                .iter()
                .filter(|r| r.sequence == sent.sequence)
            {
                if let Some(event) = sent.events.get(rejection.index as usize) {
                    (self.notice)(Notice::Rejected {
                        tag: event.tag,
                        reason: rejection.reason.clone(),
                    });
                }
            }
        }
        self.totals.recorded += ack.recorded;
        self.totals.completed += ack.completed;
        self.totals.skipped += ack.skipped;
        self.totals.superseded += ack.superseded;
        self.totals.invalid += ack.invalid;
        self.progress(answered);
    }

    async fn give_up(mut self, cause: Status) -> Failure {
        self.events.close();
        while let Some(event) = self.events.recv().await {
            self.take(event);
        }
        self.totals.unanswered = self.totals.events - self.answered;
        Failure {
            totals: self.totals,
            cause,
        }
    }
}

/// Whether trying again would be answered in the same way.
fn final_word(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::OutOfRange
    )
}
