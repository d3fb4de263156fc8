//! What goes wrong. A fault is injected, lasts a while, and is healed; after that everything must go
//! on by itself.

mod database;
mod line;
mod server;
mod spool;

use std::time::Duration;

use super::rig::Rig;
use crate::support::Chance;

/// One fault, with what chance decided about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to the server.
    ServerKilled,
    /// SIGTERM to the server.
    ServerStopped,
    /// SIGKILL to PostgreSQL's first process.
    DatabaseKilled,
    /// SIGSTOP to all of PostgreSQL's processes.
    DatabaseFrozen,
    /// PostgreSQL ends at once, without a checkpoint.
    DatabaseStopped,
    /// Somebody holds a lock on a table that lets nobody write.
    TableLocked,
    /// PostgreSQL's disk is full.
    DatabaseDiskFull,
    /// The primary dies, its standby takes its place.
    Promoted,
    /// The connections to PostgreSQL are cut, once each has sent so many bytes more.
    LineCut { bytes: usize },
    /// Nothing passes on the connections to PostgreSQL any more, and nobody is told.
    LineHeld { bytes: usize },
    /// The database is away, and something happens to the spool.
    Spooling { away: Away, then: Then },
}

/// Why the database is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    Stopped,
    Frozen,
}

/// What happens to a spool in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// SIGKILL to the server; it starts without the database.
    Killed,
    /// The same, and the last record is half written.
    Torn,
    /// The same, and a byte in the middle has changed; repaired later.
    Flipped,
    /// The disk is full.
    DiskFull,
    /// The machine's power is cut: of the disk only what was synced is left.
    PowerCut,
}

impl Fault {
    /// Every kind, each with its own chance, in the order of a shuffled deck.
    pub(crate) fn deck(chance: &mut Chance, rig: &Rig) -> Vec<Self> {
        let mut deck = vec![
            Self::ServerKilled,
            Self::ServerStopped,
            Self::DatabaseKilled,
            Self::DatabaseFrozen,
            Self::DatabaseStopped,
            Self::TableLocked,
            Self::DatabaseDiskFull,
            Self::LineCut {
                bytes: 1 + chance.below(300),
            },
            Self::LineCut {
                bytes: 1 + chance.below(200_000),
            },
            Self::LineHeld {
                bytes: 1 + chance.below(100_000),
            },
        ];
        if rig.site.has_standby() {
            deck.push(Self::Promoted);
        }
        let mut during = |then| {
            let away = [Away::Stopped, Away::Frozen][chance.below(2)];
            deck.push(Self::Spooling { away, then });
        };
        if rig.spools() {
            for then in [Then::Killed, Then::Torn, Then::Flipped] {
                during(then);
            }
            if rig.disk.is_ok() {
                during(Then::DiskFull);
                during(Then::PowerCut);
            }
        }
        chance.shuffle(&mut deck);
        deck
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServerKilled => "server SIGKILL",
            Self::ServerStopped => "server SIGTERM",
            Self::DatabaseKilled => "PostgreSQL SIGKILL",
            Self::DatabaseFrozen => "PostgreSQL SIGSTOP",
            Self::DatabaseStopped => "PostgreSQL immediate stop",
            Self::TableLocked => "lock on a table",
            Self::DatabaseDiskFull => "PostgreSQL's disk full",
            Self::Promoted => "standby promoted",
            Self::LineCut { .. } => "connections cut",
            Self::LineHeld { .. } => "connections silent",
            Self::Spooling { then, .. } => match then {
                Then::Killed => "server SIGKILL while spooling",
                Then::Torn => "spool's last record torn",
                Then::Flipped => "byte flipped in the spool",
                Then::DiskFull => "spool's disk full",
                Then::PowerCut => "power cut while spooling",
            },
        }
    }

    /// How long it lasts.
    pub(crate) fn lasts(self, chance: &mut Chance) -> Duration {
        let most = match self {
            Self::DatabaseFrozen => 15_000,
            Self::TableLocked => 10_000,
            Self::DatabaseKilled | Self::DatabaseStopped | Self::DatabaseDiskFull => 6_000,
            Self::Spooling { .. } => 4_000,
            Self::ServerKilled | Self::ServerStopped | Self::Promoted => 1_000,
            Self::LineCut { .. } | Self::LineHeld { .. } => 500,
        };
        // as often short as long
        let power = chance.below(4);
        let most = most >> power;
        Duration::from_millis(u64::try_from(most / 2 + chance.below(most / 2)).expect("short"))
    }

    /// Makes it happen, for `lasts`, and heals it.
    ///
    /// # Errors
    /// In words, when what must go on afterwards does not.
    pub(crate) async fn strike(
        self,
        rig: &mut Rig,
        lasts: Duration,
        chance: &mut Chance,
    ) -> Result<(), String> {
        match self {
            Self::ServerKilled => server::killed(rig, lasts).await,
            Self::ServerStopped => server::stopped(rig, lasts).await,
            Self::DatabaseKilled => database::killed(rig, lasts).await,
            Self::DatabaseFrozen => database::frozen(rig, lasts).await,
            Self::DatabaseStopped => database::stopped(rig, lasts).await,
            Self::TableLocked => database::locked(rig, lasts).await,
            Self::DatabaseDiskFull => database::full(rig, lasts).await,
            Self::Promoted => database::promoted(rig, lasts).await,
            Self::LineCut { bytes } => line::cut(rig, bytes, lasts).await,
            Self::LineHeld { bytes } => line::held(rig, bytes, lasts).await,
            Self::Spooling { away, then } => spool::during(rig, away, then, lasts, chance).await?,
        }
        rig.heal().await
    }
}
