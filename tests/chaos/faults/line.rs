//! The connections between server and PostgreSQL break in the middle of what they carry.

use std::time::Duration;

use tokio::time::sleep;

use super::super::rig::Rig;

pub(super) async fn cut(rig: &mut Rig, bytes: usize, lasts: Duration) {
    rig.site.line().cut_after(bytes);
    sleep(lasts).await;
}

pub(super) async fn held(rig: &mut Rig, bytes: usize, lasts: Duration) {
    rig.site.line().hold_after(bytes);
    sleep(lasts).await;
}
