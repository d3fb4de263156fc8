//! What the service itself costs on the way in, station by station, without a database.
//!
//! - decode: an encoded event to an `Event`, its texts and payload still slices of the frame;
//! - encode: an event to its COPY row, into a buffer that has room, as the edge gives it;
//! - load: a whole chunk as the edge does it: decode, admit, encode for each lane, allocations included;
//! - batch: what a lane does with the parts that one transaction writes, starts and ends folded;
//! - spool: records appended, their fsync included, and read back.
//!
//! What is not folded here is merged in SQL (`sql/ingest`), and `make bench` has that. The input
//! is `demo/recorder-traffic.jsonl`, what a real engine posted. Decode and encode take all events of a
//! kind in a round, over and over, so caches are warm. Bytes are those of encoded events for decode and
//! load, else those of rows; decode only passes over a payload, so its time must not grow with it. What
//! a round needs, and what it leaves, is made and freed outside of the time that is taken, except where
//! a line says otherwise.

mod lane;
mod traffic;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use flowtrail::{
    event::Event,
    ingest::{
        load::{Terms, load},
        queue::queue,
        row::{self, Kind, OVERHEAD, Source},
        wire,
    },
};
use traffic::{CHUNK, Recording};

/// Lanes that a chunk is divided among: the default.
const LANES: usize = 2;
/// Bytes that an event may have, and those that may wait for lanes: the defaults.
const EVENT_BYTES: usize = 1 << 20;
const QUEUE_BYTES: usize = 256 << 20;

fn main() {
    let recording = Recording::read();
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion, &recording);
    encode(&mut criterion, &recording);
    chunk(&mut criterion, &recording);
    lane::batch(&mut criterion, &recording);
    lane::spool(&mut criterion, &recording);
    criterion.final_summary();
}

fn decode(criterion: &mut Criterion, recording: &Recording) {
    let mut group = criterion.benchmark_group("decode");
    for (name, events) in recording.kinds() {
        group.throughput(throughput(events.len(), total(&events)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for event in &events {
                    let _ = black_box(wire::event(black_box(event)));
                }
            });
        });
    }
}

fn encode(criterion: &mut Criterion, recording: &Recording) {
    let source = &recording.source;
    let mut group = criterion.benchmark_group("encode");
    for (name, encoded) in recording.kinds() {
        let events: Vec<_> = encoded.iter().map(|bytes| traffic::event(bytes)).collect();
        let most = |event: &Event<'_>| event.bytes() + OVERHEAD + source.bytes();
        let mut rows = Vec::with_capacity(events.iter().map(most).sum());
        write(&mut rows, &events, source);
        group.throughput(throughput(events.len(), rows.len()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                rows.clear();
                write(&mut rows, black_box(&events), source);
                black_box(&rows);
            });
        });
    }
}

fn write(rows: &mut Vec<u8>, events: &[Event<'_>], source: &Source) {
    for event in events {
        match event {
            Event::Started(start) => row::start(rows, source, start),
            Event::Step(step) => row::step(rows, step),
            Event::Ended(end) => row::end(rows, source, Kind::End, end),
        }
    }
}

fn chunk(criterion: &mut Criterion, recording: &Recording) {
    let events = recording.chunk();
    let (intake, _inboxes) = queue(LANES, QUEUE_BYTES);
    let loaded = || {
        let events = black_box(&events).iter().map(|event| &event[..]);
        load(events, terms(&recording.source), &intake, None)
    };
    assert_eq!(loaded().1.counts.invalid, 0, "every event is taken");

    let mut group = criterion.benchmark_group("load");
    group.throughput(throughput(CHUNK, total(&events)));
    group.bench_function("chunk", |bencher| {
        bencher.iter_batched(|| (), |()| loaded(), BatchSize::PerIteration);
    });
}

fn terms(source: &Source) -> Terms<'_> {
    Terms {
        source,
        enabled: true,
        max_event_bytes: EVENT_BYTES,
    }
}

fn total(events: &[Bytes]) -> usize {
    events.iter().map(Bytes::len).sum()
}

fn throughput(events: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: events as u64,
        bytes: bytes as u64,
    }
}
