//! A run: load, faults in random order, quiet, and the check.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    checker::{self, Verdict},
    faults::Fault,
    load::{Client, Ended, Load, Plan},
    rig::Rig,
};
use crate::support::Chance;

/// How long everything may stand still after the last fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a run did and found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Faults injected, by name.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    pub(crate) committed: u64,
    pub(crate) spooled: u64,
    pub(crate) skipped: u64,
    pub(crate) reopened: u64,
    pub(crate) resent: u64,
    pub(crate) verdict: Verdict,
    /// What stood still, or did not come back, in words.
    pub(crate) stuck: Vec<String>,
    /// What clients were told and should not have been.
    pub(crate) strange: Vec<String>,
    /// Promises that were broken, in words.
    pub(crate) broken: Vec<String>,
    /// What was measured, in words.
    pub(crate) notes: Vec<String>,
    /// Rows the database refused; none of them should have been.
    pub(crate) rejected: usize,
}

impl Outcome {
    pub(crate) fn failed(&self) -> bool {
        !(self.verdict.findings.is_empty()
            && self.stuck.is_empty()
            && self.strange.is_empty()
            && self.broken.is_empty()
            && self.rejected == 0)
    }

    /// Takes in what the clients know.
    pub(crate) fn add(&mut self, ended: &Ended) {
        for client in &ended.clients {
            let ledger = client.ledger.lock().expect("clients have ended");
            self.committed += ledger.committed;
            self.spooled += ledger.spooled;
            self.skipped += ledger.skipped;
            self.reopened += ledger.reopened;
            self.resent += ledger.resent;
            let app = client.teller.source().app;
            let miscounted = ledger.miscounted.iter().take(5);
            self.strange
                .extend(miscounted.map(|words| format!("{app}: {words}")));
        }
        self.strange.extend(ended.strange.iter().cloned());
        if ended.stuck > 0 {
            let words = format!("{} chunks were never answered", ended.stuck);
            self.stuck.push(words);
        }
    }
}

/// Faults under load for `duration`, then the check.
pub(crate) async fn mix(
    rig: &mut Rig,
    plan: &Plan,
    duration: Duration,
    tell: impl Fn(&str),
) -> Outcome {
    let mut chance = Chance(plan.seed);
    let mut outcome = Outcome::default();
    let load = Load::start(rig.server.address, plan);
    let began = Instant::now();
    let mut deck = Vec::new();
    if !load.progress(1, PATIENCE).await {
        outcome.stuck.push("nothing was acknowledged at all".into());
    }
    while began.elapsed() < duration && outcome.stuck.is_empty() {
        let pause = Duration::from_millis(u64::try_from(200 + chance.below(2_500)).expect("short"));
        tokio::time::sleep(pause).await;
        toggle(rig, &load, &mut chance).await;
        if deck.is_empty() {
            deck = Fault::deck(&mut chance, rig);
        }
        let fault = deck.pop().expect("filled above");
        let lasts = fault.lasts(&mut chance);
        tell(&format!(
            "{:6.1} s  {:9} events acknowledged  {} for {} ms",
            began.elapsed().as_secs_f64(),
            load.acknowledged(),
            fault.name(),
            lasts.as_millis()
        ));
        if let Err(words) = fault.strike(rig, lasts, &mut chance).await {
            outcome
                .stuck
                .push(format!("after {}: {words}", fault.name()));
        }
        *outcome.faults.entry(fault.name()).or_default() += 1;
        if !load.progress(1, PATIENCE).await {
            let words = format!("after {}: nothing was acknowledged for 30 s", fault.name());
            outcome.stuck.push(words);
        }
    }
    finish(rig, load, outcome, tell).await
}

/// Ends the load, waits until nothing is pending, and checks.
pub(crate) async fn finish(
    rig: &mut Rig,
    load: Load,
    mut outcome: Outcome,
    tell: impl Fn(&str),
) -> Outcome {
    let ended = load.finish(PATIENCE).await;
    outcome.add(&ended);
    check(rig, &ended.clients, outcome, tell).await
}

/// Waits until nothing is pending, and checks what `clients` were told.
pub(crate) async fn check(
    rig: &Rig,
    clients: &[Client],
    mut outcome: Outcome,
    tell: impl Fn(&str),
) -> Outcome {
    if rig.spools() {
        outcome.stuck.extend(rig.drained().await.err());
    }
    outcome.rejected = rig.rejected();
    tell("comparing what was acknowledged with the tables");
    let client = rig.site.client().await;
    outcome.verdict = checker::check(&client, clients).await;
    outcome
}

/// An operator switches the toggled app, sometimes.
async fn toggle(rig: &Rig, load: &Load, chance: &mut Chance) {
    let Some(source) = load.toggled() else { return };
    if chance.below(2) == 0 {
        return;
    }
    let enabled = chance.below(3) > 0;
    let client = rig.site.client().await;
    let sql = "insert into public.appstate (userid, appname, appversion, persistenceenabled) values ($1, $2, $3, $4)
        on conflict (userid, appname) do update set persistenceenabled = excluded.persistenceenabled";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&source.user, &source.app, &source.version, &enabled];
    client
        .execute(sql, &values)
        .await
        .expect("the database runs between faults");
}
