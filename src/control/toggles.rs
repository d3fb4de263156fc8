//! The snapshot of `appstate` that every event is measured against.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    metrics::Metrics,
    snapshot::{App, ByApp, Snapshot},
};
use crate::config::Policy;

/// How often the version of one app is written at most.
const VERSION_EVERY: Duration = Duration::from_mins(1);

/// Cheap handle on the decisions as they were last read from the database.
#[derive(Clone, Debug)]
pub struct Toggles {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    default: bool,
    snapshot: ArcSwap<Snapshot>,
    /// Some stored decision is not the default's.
    divided: AtomicBool,
    generation: watch::Sender<u64>,
    /// The table was read at least once.
    read: AtomicBool,
    /// When the newest good load began: what was committed before it is in the snapshot.
    loaded: watch::Sender<Instant>,
    hint: Notify,
    /// When this process last wrote the row of an app.
    written: Mutex<ByApp<Instant>>,
    metrics: Metrics,
}

impl Toggles {
    /// Toggles that start from `apps` (none, or those kept from an earlier run) until a
    /// [`Listener`](super::Listener) reads the table. `default` holds where nobody decided.
    #[must_use]
    pub fn new(default: Policy, apps: impl IntoIterator<Item = App>, metrics: Metrics) -> Self {
        let snapshot: Snapshot = apps.into_iter().collect();
        metrics.apps.set(count(&snapshot));
        let default = default == Policy::Enabled;
        Self {
            shared: Arc::new(Shared {
                default,
                divided: AtomicBool::new(snapshot.divides(default)),
                snapshot: ArcSwap::from_pointee(snapshot),
                generation: watch::Sender::new(0),
                read: AtomicBool::new(false),
                loaded: watch::Sender::new(Instant::now()),
                hint: Notify::new(),
                written: Mutex::default(),
                metrics,
            }),
        }
    }

    /// Whether events of this app are recorded now: its stored decision, else the default policy.
    /// Neither allocates nor waits.
    #[must_use]
    pub fn persistence(&self, user: &str, app: &str) -> bool {
        let snapshot = self.shared.snapshot.load();
        let decision = snapshot.get(user, app).and_then(|row| row.decision);
        self.effective(decision)
    }

    /// Whether events are recorded now of any app there may be, also of one nobody has heard of;
    /// none when the answer is not the same for all.
    #[must_use]
    pub fn unanimous(&self) -> Option<bool> {
        let divided = self.shared.divided.load(Ordering::Acquire);
        (!divided).then_some(self.shared.default)
    }

    /// What a stored decision, or none, comes to under the default policy.
    #[must_use]
    pub fn effective(&self, decision: Option<bool>) -> bool {
        decision.unwrap_or(self.shared.default)
    }

