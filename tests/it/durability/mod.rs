//! Nothing lost: the breaking suite (`make chaos`), each fault once and short.

#[path = "../../chaos/checker/mod.rs"]
mod checker;
#[path = "../../chaos/faults/mod.rs"]
mod faults;
#[path = "../../chaos/load/mod.rs"]
mod load;
#[path = "../../chaos/outage.rs"]
mod outage;
#[path = "../../chaos/report.rs"]
#[expect(dead_code, reason = "how to repeat a long run")]
mod report;
#[path = "../../chaos/rig/mod.rs"]
mod rig;
#[path = "../../chaos/run.rs"]
#[expect(dead_code, reason = "the schedule is for the long runs")]
mod run;

use std::{
    io::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use self::{
    faults::{Away, Fault, Then},
    load::{Load, Plan},
    rig::{Parts, Rig},
    run::{Outcome, PATIENCE},
};
use crate::support::Chance;

/// How long a fault lasts.
const LASTS: Duration = Duration::from_millis(1_500);
/// Events between faults.
const BETWEEN: u64 = 300;

/// A few clients that a debug build can serve.
fn plan() -> Plan {
    Plan {
        seed: u64::from(uuid::Uuid::new_v4().as_fields().0),
        streams: 2,
        posts: 1,
        toggled: true,
        rate: 600.0,
        lean: false,
    }
}

fn place() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    PathBuf::from(format!("/tmp/flowtrail-durability-{process}-{number}"))
}

fn parts(standby: bool, disks: bool) -> Parts {
    let flags = [
        ["--statement-timeout", "2s"],
        ["--connect-timeout", "2s"],
        ["--spool-after", "500ms"],
    ];
    Parts {
        standby,
        database_disk: None,
        spool_disk: disks.then_some(512 << 20),
        flags: flags.concat().into_iter().map(str::to_owned).collect(),
    }
}

/// Load, these faults one after the other, and the check of every acknowledged event.
async fn survives(parts: Parts, faults: &[Fault]) {
    let place = place();
    let plan = plan();
    let mut chance = Chance(plan.seed);
    let mut rig = Rig::start(place.clone(), &parts).await.unwrap();
    if let (true, Err(words)) = (parts.spool_disk.is_some(), &rig.disk) {
        // as in a container without the right to mount: the server is killed, and that is all
        let said = writeln!(
            std::io::stderr(),
            "no disk of its own for the spool ({words}): it is not filled, and power is not cut"
        );
        drop(said);
    }
    let load = Load::start(rig.server.address, &plan);
    let mut outcome = Outcome::default();
    for fault in faults {
        assert!(load.progress(BETWEEN, PATIENCE).await, "before {fault:?}");
        let struck = fault.strike(&mut rig, LASTS, &mut chance).await;
        struck.unwrap_or_else(|words| panic!("{fault:?}: {words}; see {}", place.display()));
        *outcome.faults.entry(fault.name()).or_default() += 1;
    }
    assert!(load.progress(BETWEEN, PATIENCE).await, "after the faults");
    let outcome = run::finish(&mut rig, load, outcome, |_| ()).await;
    nothing_wrong(&outcome, &plan, rig, place);
}

fn nothing_wrong(outcome: &Outcome, plan: &Plan, rig: Rig, place: PathBuf) {
    let summary = report::summary(outcome, plan.seed);
    if outcome.failed() {
        rig.site.keep_logs(&place);
        panic!("{summary}see {}", place.display());
    }
    assert!(outcome.verdict.compared > 0, "{summary}");
    drop(rig);
    let _ = std::fs::remove_dir_all(place);
}

/// With the spool in use.
async fn survives_spooling(then: Then) {
    let disks = matches!(then, Then::DiskFull | Then::PowerCut);
    let away = Away::Stopped;
    survives(parts(false, disks), &[Fault::Spooling { away, then }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_one_that_is_stopped_lose_nothing() {
    survives(
        parts(false, false),
        &[Fault::ServerKilled, Fault::ServerStopped],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_or_falls_silent_costs_nothing() {
    let faults = [
        Fault::DatabaseKilled,
        Fault::DatabaseStopped,
        Fault::DatabaseFrozen,
    ];
    survives(parts(false, false), &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_write_costs_nothing() {
    let faults = [Fault::TableLocked, Fault::DatabaseDiskFull];
    survives(parts(false, false), &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_in_the_middle_of_a_copy_cost_nothing() {
    let cut = |bytes| Fault::LineCut { bytes };
    let faults = [
        cut(1),
        cut(90),
        cut(5_000),
        Fault::LineHeld { bytes: 2_000 },
    ];
    survives(parts(false, false), &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_has_everything() {
    survives(parts(true, false), &[Fault::Promoted]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_spooling_gives_everything_later() {
    survives_spooling(Then::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_record_was_never_acknowledged() {
    survives_spooling(Then::Torn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_announced_and_can_be_repaired() {
    survives_spooling(Then::Flipped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_spool_makes_clients_wait() {
    survives_spooling(Then::DiskFull).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_what_was_acknowledged_is_there() {
    survives_spooling(Then::PowerCut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_under_load_costs_nothing_but_disk_space() {
    let place = place();
    let plan = Plan {
        posts: 0,
        toggled: false,
        lean: true,
        rate: 1_500.0,
        ..plan()
    };
    let mut rig = Rig::start(place.clone(), &parts(false, false))
        .await
        .unwrap();
    let outage = Duration::from_secs(20);
    let outcome = outage::play(&mut rig, &plan, outage, false, |_| ()).await;
    assert!(outcome.spooled > 0);
    nothing_wrong(&outcome, &plan, rig, place);
}
