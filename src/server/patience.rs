//! A gRPC message that has begun must be complete in time.
//!
//! A sender may be silent between two messages for ever. In the middle of one it holds memory that
//! others wait for, so what it may take for a message is limited. When the time is over this one
//! body fails with DEADLINE_EXCEEDED; the connection and its other streams go on.
//!
//! Only time spent waiting for the sender counts, from a poll that found nothing to the next bytes:
//! a reader that does not ask, because it is held back itself, costs nobody anything. (So a reader
//! should not poll, give up, do something long and come back.)

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{BoxError, body::Body, extract::Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tower::util::MapRequestLayer;

use crate::status::{Code, Status};

/// Bytes before each message: one flag and the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// A layer over routes that gives each message of a gRPC request `limit` to arrive. Other requests
/// pass as they are.
#[must_use]
pub fn patience(
    limit: Duration,
) -> MapRequestLayer<impl Fn(Request) -> Request + Clone + Send + Sync + 'static> {
    MapRequestLayer::new(move |request: Request| {
        let kind = request.headers().get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            request.map(|body| Body::new(Patient::new(body, limit)))
        } else {
            request
        }
    })
}

struct Patient {
    body: Body,
    framing: Framing,
    limit: Duration,
    /// What is left of the limit for the message that has begun.
    left: Duration,
    /// Since when the sender has been waited for; the alarm is then set to the end of what is left.
    waiting: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    failed: bool,
}

impl Patient {
    fn new(body: Body, limit: Duration) -> Self {
        Self {
            body,
            framing: Framing::default(),
            limit,
            left: limit,
            waiting: None,
            alarm: Box::pin(sleep(limit)),
            failed: false,
        }
    }

    fn arrived(&mut self, data: &[u8]) {
        if let Some(since) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        if self.framing.advance(data) {
            self.left = self.limit;
        }
    }

    /// Ready when the sender was waited for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.framing.inside() {
            return Poll::Pending;
        }
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            self.alarm.as_mut().reset(now + self.left);
        }
        self.alarm.as_mut().poll(cx)
    }
}

impl http_body::Body for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.arrived(data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into_inner()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(this.poll_patience(cx));
                this.failed = true;
                let status = Status::new(
                    Code::DeadlineExceeded,
                    format!(
                        "a message was not complete within {} s; send smaller ones",
                        this.limit.as_secs_f32()
                    ),
                );
                Poll::Ready(Some(Err(tonic::Status::from(status).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where in the sequence of messages the bytes stand.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that were seen.
    seen: usize,
    /// Bytes of the message that are still to come, once its prefix is complete.
    rest: usize,
}

impl Framing {
    /// Whether a message has begun that is not complete.
    fn inside(&self) -> bool {
        self.seen > 0
    }

    /// Takes the next bytes; true when a message ended among them.
    fn advance(&mut self, mut data: &[u8]) -> bool {
        let mut ended = false;
        loop {
            if self.seen < PREFIX {
                let taken = data.len().min(PREFIX - self.seen);
                self.prefix[self.seen..self.seen + taken].copy_from_slice(&data[..taken]);
                self.seen += taken;
                data = &data[taken..];
                if self.seen < PREFIX {
                    return ended;
                }
                let [_, a, b, c, d] = self.prefix;
                self.rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            }
            let taken = data.len().min(self.rest);
            self.rest -= taken;
            data = &data[taken..];
            if self.rest > 0 {
                return ended;
            }
            self.seen = 0;
            ended = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Body as _;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A body that yields what the test sends.
    struct Sent(mpsc::Receiver<Bytes>);

    impl http_body::Body for Sent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0
                .poll_recv(cx)
                .map(|data| data.map(|data| Ok(Frame::data(data))))
        }
    }

    struct Wire {
        sender: mpsc::Sender<Bytes>,
        body: Body,
    }

    impl Wire {
        fn new() -> Self {
            let (sender, receiver) = mpsc::channel(64);
            Self {
                sender,
                body: Body::new(Patient::new(Body::new(Sent(receiver)), LIMIT)),
            }
        }

        fn send(&self, bytes: &[u8]) {
            self.sender
                .try_send(Bytes::copy_from_slice(bytes))
                .expect("the test sends less than the channel holds");
        }

        /// What the reader gets when it waits for `time` at most; none when nothing comes.
        async fn read(&mut self, time: Duration) -> Option<Result<usize, tonic::Code>> {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx));
            let frame = tokio::time::timeout(time, frame).await.ok()??;
            Some(match frame {
                Ok(frame) => Ok(frame.data_ref().map_or(0, Bytes::len)),
                Err(error) => Err(tonic::Status::from_error(error.into()).code()),
            })
        }
    }

    fn message(length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, length];
        bytes.resize(PREFIX + usize::from(length), 7);
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn between_two_messages_silence_may_last_for_ever() {
        let mut wire = Wire::new();
        assert_eq!(wire.read(LIMIT * 100).await, None);
        wire.send(&message(3));
        assert_eq!(wire.read(LIMIT).await, Some(Ok(8)));
        assert_eq!(wire.read(LIMIT * 100).await, None);
        wire.send(&message(0));
        assert_eq!(wire.read(LIMIT).await, Some(Ok(5)));
        assert_eq!(wire.read(LIMIT * 100).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_stops_in_the_middle_ends_the_stream() {
        for part in 1..8 {
            let mut wire = Wire::new();
            wire.send(&message(3)[..part]);
            assert_eq!(wire.read(LIMIT).await, Some(Ok(part)));
            let late = wire.read(LIMIT * 2).await;
            assert_eq!(late, Some(Err(tonic::Code::DeadlineExceeded)), "{part}");
            assert!(wire.read(LIMIT).await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_in_drips_has_the_time_of_one_message() {
        let mut wire = Wire::new();
        for byte in &message(30)[..20] {
            wire.send(&[*byte]);
            assert_eq!(wire.read(LIMIT).await, Some(Ok(1)));
            assert_eq!(wire.read(LIMIT / 25).await, None);
        }
        let begun = Instant::now();
        let late = wire.read(LIMIT).await;
        assert_eq!(late, Some(Err(tonic::Code::DeadlineExceeded)));
        assert!(begun.elapsed() < LIMIT / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_reader_does_not_ask_is_not_the_senders() {
        let mut wire = Wire::new();
        wire.send(&[message(3), message(3)[..6].to_vec()].concat());
        assert_eq!(wire.read(LIMIT).await, Some(Ok(14)));
        tokio::time::advance(LIMIT * 5).await;
        assert_eq!(wire.read(LIMIT / 2).await, None);
        wire.send(&message(3)[6..]);
        assert_eq!(wire.read(LIMIT).await, Some(Ok(2)));
    }

    proptest! {
        #[test]
        fn framing_ends_where_the_messages_end(
            lengths in prop::collection::vec(0_u8..40, 1..8),
            cuts in prop::collection::vec(1_usize..20, 1..64),
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut ends = Vec::new();
            for length in &lengths {
                ends.push(ends.last().copied().unwrap_or(0) + PREFIX + usize::from(*length));
            }
            let mut framing = Framing::default();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                let next = bytes.len().min(at + cut);
                let ended = framing.advance(&bytes[at..next]);
                prop_assert_eq!(ended, ends.iter().any(|end| (at + 1..=next).contains(end)));
                prop_assert_eq!(framing.inside(), !ends.contains(&next));
                at = next;
                if at == bytes.len() {
                    break;
                }
            }
        }
    }
}