    /// The generation of the snapshot, which rises only when a row changed, appeared or went.
    /// Ask [`Toggles::persistence`] after each change; changes that follow closely are seen as one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.generation.subscribe()
    }

    /// Every app of the snapshot, by user and name.
    #[must_use]
    pub fn apps(&self) -> Vec<App> {
        self.shared.snapshot.load().apps()
    }

    /// Whether this process has read the table; until then what an earlier one kept is in force.
    #[must_use]
    pub fn are_read(&self) -> bool {
        self.shared.read.load(Ordering::Acquire)
    }

    /// Time since the newest good read of the table began; since the start when there was none.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.shared.loaded.borrow().elapsed()
    }

    /// Whether the row of this app is to be written: the table does not have it, or has another
    /// version and this process wrote none within the last minute. Does not allocate.
    #[must_use]
    pub fn unregistered(&self, user: &str, app: &str, version: &str) -> bool {
        let snapshot = self.shared.snapshot.load();
        let row = snapshot.get(user, app);
        if row.is_some_and(|row| row.version.as_deref() == Some(version)) {
            return false;
        }
        let loaded = *self.shared.loaded.borrow();
        match (row, self.written().get(user, app)) {
            (_, None) => true,
            (Some(_), Some(at)) => at.elapsed() >= VERSION_EVERY,
            // A load that began after our write and does not show it: somebody deleted the row.
            (None, Some(at)) => *at < loaded,
        }
    }

    /// Notes that the row of this app was committed just now, and asks for a reload.
    pub fn registered(&self, user: &str, app: &str) {
        self.written().insert(user, app, Instant::now());
        self.hint();
    }

    /// Asks for a reload now; several asked at once are one.
    pub fn hint(&self) {
        self.shared.hint.notify_one();
    }

    /// Asks for a reload and waits until one that began after this call is in the snapshot. Waits
    /// as long as the database is away: give it a timeout. Cancel safe.
    pub async fn reloaded(&self) {
        let asked = Instant::now();
        let mut loads = self.shared.loaded.subscribe();
        self.hint();
        // The sender lives in `self`: this only ends when the condition holds.
        let _ = loads.wait_for(|began| *began >= asked).await;
    }

    /// Waits for [`Toggles::hint`]. Cancel safe; for one waiter, the listener.
    pub(super) async fn hinted(&self) {
        self.shared.hint.notified().await;
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Takes what a load that began at `began` has read.
    pub(super) fn replace(&self, snapshot: Snapshot, began: Instant) {
        let shared = &self.shared;
        let changed = snapshot != **shared.snapshot.load();
        if changed {
            shared.metrics.apps.set(count(&snapshot));
            let divided = snapshot.divides(shared.default);
            shared.divided.store(divided, Ordering::Release);
            shared.snapshot.store(Arc::new(snapshot));
        }
        shared.metrics.reloads.inc();
        shared.metrics.age.restart(began);
        shared.loaded.send_replace(began);
        shared.read.store(true, Ordering::Release);
        if changed {
            shared.generation.send_modify(|generation| *generation += 1);
        }
        // Older notes no longer change any answer.
        self.written()
            .retain(|at| *at >= began || at.elapsed() < VERSION_EVERY);
    }

    fn written(&self) -> std::sync::MutexGuard<'_, ByApp<Instant>> {
        self.shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(snapshot: &Snapshot) -> i64 {
    i64::try_from(snapshot.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(app: &str, version: &str, decision: Option<bool>) -> App {
        App {
            user: "acme".into(),
            app: app.into(),
            version: Some(version.into()),
            decision,
        }
    }

    fn toggles(default: Policy, apps: impl IntoIterator<Item = App>) -> Toggles {
        Toggles::new(default, apps, Metrics::default())
    }

    fn load(toggles: &Toggles, apps: impl IntoIterator<Item = App>) {
        toggles.replace(apps.into_iter().collect(), Instant::now());
    }

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[test]
    fn a_decision_holds_and_the_default_holds_where_there_is_none() {
        let rows = [
            row("on", "1", Some(true)),
            row("off", "1", Some(false)),
            row("open", "1", None),
        ];
        for (default, otherwise) in [(Policy::Enabled, true), (Policy::Disabled, false)] {
            let toggles = toggles(default, rows.clone());
            let check = |app, expected| {
                assert_eq!(
                    toggles.persistence("acme", app),
                    expected,
                    "{app} {default:?}"
                );
            };
            check("on", true);
            check("off", false);
            check("open", otherwise);
            check("unheard", otherwise);
            assert_eq!(toggles.persistence("zeta", "on"), otherwise);
        }
    }

    #[test]
    fn toggles_are_unanimous_until_somebody_decides_against_the_default() {
        for (default, same) in [(Policy::Enabled, true), (Policy::Disabled, false)] {
            let toggles = toggles(default, [row("open", "1", None)]);
            assert_eq!(toggles.unanimous(), Some(same), "{default:?}");
            load(&toggles, [row("orders", "1", Some(same))]);
            assert_eq!(toggles.unanimous(), Some(same), "{default:?}");
            load(&toggles, [row("orders", "1", Some(!same))]);
            assert_eq!(toggles.unanimous(), None, "{default:?}");
            load(&toggles, []);
            assert_eq!(toggles.unanimous(), Some(same), "{default:?}");
        }
    }

    #[test]
    fn the_generation_rises_only_with_a_change() {
        let toggles = toggles(Policy::Enabled, []);
        let generation = toggles.changes();
        let check = |expected| assert_eq!(*generation.borrow(), expected);
        load(&toggles, []);
        check(0);
        load(&toggles, [row("orders", "1", None)]);
        check(1);
        load(&toggles, [row("orders", "1", None)]);
        check(1);
        load(&toggles, [row("orders", "1", Some(false))]);
        check(2);
        load(&toggles, []);
        check(3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_is_registered_once_and_its_version_once_a_minute() {
        let toggles = toggles(Policy::Enabled, []);
        let unregistered = |version| toggles.unregistered("acme", "orders", version);
        assert!(unregistered("1"));

        toggles.registered("acme", "orders");
        assert!(!unregistered("1"), "written, not yet seen");
        pass(Duration::from_millis(1)).await;
        load(&toggles, [row("orders", "1", None)]);
        assert!(!unregistered("1"));

        assert!(!unregistered("2"), "written less than a minute ago");
        pass(VERSION_EVERY).await;
        load(&toggles, [row("orders", "1", None)]);
        assert!(!unregistered("1"));
        assert!(unregistered("2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_somebody_deleted_is_registered_again() {
        let toggles = toggles(Policy::Enabled, []);
        toggles.registered("acme", "orders");
        pass(Duration::from_millis(1)).await;
        load(&toggles, []);
        assert!(toggles.unregistered("acme", "orders", "1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_began_before_a_write_does_not_stand_for_it() {
        let toggles = toggles(Policy::Enabled, []);
        let began = Instant::now();
        pass(Duration::from_millis(1)).await;
        toggles.registered("acme", "orders");
        toggles.replace(Snapshot::default(), began);
        assert!(!toggles.unregistered("acme", "orders", "1"));

        let waiting = toggles.reloaded();
        tokio::pin!(waiting);
        pass(Duration::from_millis(1)).await;
        toggles.replace(Snapshot::default(), began);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_counts_from_the_newest_load() {
        let toggles = toggles(Policy::Enabled, []);
        pass(Duration::from_secs(5)).await;
        assert_eq!(toggles.age(), Duration::from_secs(5));
        load(&toggles, []);
        assert_eq!(toggles.age(), Duration::ZERO);
    }
}
