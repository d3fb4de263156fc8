//! A client of the gRPC stream that behaves as the protocol asks: what an ack does not name when a
//! stream ends is sent again on the next one, marked `resent`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use flowtrail::proto::{
    Ack, Chunk, Durability, RecordRequest, RecordResponse, record_request::Message as Request,
    record_response::Message as Response, recorder_client::RecorderClient,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    Common,
    emission::Emission,
    ledger::{Ledger, Standing},
    pace::Pace,
    story::{Teller, What},
    wire,
};

/// Chunks without an answer at most; one for a client whose acks must say what became of each.
const UNANSWERED: usize = 100;
/// One chunk of so many is sent a second time although it was answered.
const TWICE: usize = 40;

/// A chunk that was sent and not answered.
#[derive(Clone, Debug)]
struct Sent {
    /// Its number; none for one that was answered before.
    chunk: Option<usize>,
    events: Vec<Bytes>,
    /// The only end it holds.
    end: bool,
    /// It was sent on an earlier stream too, and may be stored.
    again: bool,
}

/// Both halves of an open stream.
struct Open {
    requests: mpsc::Sender<RecordRequest>,
    responses: Streaming<RecordResponse>,
    sequence: u64,
    /// What is on its way, by sequence.
    in_flight: VecDeque<(u64, Sent)>,
}

/// The client.
pub(super) struct Engine {
    common: Arc<Common>,
    ledger: Arc<Mutex<Ledger>>,
    teller: Teller,
    emission: Emission,
    /// Chunks to be sent before new ones: those that no ack named.
    first: VecDeque<Sent>,
    pace: Pace,
    chance: crate::support::Chance,
}

impl Engine {
    pub(super) fn new(
        common: Arc<Common>,
        ledger: Arc<Mutex<Ledger>>,
        teller: Teller,
        rate: f64,
    ) -> Self {
        Self {
            common,
            ledger,
            emission: Emission::new(teller.clone()),
            first: VecDeque::new(),
            pace: Pace::new(rate),
            chance: teller.chance(u64::MAX - 1),
            teller,
        }
    }

    /// Sends until told to stop, and then until everything is answered.
    pub(super) async fn run(mut self) {
        let mut opened = false;
        while !self.finished() {
            let open = timeout(Duration::from_secs(5), self.open()).await;
            let Ok(Ok(open)) = open else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if std::mem::replace(&mut opened, true) {
                self.ledger().reopened += 1;
            }
            self.converse(open).await;
        }
    }

    fn finished(&self) -> bool {
        self.common.stop.is_cancelled() && self.first.is_empty()
    }

    async fn open(&self) -> Result<Open, Box<dyn std::error::Error + Send + Sync>> {
        let mut client = RecorderClient::connect(format!("http://{}", self.common.address)).await?;
        let (requests, queue) = mpsc::channel(4);
        let hello = Request::Hello(wire::hello(&self.teller.source()));
        requests.send(request(hello)).await?;
        let mut responses = client
            .record(ReceiverStream::new(queue))
            .await?
            .into_inner();
        responses.message().await?.ok_or("no welcome")?;
        Ok(Open {
            requests,
            responses,
            sequence: 0,
            in_flight: VecDeque::new(),
        })
    }

    /// Sends and reads until the stream ends; what is not answered then comes first on the next.
    async fn converse(&mut self, mut open: Open) {
        let most = if self.teller.style.toggled {
            1
        } else {
            UNANSWERED
        };
        while !(self.finished() && open.in_flight.is_empty()) {
            let new = !self.common.stop.is_cancelled();
            let room = open.in_flight.len() < most;
            let due = self.pace.due();
            let requests = open.requests.clone();
            tokio::select! {
                biased;
                response = open.responses.message() => {
                    if !self.hear(&mut open, response) {
                        break;
                    }
                }
                () = self.common.stop.cancelled(), if new => {}
                Ok(place) = requests.reserve(), if room && !self.first.is_empty() => {
                    let sent = self.first.pop_front().expect("asked for above");
                    open.sequence += 1;
                    place.send(chunk(open.sequence, &sent));
                    open.in_flight.push_back((open.sequence, sent));
                }
                Some(place) = at(due, requests.reserve()), if room && new && self.first.is_empty() => {
                    let sent = self.new_chunk();
                    open.sequence += 1;
                    place.send(chunk(open.sequence, &sent));
                    open.in_flight.push_back((open.sequence, sent));
                }
            }
        }
        self.put_back(open.in_flight);
    }

