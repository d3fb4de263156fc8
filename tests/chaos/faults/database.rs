//! PostgreSQL dies, falls silent, or cannot write.

use std::time::Duration;

use tokio::time::sleep;

use super::super::rig::Rig;

pub(super) async fn killed(rig: &mut Rig, lasts: Duration) {
    rig.site.primary().kill9().await;
    sleep(lasts).await;
}

pub(super) async fn frozen(rig: &mut Rig, lasts: Duration) {
    rig.site.primary().freeze();
    sleep(lasts).await;
    rig.site.primary().thaw();
}

pub(super) async fn stopped(rig: &mut Rig, lasts: Duration) {
    rig.site.stop_at_once().await;
    sleep(lasts).await;
}

pub(super) async fn locked(rig: &mut Rig, lasts: Duration) {
    let client = rig.site.client().await;
    let lock = "set synchronous_commit = off; begin; lock table public.steps in exclusive mode";
    client
        .batch_execute(lock)
        .await
        .expect("a superuser waits for a lock");
    sleep(lasts).await;
    client
        .batch_execute("rollback")
        .await
        .expect("its own session");
}

pub(super) async fn full(rig: &mut Rig, lasts: Duration) {
    let Some(disk) = rig.site.small() else { return };
    disk.fill();
    sleep(lasts).await;
    disk.clear();
}

pub(super) async fn promoted(rig: &mut Rig, lasts: Duration) {
    rig.site.promote().await;
    sleep(lasts).await;
}
