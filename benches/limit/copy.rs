//! The limit: binary COPY of the same steps, encoded beforehand, straight into `steps`.

use std::pin::pin;

use anyhow::Context as _;
use bytes::Bytes;
use flowtrail::{
    cli::load::{Cast, Events, Shape},
    event::Event,
    ingest::{row, wire},
    pg::{Pool, binary},
};
use futures_util::{SinkExt as _, future::try_join_all};

/// Bytes of one CopyData message.
const MESSAGE_BYTES: usize = 128 << 10;
const COPY: &str = include_str!("../../sql/ingest/steps_copy.sql");

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) connections: usize,
    /// Rows of a transaction.
    pub(crate) batch: usize,
}

/// What is tried to find the best; transactions of rows that are `larger` times as large have fewer.
pub(crate) fn ways(larger: usize) -> Vec<Way> {
    let ways = [1, 2, 4].into_iter().flat_map(|connections| {
        [2_000, 10_000, 50_000].map(|batch| Way {
            connections,
            batch: batch / larger,
        })
    });
    ways.collect()
}

/// Steps as rows of COPY.
pub(crate) struct Rows(Vec<Vec<u8>>);

impl Rows {
    /// So many steps of flows that the load generator makes, under ids of their own.
    pub(crate) fn new(rows: usize, payload: Option<usize>) -> anyhow::Result<Self> {
        let shape = Shape {
            user: "load".to_owned(),
            app: "load".to_owned(),
            payload,
            long_flows: 0.0,
            long_steps: 1,
            reruns: 0.0,
            steps_only: true,
        };
        let events = Events::new(Cast::new(shape)?.flows(0, 1));
        let encoded = events.take(rows).map(|event| {
            let mut row = Vec::new();
            let Event::Step(step) = wire::event(&event)? else {
                anyhow::bail!("an event is no step");
            };
            row::step(&mut row, &step);
            Ok(row)
        });
        Ok(Self(encoded.collect::<anyhow::Result<_>>()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Rows put together into transactions and messages; not part of what is timed.
    pub(crate) fn batches(&self, way: Way) -> Vec<Vec<Bytes>> {
        let batch = |rows: &[Vec<u8>]| {
            let mut messages = vec![binary::HEADER.to_vec()];
            for row in rows {
                let full = |message: &Vec<u8>| message.len() + row.len() > MESSAGE_BYTES;
                if messages.last().is_none_or(full) {
                    messages.push(Vec::with_capacity(MESSAGE_BYTES));
                }
                if let Some(message) = messages.last_mut() {
                    message.extend_from_slice(row);
                }
            }
            messages.push(binary::TRAILER.to_vec());
            messages.into_iter().map(Bytes::from).collect()
        };
        self.0.chunks(way.batch).map(batch).collect()
    }
}

/// Writes the batches over `connections`, a transaction for each.
pub(crate) async fn copy(
    pool: &Pool,
    batches: &[Vec<Bytes>],
    connections: usize,
) -> anyhow::Result<()> {
    let writing = (0..connections).map(|writer| async move {
        let client = pool.get().await?;
        let copy = client.prepare_cached(COPY).await?;
        for batch in batches.iter().skip(writer).step_by(connections) {
            let mut sink = pin!(client.copy_in::<_, Bytes>(&copy).await?);
            for message in batch {
                sink.feed(message.clone()).await?;
            }
            sink.finish().await.context("COPY")?;
        }
        anyhow::Ok(())
    });
    try_join_all(writing).await?;
    Ok(())
}