    fn new_chunk(&mut self) -> Sent {
        let events = self.emission.chunk();
        self.pace.spend(events.len());
        let end = matches!(events[0].what(), What::End(_));
        let number = self.ledger().sent();
        Sent {
            chunk: Some(number),
            events: events.iter().map(wire::encode).collect(),
            end,
            again: false,
        }
    }

    /// What was not answered is sent again, first of all; what was answered before is let go.
    fn put_back(&mut self, in_flight: VecDeque<(u64, Sent)>) {
        let mut resent = 0;
        for (_, mut sent) in in_flight.into_iter().rev() {
            if sent.chunk.is_some() {
                sent.again = true;
                resent += 1;
                self.first.push_front(sent);
            }
        }
        self.ledger().resent += resent;
    }

    /// Takes a response; false when the stream has ended.
    fn hear(&mut self, open: &mut Open, response: Result<Option<RecordResponse>, Status>) -> bool {
        match response {
            Ok(Some(response)) => {
                if let Some(Response::Ack(ack)) = response.message {
                    self.note(open, &ack);
                }
                true
            }
            Ok(None) => false,
            Err(status) => {
                self.common.ended(&self.teller.source().app, &status);
                false
            }
        }
    }

    fn note(&mut self, open: &mut Open, ack: &Ack) {
        let answered = open
            .in_flight
            .partition_point(|(sequence, _)| *sequence <= ack.through_sequence);
        let answered: Vec<_> = open.in_flight.drain(..answered).collect();
        let events: usize = answered.iter().map(|(_, sent)| sent.events.len()).sum();
        let events = u64::try_from(events).expect("a count");
        let counted = ack.recorded + ack.completed + ack.skipped + ack.superseded + ack.invalid;
        let standing = match &answered[..] {
            [(_, sent)] if self.teller.style.toggled => toggled(ack, sent),
            _ => Standing::Kept,
        };
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if counted != events || (ack.skipped > 0 && !self.teller.style.toggled) {
            ledger
                .miscounted
                .push(format!("{events} events answered by {ack:?}"));
        }
        let mut first_time = 0;
        for (sequence, sent) in &answered {
            let Some(chunk) = sent.chunk else { continue };
            ledger.settle(chunk, standing);
            first_time += u64::try_from(sent.events.len()).expect("a count");
            for rejection in ack.rejections.iter().filter(|r| r.sequence == *sequence) {
                let words = rejection.reason.clone();
                ledger.rejected.insert((chunk, rejection.index), words);
            }
        }
        if ack.skipped > 0 {
            ledger.skipped += first_time;
        } else if ack.durability() == Durability::Spooled {
            ledger.spooled += first_time;
        } else {
            ledger.committed += first_time;
        }
        drop(ledger);
        self.common.progress(first_time);
        let repeated = answered.into_iter().filter_map(|(_, sent)| {
            (!self.teller.style.toggled && self.chance.below(TWICE) == 0 && sent.chunk.is_some())
                .then_some(Sent {
                    chunk: None,
                    ..sent
                })
        });
        self.first.extend(repeated);
        if self.common.stop.is_cancelled() {
            self.first.retain(|sent| sent.chunk.is_some());
        }
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the counts for one chunk of one kind of event say.
fn toggled(ack: &Ack, sent: &Sent) -> Standing {
    let all = u64::try_from(sent.events.len()).expect("a count");
    if ack.recorded + ack.superseded == all {
        return Standing::Kept;
    }
    if ack.skipped == all {
        // an earlier try may have come while the app was recorded
        return if sent.again {
            Standing::Open
        } else {
            Standing::Absent
        };
    }
    let committed = ack.durability() == Durability::Committed;
    if sent.end && ack.completed == all && committed {
        return Standing::Kept;
    }
    Standing::Open
}

fn chunk(sequence: u64, sent: &Sent) -> RecordRequest {
    request(Request::Chunk(Chunk {
        sequence,
        resent: sent.again,
        events: sent.events.clone(),
    }))
}

fn request(message: Request) -> RecordRequest {
    RecordRequest {
        message: Some(message),
    }
}

/// What `later` gives, from `due` on.
async fn at<T, E>(due: Instant, later: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::sleep_until(due).await;
    later.await.ok()
}
