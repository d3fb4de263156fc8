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
    if let Some(disk) = rig.site.small() {
        disk.fill();
        sleep(lasts).await;
        disk.clear();
        return;
    }
    // without a disk of its own PostgreSQL says what it would say then
    let client = rig.site.client().await;
    let words = "set synchronous_commit = off; {}";
    let client = async |sql: &str| {
        let done = client.batch_execute(&words.replace("{}", sql)).await;
        done.expect("a superuser may do this");
    };
    client(REFUSE).await;
    sleep(lasts).await;
    client("drop function public.chaos_full cascade").await;
}

/// Lets every write fail for want of room.
const REFUSE: &str = "create function public.chaos_full() returns trigger language plpgsql as $$
    begin
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$;
  create trigger chaos_full before insert or update on public.steps for each statement execute function public.chaos_full();
  create trigger chaos_full before insert or update on public.flowstate for each statement execute function public.chaos_full()";

pub(super) async fn promoted(rig: &mut Rig, lasts: Duration) {
    rig.site.promote().await;
    sleep(lasts).await;
}
