//! PostgreSQL is away for minutes under full load: everything is taken, memory stays flat, and
//! afterwards the spool drains while new events keep coming.

use std::time::{Duration, Instant};

use super::{
    load::{Client, Load, Plan},
    rig::Rig,
    run::{Outcome, PATIENCE, check},
};

/// How long the rate is measured that is normal here.
const NORMAL: Duration = Duration::from_secs(10);
/// What the drain, new events included, must reach of it.
const LEAST: f64 = 0.7;
/// What must have been acknowledged of what the clients would send.
const TAKEN: f64 = 0.9;
/// MiB that memory may go up and down by while it is flat.
const FLAT_MIB: u64 = 64;

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    /// Events a second that are written when nothing is wrong and clients send all they can.
    normal: f64,
    /// Events acknowledged while the database was away.
    taken: u64,
    /// MiB of memory, each second of it.
    memory: Vec<u64>,
    /// MiB of disk that the spool had taken in the end.
    spool_mib: u64,
    /// Events in the spool then.
    pending: f64,
    /// How long draining took.
    draining: Duration,
    /// Events acknowledged meanwhile.
    live: u64,
}

/// An outage of `duration`. `timed`: whether rates are part of the promise.
pub(crate) async fn play(
    rig: &mut Rig,
    plan: &Plan,
    duration: Duration,
    timed: bool,
    tell: impl Fn(&str),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut measured = Measured::default();
    let mut clients = Vec::new();
    if timed {
        clients = normal(rig, plan, &mut outcome, &mut measured).await;
        tell(&format!("normal here: {:.0} events/s", measured.normal));
    }
    let load = Load::start(rig.server.address, plan);
    if !load.progress(1_000, PATIENCE).await {
        outcome.stuck.push("nothing was acknowledged at all".into());
    }
    away(rig, &load, duration, &mut measured, &tell).await;
    *outcome.faults.entry("PostgreSQL away").or_default() += 1;
    if let Err(words) = back(rig, &load, &mut measured, &tell).await {
        outcome.stuck.push(words);
    }
    judge(plan, duration, timed, &measured, &mut outcome);
    let ended = load.finish(PATIENCE).await;
    outcome.add(&ended);
    clients.extend(ended.clients);
    check(rig, &clients, outcome, tell).await
}

/// What can be written here when nothing is wrong.
async fn normal(
    rig: &Rig,
    plan: &Plan,
    outcome: &mut Outcome,
    measured: &mut Measured,
) -> Vec<Client> {
    let plan = Plan {
        seed: !plan.seed,
        rate: 1e9,
        ..plan.clone()
    };
    let load = Load::start(rig.server.address, &plan);
    load.progress(1_000, PATIENCE).await;
    let (before, began) = (load.acknowledged(), Instant::now());
    tokio::time::sleep(NORMAL).await;
    measured.normal = rate(load.acknowledged() - before, began.elapsed());
    let ended = load.finish(PATIENCE).await;
    outcome.add(&ended);
    ended.clients
}

async fn away(
    rig: &Rig,
    load: &Load,
    duration: Duration,
    measured: &mut Measured,
    tell: impl Fn(&str),
) {
    rig.site.stop_at_once().await;
    tell("PostgreSQL is away");
    let (before, began) = (load.acknowledged(), Instant::now());
    while began.elapsed() < duration {
        tokio::time::sleep(Duration::from_secs(1)).await;
        measured.memory.extend(rig.server.resident_mib());
    }
    measured.taken = load.acknowledged() - before;
    measured.spool_mib = rig.spool_mib();
    rig.site.revive().await;
    measured.pending = rig.pending().await.unwrap_or_default();
    tell(&format!(
        "PostgreSQL is back; {:.0} events wait in {} MiB",
        measured.pending, measured.spool_mib
    ));
}

/// Waits until the spool is empty, new events going on.
async fn back(
    rig: &Rig,
    load: &Load,
    measured: &mut Measured,
    tell: impl Fn(&str),
) -> Result<(), String> {
    let (before, began) = (load.acknowledged(), Instant::now());
    let (mut least, mut since) = (f64::INFINITY, Instant::now());
    let mut told = Instant::now();
    loop {
        let pending = rig.pending().await.unwrap_or(f64::INFINITY);
        measured.live = load.acknowledged() - before;
        measured.draining = began.elapsed();
        if pending <= 0.0 {
            return rig.drained().await;
        }
        if pending < least {
            (least, since) = (pending, Instant::now());
        }
        if since.elapsed() > 2 * PATIENCE {
            return Err(format!(
                "the spool does not get emptier than {least} events"
            ));
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            tell(&format!("{pending:.0} events wait"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn judge(plan: &Plan, duration: Duration, timed: bool, measured: &Measured, outcome: &mut Outcome) {
    let taken = rate(measured.taken, duration);
    let written = measured.pending / measured.draining.as_secs_f64();
    let live = rate(measured.live, measured.draining);
    let half = measured.memory.len() / 2;
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    let (first, second) = measured.memory.split_at(half);
    let (first, second) = (most(first), most(second));
    outcome.notes.push(format!(
        "away {} s: {taken:.0} events/s acknowledged of {:.0} sent; {} MiB of disk; memory up to {first} MiB, then {second} MiB",
        duration.as_secs(), plan.rate, measured.spool_mib
    ));
    outcome.notes.push(format!(
        "back: empty after {:.1} s; {written:.0} events/s drained and {live:.0} new ones",
        measured.draining.as_secs_f64()
    ));
    if second > first + FLAT_MIB {
        outcome
            .broken
            .push(format!("memory grew from {first} to {second} MiB"));
    }
    if !timed {
        return;
    }
    let share = (written + live) / measured.normal;
    outcome.notes.push(format!(
        "that is {share:.2} of the {:.0} events/s that are normal here",
        measured.normal
    ));
    if taken < TAKEN * plan.rate {
        outcome
            .broken
            .push(format!("only {taken:.0} events/s were taken while away"));
    }
    if share < LEAST {
        outcome
            .broken
            .push(format!("drained at {share:.2} of the normal rate"));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}
