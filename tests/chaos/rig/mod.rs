//! What is broken: a server, its disk, and the database behind it.

mod disk;
mod segment;
mod server;
mod site;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

pub(crate) use self::{disk::Disk, segment::Segment, server::Server, site::Site};
use crate::support::{self, Watchdog};

/// Server and database of a run.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) site: Site,
    /// The disk of the server's data directory, where this machine allows one.
    pub(crate) disk: Result<Disk, String>,
    place: PathBuf,
    spools: bool,
    _watchdog: Watchdog,
}

/// What a rig is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// A streaming standby to promote.
    pub(crate) standby: bool,
    /// Bytes of the database's disk, where it should be a small one.
    pub(crate) database_disk: Option<u64>,
    /// Bytes of the spool's disk, where it should be a small one.
    pub(crate) spool_disk: Option<u64>,
    /// Further flags of `serve`.
    pub(crate) flags: Vec<String>,
}

impl Rig {
    /// Starts everything in `place`.
    pub(crate) async fn start(place: PathBuf, parts: &Parts) -> Result<Self, String> {
        let data = place.join("data");
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let keep = place.join("running");
        let _ = fs::write(&keep, "");
        // logs stay; what a run needs while it lasts does not
        let script = r#"rm -rf "$1/data" "$1/images" "$1/running""#;
        let watchdog = Watchdog::new(script, &[place.to_str().expect("a plain path")]);
        let images = place.join("images");
        fs::create_dir_all(&images).map_err(|error| error.to_string())?;
        let disk = match parts.spool_disk {
            Some(bytes) => Disk::mount(&data, &images, bytes),
            None => Err("not asked for".into()),
        };
        let site = Site::start(parts.standby, parts.database_disk, &images).await;
        let mut flags = vec![
            "--database-url".to_owned(),
            site.url(),
            "--data-dir".to_owned(),
            data.display().to_string(),
        ];
        flags.extend(parts.flags.iter().cloned());
        let spools = !flags.iter().any(|flag| flag == "--no-spool");
        let log = place.join("server.log");
        let mut server = Server::new(support::free_address(), flags, log);
        server.start().await?;
        Ok(Self {
            server,
            site,
            disk,
            place,
            spools,
            _watchdog: watchdog,
        })
    }

    /// Starts again whatever does not run.
    ///
    /// # Errors
    /// When it does not come back.
    pub(crate) async fn heal(&mut self) -> Result<(), String> {
        self.site.revive().await;
        if !self.server.running() {
            self.server.start().await?;
        }
        Ok(())
    }

    /// Whether the server keeps a spool.
    pub(crate) fn spools(&self) -> bool {
        self.spools
    }

    /// The spool's directory.
    pub(crate) fn spool(&self) -> PathBuf {
        self.place.join("data/spool")
    }

    /// The spool's segments that hold something.
    pub(crate) fn segments(&self) -> Result<Vec<Segment>, String> {
        Segment::all(&self.spool())
    }

    /// MiB that the spool's segments take on disk.
    pub(crate) fn spool_mib(&self) -> u64 {
        let paths = Segment::paths(&self.spool());
        let bytes = paths
            .iter()
            .filter_map(|path| Some(fs::metadata(path).ok()?.len()));
        bytes.sum::<u64>() >> 20
    }

    /// Waits until the spool is empty and its space given back, as long as it goes on.
    ///
    /// # Errors
    /// What stands still, in words.
    pub(crate) async fn drained(&self) -> Result<(), String> {
        let (mut most, mut since) = (0.0, Instant::now());
        loop {
            let pending = self.pending().await;
            let segments = Segment::paths(&self.spool()).len();
            if pending == Some(0.0) && segments == 0 {
                return Ok(());
            }
            let drained = self.server.metric("flowtrail_spool_drained_events").await;
            if drained.is_some_and(|drained| drained > most) {
                (most, since) = (drained.unwrap_or(most), Instant::now());
            }
            if since.elapsed() > Duration::from_secs(30) {
                return Err(format!(
                    "{pending:?} events and {segments} segments stay in the spool"
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Events that are in the spool and not in the tables.
    pub(crate) async fn pending(&self) -> Option<f64> {
        self.server.metric("flowtrail_spool_pending_events").await
    }

    /// Rows that the database refused and that are kept aside.
    pub(crate) fn rejected(&self) -> usize {
        let entries = fs::read_dir(self.spool().join("rejected"));
        entries.map_or(0, Iterator::count)
    }
}
