//! The server dies, or is asked to stop.

use std::time::Duration;

use tokio::time::sleep;

use super::super::rig::Rig;

/// How long a stop may take that is not disturbed; `--shutdown-timeout` is 30 s.
const STOP: Duration = Duration::from_secs(40);

pub(super) async fn killed(rig: &mut Rig, lasts: Duration) {
    rig.server.kill();
    sleep(lasts).await;
}

pub(super) async fn stopped(rig: &mut Rig, lasts: Duration) {
    rig.server.terminate(STOP).await;
    sleep(lasts).await;
}
