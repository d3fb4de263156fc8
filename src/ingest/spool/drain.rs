//! The way back: what the spool holds goes to the lanes, in the order in which it came, and is
//! finished once it is in the tables.
//!
//! A record is handed over like a chunk: with a ticket, within the budget, as an app of its own among
//! the others, and with at most a quarter of it: what lanes were given waits for the database however
//! long, and must not keep live events out of the spool. Its rows go to the lanes that take parts now,
//! which may be more or fewer than when it was spooled; when they become more or fewer, records wait
//! for those in front of them. The lanes decide when: while the database is away, what they were given
//! first is the probe, and nothing else moves.

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Reader, Record};
use crate::ingest::{
    queue::{
        Budget, Holder, Intake, Mark, PART_BYTES, Part, Permit, ROW_BYTES, Rows, Spread, lane_of,
    },
    row,
    ticket::{Lost, Outcome, Receipt, ticket},
};

/// Parts that may wait in front of a lane.
const PARTS: usize = 64;
/// The part of the budget that may be drained at once: one in so many.
const SHARE: usize = 4;
/// The pause after the disk refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives the lanes what the spool holds.
#[derive(Debug)]
pub struct Drain {
    reader: Reader,
    lanes: Vec<mpsc::Sender<Part>>,
    budget: Budget,
    spread: Spread,
    /// Among how many lanes the last record was split.
    among: usize,
    flights: VecDeque<Flight>,
    /// Bytes of these.
    flying: usize,
    /// Read, waiting for room.
    ready: Option<(u64, Record)>,
}

/// A record that lanes have.
#[derive(Debug)]
struct Flight {
    sequence: u64,
    bytes: usize,
    record: Record,
    receipt: Receipt,
}

/// What drains into the `lanes` lanes of an intake, and what each of them reads.
pub fn drain(reader: Reader, lanes: usize, intake: &Intake) -> (Drain, Vec<mpsc::Receiver<Part>>) {
    let (lanes, receivers) = (0..lanes).map(|_| mpsc::channel(PARTS)).unzip();
    let spread = intake.spread().clone();
    let drain = Drain {
        reader,
        lanes,
        budget: intake.budget().clone(),
        among: spread.among(),
        spread,
        flights: VecDeque::new(),
        flying: 0,
        ready: None,
    };
    (drain, receivers)
}

/// What lanes read where there is no spool.
pub fn nothing(lanes: usize) -> Vec<mpsc::Receiver<Part>> {
    (0..lanes).map(|_| mpsc::channel(1).1).collect()
}

impl Drain {
    /// Drains until `end` is cancelled or a lane has ended. What is not finished by then stays.
    pub async fn run(mut self, end: CancellationToken) {
        end.run_until_cancelled(self.drain()).await;
    }

