//! Spools as a service would have left them.

use std::{fs, path::PathBuf, sync::Arc};

use flowtrail::{
    event::{App, FlowStart, Invalid, Micros, Reason, Step},
    ingest::{
        queue::{Mark, Rows},
        row::{self, Source},
        spool::{Options, Reader, Record, Spool},
        ticket::Rejection,
    },
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Run, TestDatabase};

/// 2026-01-05 10:00:00 UTC in µs since 1970.
const SPOOLED_AT: i64 = 1_767_607_200_000_000;

/// A service's directory with a spool in it.
pub(super) struct Kept {
    pub(super) home: TempDir,
    database: Uuid,
}

impl Kept {
    pub(super) fn new(database: Uuid) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, database }
    }

    /// The spool of what `database` is the database of.
    pub(super) async fn of(database: &TestDatabase) -> Self {
        let client = database.client().await;
        let id = "select database_id from flowtrail.meta";
        Self::new(client.query_one(id, &[]).await.unwrap().get(0))
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.home.path().join("spool")
    }

    /// As a service opens it.
    pub(super) fn open(&self) -> (Spool, Reader) {
        let options = Options {
            dir: self.dir(),
            limit_bytes: 64 << 20,
            segment_bytes: 1 << 20,
            database: self.database,
        };
        Spool::open(options).unwrap()
    }

    /// Appends what a service would have kept.
    pub(super) async fn keep(&self, records: Vec<Record>) {
        let (spool, _reader) = self.open();
        spool.append(records).await.unwrap();
        spool.close().await;
    }

    /// Puts the first row of its first record into `rejected/`.
    pub(super) async fn reject(&self, sentence: &str) {
        let (spool, mut reader) = self.open();
        let (sequence, record) = reader.next().await.unwrap();
        let rejection = Rejection {
            index: 0,
            invalid: Invalid::new(Reason::RefusedByDatabase, sentence),
        };
        reader
            .reject(sequence, &record, &[rejection])
            .await
            .unwrap();
        spool.close().await;
    }

    /// A command about it.
    pub(super) fn run(&self, words: &[&str]) -> Run {
        let place = self.home.path().display().to_string();
        Run::new(&[&["spool"], words, &["--data-dir", &place]].concat())
    }

    pub(super) async fn json(&self, words: &[&str]) -> Value {
        let out = self
            .run(&[words, &["--output", "json"]].concat())
            .end()
            .await
            .done();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    pub(super) fn segment(&self) -> PathBuf {
        let entries = fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut segments = entries.filter(|path| path.extension().is_some_and(|e| e == "segment"));
        segments.next().expect("a segment")
    }
}

fn time(seconds: i64) -> Micros {
    Micros::from_unix("time", seconds, 0).unwrap()
}

fn step_row(instance: &str, number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let step = Step {
        instance,
        number,
        started_at: time(1_000),
        ended_at: Some(time(1_001)),
        task: Some("weigh"),
        status: Some("Completed"),
        flow: Some("order"),
        subflow: Some("0"),
        rerun: Some(false),
        parent: None,
        content: Some(b"{\"id\":1.0}"),
        misc: None,
    };
    row::step(&mut bytes, &step);
    bytes
}

fn start_row(instance: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let source = Source {
        user: "acme".into(),
        app: "orders".into(),
        version: "1".into(),
        host: "vm".into(),
    };
    let start = FlowStart {
        instance,
        started_at: time(1_000),
        ended_at: None,
        flow: Some("order"),
        status: Some("Created"),
        original: None,
        parent: None,
        parent_flow: None,
        input: Some(b"{}"),
        misc: None,
    };
    row::start(&mut bytes, &source, &start);
    bytes
}

fn rows(encoded: &[Vec<u8>]) -> Rows {
    let mut end = 0;
    let marks = (0..).zip(encoded).map(|(index, row)| {
        end += u32::try_from(row.len()).unwrap();
        Mark {
            end,
            index,
            complete_only: false,
        }
    });
    let marks = marks.collect();
    Rows {
        bytes: encoded.concat().into(),
        marks,
    }
}

/// The start of an instance and so many steps.
pub(super) fn record(instance: &str, steps: u32) -> Record {
    let steps: Vec<_> = (0..steps).map(|n| step_row(instance, n)).collect();
    Record {
        spooled_at: SPOOLED_AT,
        app: Some(Arc::new(App {
            user: "acme".into(),
            app: "orders".into(),
        })),
        steps: rows(&steps),
        flows: rows(&[start_row(instance)]),
        ..Record::default()
    }
}
