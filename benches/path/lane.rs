//! A lane's part of it, without its transaction: the batch, and the spool beside the database.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BatchSize, Bencher, Criterion, Throughput};
use flowtrail::ingest::{
    lane::batch::Batch,
    load,
    queue::{Holder, Inbox, Intake, queue},
    row::Source,
    spool::{Options, Reader, Record, SEGMENT_BYTES, Spool},
    ticket::{Outcome, Receipt},
};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::{
    QUEUE_BYTES, terms, throughput,
    traffic::{CHUNK, Recording},
};

/// Chunks in a full batch: rows as many as the default allows.
const CHUNKS: usize = 10_000 / CHUNK;
/// What the spool may take; it is emptied all the time.
const SPOOL_BYTES: u64 = 1 << 30;

pub(crate) fn batch(criterion: &mut Criterion, recording: &Recording) {
    let mut lane = Lane::new(recording, CHUNKS);
    let (batch, _receipts) = lane.batch();
    let rows = 0..batch.rows();

    let mut group = criterion.benchmark_group("batch");
    // no byte of a row is moved
    group.throughput(Throughput::Elements(batch.rows() as u64));
    // what COPY is fed with
    group.bench_function("slices", |bencher| {
        bencher.iter(|| {
            let batch = black_box(&batch);
            let steps = batch.step_slices(batch.step_range(&rows));
            steps.for_each(|slice| drop(black_box(slice)));
        });
    });
    // starts and ends into rows of flowstate
    group.bench_function("fold", |bencher| {
        bencher.iter_with_large_drop(|| black_box(&batch).fold(batch.flow_range(&rows)));
    });
    group.bench_function("instances", |bencher| {
        bencher.iter_batched(
            || (),
            |()| black_box(&batch).instances(&rows),
            BatchSize::PerIteration,
        );
    });
    // every chunk is answered, and its rows and their room in the budget are freed
    group.bench_function("settle", |bencher| {
        bencher.iter_batched(
            || lane.batch(),
            |(batch, receipts)| {
                batch.settle();
                receipts
            },
            BatchSize::PerIteration,
        );
    });
}

pub(crate) fn spool(criterion: &mut Criterion, recording: &Recording) {
    let mut log = Log::open();
    let mut group = criterion.benchmark_group("spool");
    for (name, chunks) in [("chunk", 1), ("batch", CHUNKS)] {
        let (batch, _receipts) = Lane::new(recording, chunks).batch();
        // as a lane hands them over
        let all = 0..batch.rows();
        let records = batch.records(&[all], 0, false);
        group.throughput(throughput(batch.rows(), batch.bytes()));
        group.bench_function(format!("append-{name}"), |bencher| {
            log.rounds(bencher, &records, |round| round.append);
        });
        group.bench_function(format!("read-{name}"), |bencher| {
            log.rounds(bencher, &records, |round| round.read);
        });
    }
}

/// The only lane of an intake, and chunks for it.
struct Lane<'a> {
    source: &'a Source,
    chunks: Vec<Vec<Bytes>>,
    intake: Intake,
    inbox: Inbox,
}

impl<'a> Lane<'a> {
    fn new(recording: &'a Recording, chunks: usize) -> Self {
        let (intake, mut inboxes) = queue(1, QUEUE_BYTES);
        Self {
            source: &recording.source,
            chunks: std::iter::repeat_with(|| recording.chunk())
                .take(chunks)
                .collect(),
            intake,
            inbox: inboxes.remove(0),
        }
    }

    /// A batch of all chunks on the way that they always take, with rows in memory of their own.
    fn batch(&mut self) -> (Batch, Vec<Receipt>) {
        let mut batch = Batch::default();
        let receipts = self.chunks.iter().map(|chunk| {
            let events = chunk.iter().map(|event| &event[..]);
            let (loads, known) = load::load(events, terms(self.source), &self.intake, None);
            assert_eq!(known, Outcome::default(), "every event is taken");
            let budget = self.intake.budget();
            let permit = budget.room_now(&Holder::unnamed(), load::held_bytes(&loads));
            let submitted = self
                .intake
                .submit(loads, false, known, permit.expect("room"), None);
            submitted.expect("a lane that is open")
        });
        let receipts = receipts.collect();
        while let Some(part) = self.inbox.try_recv() {
            batch.push(part);
        }
        (batch, receipts)
    }
}

/// A spool below `target`, which is on a disk, as a temporary directory may not be.
struct Log {
    runtime: Runtime,
    spool: Spool,
    reader: Reader,
    _directory: tempfile::TempDir,
}

/// What one round took.
struct Round {
    append: Duration,
    read: Duration,
}

impl Log {
    fn open() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let opened = Spool::open(Options {
            dir: directory.path().join("spool"),
            limit_bytes: SPOOL_BYTES,
            segment_bytes: SEGMENT_BYTES,
            database: Uuid::nil(),
        });
        let (spool, reader) = opened.expect("a spool that opens");
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            spool,
            reader,
            _directory: directory,
        }
    }

    /// Measures what `part` picks of rounds that append and read back the same records.
    fn rounds(
        &mut self,
        bencher: &mut Bencher<'_>,
        records: &[Record],
        part: fn(&Round) -> Duration,
    ) {
        let Self {
            runtime,
            spool,
            reader,
            ..
        } = self;
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                took += part(&runtime.block_on(round(spool, reader, records)));
            }
            took
        });
    }
}

async fn round(spool: &Spool, reader: &mut Reader, records: &[Record]) -> Round {
    let appended = records.to_vec();
    let began = Instant::now();
    spool.append(appended).await.expect("a disk that takes it");
    let append = began.elapsed();

    let mut given = Vec::with_capacity(records.len());
    let began = Instant::now();
    for _ in records {
        given.push(reader.next().await.expect("a disk that is read"));
    }
    let read = began.elapsed();

    // with all of them finished the segment would go, and each round would make a new one
    let (newest, _) = given.last().expect("a record");
    reader
        .finished(newest - 1)
        .await
        .expect("a disk that deletes");
    Round { append, read }
}
