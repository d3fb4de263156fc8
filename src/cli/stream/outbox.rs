//! What a stream has to send: events that wait, and chunks that were sent and not answered.

use std::collections::VecDeque;

use super::Event;

/// What a chunk has around its events, and an event around its bytes, at most.
const CHUNK_FRAME: usize = 16;
const EVENT_FRAME: usize = 8;

#[derive(Default)]
pub(super) struct Outbox {
    chunk_events: usize,
    /// Not in a chunk now; the first `resent` of them were in one that was not answered.
    waiting: VecDeque<Event>,
    waiting_bytes: usize,
    resent: usize,
    unanswered: VecDeque<Sent>,
}

/// A chunk on its way.
pub(super) struct Sent {
    pub(super) sequence: u64,
    pub(super) events: Vec<Event>,
}

/// What comes next.
pub(super) enum Next {
    /// A chunk; `resent` when its events may have been sent before.
    Chunk { events: Vec<Event>, resent: bool },
    /// An event that fits into no chunk.
    Oversized(Event),
}

impl Outbox {
    /// An outbox whose chunks have so many events at most.
    pub(super) fn new(chunk_events: usize) -> Self {
        Self {
            chunk_events: chunk_events.max(1),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.waiting_bytes += event.encoded.len() + EVENT_FRAME;
        self.waiting.push_back(event);
    }

    /// Whether what waits makes a chunk.
    pub(super) fn full(&self, max_chunk_bytes: usize) -> bool {
        self.waiting.len() >= self.chunk_events
            || self.waiting_bytes + CHUNK_FRAME >= max_chunk_bytes
    }

    /// Chunks that were sent and not answered.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the next chunk from what waits: when it is full, when it repeats an earlier one, or
    /// when `flush` asks for a smaller one.
    pub(super) fn next(&mut self, max_chunk_bytes: usize, flush: bool) -> Option<Next> {
        let resent = self.resent > 0;
        if !(resent || flush || self.full(max_chunk_bytes)) {
            return None;
        }
        let most = if resent {
            self.resent
        } else {
            self.waiting.len()
        };
        let most = most.min(self.chunk_events);
        let mut room = max_chunk_bytes.saturating_sub(CHUNK_FRAME);
        let mut events = Vec::with_capacity(most);
        while events.len() < most
            && let Some(event) = self.waiting.pop_front()
        {
            let size = event.encoded.len() + EVENT_FRAME;
            if size > room && !events.is_empty() {
                self.waiting.push_front(event);
                break;
            }
            self.waiting_bytes -= size;
            self.resent = self.resent.saturating_sub(1);
            if size > room {
                return Some(Next::Oversized(event));
            }
            room -= size;
            events.push(event);
        }
        (!events.is_empty()).then_some(Next::Chunk { events, resent })
    }

    /// Notes a chunk as sent; sequences rise.
    pub(super) fn sent(&mut self, sequence: u64, events: Vec<Event>) {
        self.unanswered.push_back(Sent { sequence, events });
    }

    /// The oldest chunk, once an ack has come up to it.
    pub(super) fn answered(&mut self, through_sequence: u64) -> Option<Sent> {
        self.unanswered
            .pop_front_if(|sent| sent.sequence <= through_sequence)
    }

    /// Puts every unanswered event back in front of those that wait, to be sent again.
    pub(super) fn take_back(&mut self) {
        while let Some(sent) = self.unanswered.pop_back() {
            for event in sent.events.into_iter().rev() {
                self.resent += 1;
                self.waiting_bytes += event.encoded.len() + EVENT_FRAME;
                self.waiting.push_front(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn outbox(chunk_events: usize, sizes: &[usize]) -> Outbox {
        let mut outbox = Outbox::new(chunk_events);
        for (tag, size) in (0..).zip(sizes) {
            let encoded = Bytes::from(vec![0; *size]);
            outbox.push(Event { tag, encoded });
        }
        outbox
    }

    /// Everything that comes next, as tags; chunks that repeat are marked.
    fn drain(outbox: &mut Outbox, max_chunk_bytes: usize, flush: bool) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(next) = outbox.next(max_chunk_bytes, flush) {
            all.push(match next {
                Next::Chunk { events, resent } => {
                    let tags: Vec<_> = events.iter().map(|event| event.tag).collect();
                    outbox.sent(all.len() as u64 + 1, events);
                    format!("{}{tags:?}", if resent { "again " } else { "" })
                }
                Next::Oversized(event) => format!("oversized {}", event.tag),
            });
        }
        all
    }

    #[test]
    fn a_chunk_has_so_many_events_and_bytes_at_most() {
        assert_eq!(
            drain(&mut outbox(2, &[1; 5]), 1_000, false),
            ["[0, 1]", "[2, 3]"]
        );
        assert_eq!(
            drain(&mut outbox(2, &[1; 3]), 1_000, true),
            ["[0, 1]", "[2]"]
        );
        assert_eq!(
            drain(&mut outbox(9, &[30, 30, 30, 30]), 100, true),
            ["[0, 1]", "[2, 3]"]
        );
        assert_eq!(
            drain(&mut outbox(9, &[200, 10, 200, 200]), 100, true),
            ["oversized 0", "[1]", "oversized 2", "oversized 3"]
        );
    }

    #[test]
    fn what_is_unanswered_is_sent_again_first_and_by_itself() {
        let mut outbox = outbox(2, &[1; 5]);
        drain(&mut outbox, 1_000, false);
        assert!(
            outbox
                .answered(1)
                .is_some_and(|sent| sent.events.len() == 2)
        );
        assert!(outbox.answered(1).is_none());
        outbox.take_back();
        assert_eq!((outbox.unanswered(), outbox.waiting()), (0, 3));
        assert_eq!(drain(&mut outbox, 1_000, true), ["again [2, 3]", "[4]"]);
    }
}