    async fn drain(&mut self) {
        let holder = Holder::drain();
        loop {
            let waiting = self.ready.as_ref().map(|(_, record)| charge(record));
            let bytes = waiting.unwrap_or_default();
            let fits = self.flying + bytes <= self.budget.limit_bytes() / SHARE
                && self.among == self.spread.among();
            let fits = self.flights.is_empty() || fits;
            tokio::select! {
                biased;
                answer = answer(&mut self.flights), if !self.flights.is_empty() => {
                    let Some(flight) = self.flights.pop_front() else { continue };
                    let Ok(outcome) = answer else { return };
                    self.flying -= flight.bytes;
                    self.finish(flight, outcome).await;
                }
                permit = self.budget.room(&holder, bytes), if waiting.is_some() && fits => {
                    let Some((sequence, record)) = self.ready.take() else { continue };
                    let Ok(receipt) = self.hand_over(&record, permit).await else { return };
                    self.flying += bytes;
                    self.flights.push_back(Flight { sequence, bytes, record, receipt });
                }
                read = self.reader.next(), if waiting.is_none() => match read {
                    Ok(record) => self.ready = Some(record),
                    Err(error) => {
                        tracing::error!(%error, "the spool cannot be read; tried again");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    async fn hand_over(&mut self, record: &Record, permit: Permit) -> Result<Receipt, Lost> {
        let (ticket, receipt) = ticket(Outcome::default(), permit);
        if self.flights.is_empty() {
            self.among = self.spread.among();
        }
        for (lane, steps, flows) in self.by_lane(record) {
            let part = Part {
                steps,
                flows,
                reruns: record.reruns,
                resent: record.resent,
                registration: record.registration.clone(),
                app: record.app.clone(),
                share: ticket.share(),
            };
            self.lanes[lane].send(part).await.map_err(|_| Lost)?;
        }
        Ok(receipt)
    }

    /// The record's rows by lanes; each row's mark holds its number in the record.
    fn by_lane(&self, record: &Record) -> Vec<(usize, Rows, Rows)> {
        let steps = split(&record.steps, 0, self.among);
        let flows = split(&record.flows, record.steps.marks.len(), self.among);
        let both = steps.into_iter().zip(flows).enumerate();
        both.map(|(lane, (steps, flows))| (lane, steps, flows))
            .filter(|(_, steps, flows)| !steps.marks.is_empty() || !flows.marks.is_empty())
            .collect()
    }

    /// What lanes refused is kept apart before the record is finished.
    async fn finish(&mut self, flight: Flight, outcome: Outcome) {
        let Flight {
            sequence, record, ..
        } = flight;
        let rejections = outcome.rejections;
        if !rejections.is_empty() {
            while let Err(error) = self.reader.reject(sequence, &record, &rejections).await {
                tracing::error!(%error, "refused rows cannot be kept; tried again");
                sleep(PAUSE).await;
            }
        }
        if let Err(error) = self.reader.finished(sequence).await {
            tracing::warn!(%error, "the spool keeps a segment that it needs no more");
        }
    }
}

/// The answer of the oldest record. Cancel safe.
async fn answer(flights: &mut VecDeque<Flight>) -> Result<Outcome, Lost> {
    match flights.front_mut() {
        Some(flight) => flight.receipt.answer().await,
        None => std::future::pending().await,
    }
}

/// Memory of a record that lanes have: usually one part.
fn charge(record: &Record) -> usize {
    PART_BYTES + record.events() * ROW_BYTES + record.bytes()
}

/// The rows by lane, numbered from `first`. Rows of one lane, the usual case, are not copied.
fn split(rows: &Rows, first: usize, lanes: usize) -> Vec<Rows> {
    let mut split: Vec<(Vec<u8>, Vec<Mark>)> = vec![Default::default(); lanes];
    let mut begin = 0;
    let mut of_lane = Vec::with_capacity(rows.marks.len());
    for mark in &rows.marks {
        let row = &rows.bytes[begin..mark.end as usize];
        of_lane.push(lane_of(row::instance(row), lanes));
        begin = mark.end as usize;
    }
    let numbered = (first..).zip(&rows.marks).map(|(number, mark)| Mark {
        index: u32::try_from(number).unwrap_or(u32::MAX),
        ..*mark
    });
    let mut whole = vec![Rows::default(); lanes];
    if let Some(lane) = of_lane.first().copied()
        && of_lane.iter().all(|other| *other == lane)
    {
        whole[lane] = Rows {
            bytes: rows.bytes.clone(),
            marks: numbered.collect(),
        };
        return whole;
    }
    let mut begin = 0;
    for (lane, mark) in of_lane.into_iter().zip(numbered) {
        let (bytes, marks) = &mut split[lane];
        bytes.extend_from_slice(&rows.bytes[begin..mark.end as usize]);
        begin = mark.end as usize;
        marks.push(Mark {
            end: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            ..mark
        });
    }
    let split = split.into_iter().map(|(bytes, marks)| Rows {
        bytes: bytes.into(),
        marks,
    });
    split.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Micros, Step};

    fn rows(instances: &[&str]) -> Rows {
        let (mut bytes, mut marks) = (Vec::new(), Vec::new());
        for (number, instance) in (0..).zip(instances) {
            let step = Step {
                instance,
                number,
                started_at: Micros::from_unix("start_time", 1_000, 0).expect("a time"),
                ended_at: None,
                task: None,
                status: None,
                flow: None,
                subflow: None,
                rerun: None,
                parent: None,
                content: None,
                misc: None,
            };
            row::step(&mut bytes, &step);
            marks.push(Mark {
                end: u32::try_from(bytes.len()).expect("small"),
                index: 99,
                complete_only: number == 1,
            });
        }
        Rows {
            bytes: bytes.into(),
            marks,
        }
    }

    /// The instance, the number and the flag of each row.
    fn read(rows: &Rows) -> Vec<(String, u32, bool)> {
        let mut begin = 0;
        let row = |mark: &Mark| {
            let row = &rows.bytes[std::mem::replace(&mut begin, mark.end as usize)..];
            (
                row::instance(row).to_owned(),
                mark.index,
                mark.complete_only,
            )
        };
        rows.marks.iter().map(row).collect()
    }

    #[test]
    fn rows_go_to_the_lanes_of_today_in_order_and_numbered() {
        let instances = ["a", "b", "c", "a", "d", "b", "e"];
        for lanes in 1..6 {
            let split = split(&rows(&instances), 10, lanes);
            assert_eq!(split.len(), lanes);
            let mut all = Vec::new();
            for (lane, rows) in split.iter().enumerate() {
                let rows = read(rows);
                assert!(rows.iter().all(|row| lane_of(&row.0, lanes) == lane));
                assert!(rows.is_sorted_by_key(|row| row.1), "{rows:?}");
                all.extend(rows);
            }
            all.sort_by_key(|row| row.1);
            let expected = (10..).zip(instances);
            let expected = expected.map(|(number, id)| (id.to_owned(), number, number == 11));
            assert_eq!(all, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_of_one_lane_are_not_copied() {
        let rows = rows(&["a", "a"]);
        let lane = lane_of("a", 3);
        let split = split(&rows, 0, 3);
        assert_eq!(split[lane].bytes.as_ptr(), rows.bytes.as_ptr());
    }
}
