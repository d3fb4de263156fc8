//! Several hosts: the primary dies, freezes, is demoted or shut down, a standby is promoted, and
//! nothing that was acknowledged is missing there.

mod faces;
mod hosts;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use flowtrail::app::Running;
use tokio::time::sleep;

use crate::support::{Cluster, Load, SMALL, connect, eventually, serve, verify};

/// Ingest goes on within this time after the promotion. Five seconds is the promise, to which a release is
/// held; a debug build shares the machine with other tests.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 5 });
/// How long the database is away: long enough for every pause between two tries to be its longest.
const OUTAGE: Duration = Duration::from_secs(4);

/// A primary with a standby that commits wait for, and a service under load that knows both.
struct World {
    old: Cluster,
    new: Cluster,
    service: Running,
    load: Load,
}

impl World {
    async fn start(name: &str) -> Self {
        let old = Cluster::start().await;
        let new = old.standby().await;
        let url = Cluster::url_of(&[&old, &new], "postgres");
        // what waits when the primary goes must not take long to write on a busy machine
        let flags = ["--no-spool", "--max-unanswered-chunks", "64"];
        let service = serve(&url, &flags).await;
        let load = Load::start(service.local_addr(), name, 4, SMALL).await;
        load.progress(20).await;
        Self {
            old,
            new,
            service,
            load,
        }
    }

    /// Promotes the standby, and waits until an event is acknowledged that it was the first to store.
    async fn promote(&self, fault: &str) {
        self.new.promote().await;
        let promoted = Instant::now();
        let client = connect(&self.new.url("postgres")).await;
        let stored = async || {
            let rows = "select count(*) from public.flowstate";
            client.query_one(rows, &[]).await.unwrap().get::<_, i64>(0)
        };
        let replicated = stored().await;
        eventually("new rows", async || stored().await > replicated).await;
        let before = self.load.acked();
        eventually("acks", async || self.load.acked() > before).await;
        let took = promoted.elapsed();
        drop(writeln!(
            std::io::stderr(),
            "{fault}: ingest goes on {took:?} after the promotion"
        ));
        assert!(took < SOON, "{fault}: {took:?} after the promotion");
        self.load.progress(50).await;
    }

    /// Ends the load: no stream broke, each event was recorded once and is on the new primary.
    async fn arrived(self) -> (Cluster, Cluster) {
        let ledgers = self.load.finish().await;
        for ledger in &ledgers {
            ledger.end.as_ref().expect("the streams only waited");
            assert_eq!(ledger.acked, ledger.sent);
            // a transaction whose commit was not answered is written again, and finds itself
            let sum = ledger.sum.recorded + ledger.sum.superseded;
            assert_eq!(sum, ledger.sent * ledger.events());
        }
        self.service.stop().await.unwrap();
        verify(&connect(&self.new.url("postgres")).await, &ledgers).await;
        (self.old, self.new)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_no_standby_has() {
    let world = World::start("c").await;
    world.new.freeze();
    // administrators who see sessions hang cancel what they wait for, or end them: what was committed
    // is then on the primary alone, and found there by the next try
    let client = connect(&world.old.url("postgres")).await;
    let client = &client;
    let waiting = "from pg_stat_activity where wait_event = 'SyncRep'";
    let strike = async |how: &str| {
        let strike = format!("select count({how}(pid)) {waiting}");
        eventually(how, async || {
            client
                .query_one(&strike, &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
                > 0
        })
        .await;
    };
    strike("pg_cancel_backend").await;
    let acked = world.load.acked();
    for how in [
        "pg_terminate_backend",
        "pg_cancel_backend",
        "pg_terminate_backend",
    ] {
        sleep(Duration::from_millis(500)).await;
        strike(how).await;
    }
    sleep(OUTAGE).await;
    assert_eq!(world.load.acked(), acked, "nobody has confirmed a commit");
    world.old.kill9().await;
    world.new.thaw();
    world.promote("unconfirmed").await;
    world.arrived().await;
}

/// Sessions of the service with `server` that could write or are read from. A commit that waits for a
/// standby does so for ever, whether its client is still there or not.
async fn sessions(server: &Cluster) -> i64 {
    let client = connect(&server.url("postgres")).await;
    let sessions = "select count(*) from pg_stat_activity where application_name like 'flowtrail %'
        and application_name <> 'flowtrail lookout' and wait_event is distinct from 'SyncRep'";
    client.query_one(sessions, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_killed_is_replaced_by_its_standby() {
    let world = World::start("k").await;
    world.old.kill9().await;
    sleep(OUTAGE).await;
    world.promote("killed").await;
    world.arrived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_shut_down_is_replaced_and_comes_back_as_a_standby() {
    let world = World::start("s").await;
    world.old.stop().await;
    sleep(OUTAGE).await;
    world.promote("shut down").await;
    world.old.follow(&world.new).await;
    world.load.progress(50).await;
    assert_eq!(sessions(&world.old).await, 0, "a standby takes no writes");
    // and back again
    let before = world.load.acked();
    world.new.kill9().await;
    world.old.promote().await;
    let promoted = Instant::now();
    eventually("acks", async || world.load.acked() > before + 20).await;
    assert!(promoted.elapsed() < SOON, "{:?}", promoted.elapsed());
    let World { old, new, .. } = world;
    let (old, new) = (new, old);
    World { old, new, ..world }.arrived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_left_and_not_gone_back_to_when_it_thaws() {
    for outage in [Duration::ZERO, OUTAGE] {
        let world = World::start("f").await;
        world.old.freeze();
        sleep(outage).await;
        world.promote("frozen").await;
        // it knows nothing of all that, and takes writes
        world.old.thaw();
        world.load.progress(100).await;
        eventually("empty", async || sessions(&world.old).await == 0).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(sessions(&world.old).await, 0);
        world.arrived().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_demoted_is_left_once_another_takes_writes() {
    let world = World::start("d").await;
    world.old.demote().await;
    sleep(OUTAGE).await;
    let acked = world.load.acked();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.load.acked(), acked, "nobody takes writes");
    assert!(sessions(&world.old).await > 0, "it still answers questions");
    world.promote("demoted").await;
    eventually("empty", async || sessions(&world.old).await == 0).await;
    world.arrived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_still_takes_writes_is_left_when_its_standby_is_promoted() {
    let world = World::start("b").await;
    // a promotion by mistake: commits at the old one wait for a standby that is none any more
    world.promote("not even told").await;
    eventually("empty", async || sessions(&world.old).await == 0).await;
    world.arrived().await;
}
