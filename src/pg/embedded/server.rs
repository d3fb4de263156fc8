//! The server process: started or adopted, waited for, stopped.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::{Child, Command};
use tokio_postgres::{Config, NoTls, error::SqlState};

use super::{
    Binaries, Error, NAME,
    place::{Place, at, last_lines},
};

/// How long it may say nothing while starting; repairing after a crash is not silence.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it may take to stop.
const STOP: Duration = Duration::from_mins(1);

/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that lets us in.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
}

/// What a server says that finds sessions of a killed one still at work; they end with their
/// statement. The cluster's messages are English, because its locale is C.
const ORPHANS: &str = "pre-existing shared memory block";

/// How long they are left alone before the next try.
const ORPHANS_PAUSE: Duration = Duration::from_millis(500);

/// What happens to somebody who connects.
enum Answer {
    Ready,
    /// Starting, repairing or stopping.
    NotNow,
    Nobody,
    Refused(tokio_postgres::Error),
}

impl Server {
    /// Adopts the server that runs on `place`, or starts one, and waits until it lets us in.
    pub(super) async fn bring_up(place: &Place, binaries: &Binaries) -> Result<Self, Error> {
        let log = place.log();
        let said_before = fs::metadata(&log).map_or(0, |found| found.len());
        let said = || last_lines(&from(&log, said_before));
        let mut child: Option<Child> = None;
        let mut quiet_since = Instant::now();
        loop {
            match ask(place).await {
                Answer::Ready => return Ok(Self { child }),
                Answer::NotNow => quiet_since = Instant::now(),
                Answer::Refused(error) => return Err(Error::Refused(error)),
                Answer::Nobody => {}
            }
            let ended = if let Some(running) = &mut child {
                running.try_wait().map_err(at("wait for", place.home()))?
            } else {
                // one that still runs is about to listen, or about to be gone
                if !running(place) {
                    child = Some(spawn(place, binaries)?);
                }
                None
            };
            if ended.is_some() {
                child = None;
                if said().contains(ORPHANS) {
                    tokio::time::sleep(ORPHANS_PAUSE).await;
                } else if !running(place) {
                    return Err(Error::Start { said: said(), log });
                }
                // otherwise it gave way to another server of this cluster, which will be asked again
            }
            if quiet_since.elapsed() > PATIENCE {
                return Err(Error::Silent {
                    patience: PATIENCE,
                    said: said(),
                    log,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) fn adopted(&self) -> bool {
        self.child.is_none()
    }

    pub(super) async fn stop(mut self, place: &Place) -> Result<(), Error> {
        signal(place, Signal::INT);
        if tokio::time::timeout(STOP, self.ended(place)).await.is_ok() {
            return Ok(());
        }
        signal(place, Signal::QUIT);
        let _ = tokio::time::timeout(STOP, self.ended(place)).await;
        Err(Error::Stop(STOP))
    }

    /// Waits for its end. Cancel safe.
    pub(super) async fn ended(&mut self, place: &Place) {
        if let Some(child) = &mut self.child {
            // an error means that there is nothing left to wait for
            let _ = child.wait().await;
        }
        while running(place) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Makes the service's database unless it is there.
pub(super) async fn make_database(place: &Place) -> Result<(), Error> {
    let (client, connection) = config(place).connect(NoTls).await.map_err(Error::Refused)?;
    let work = async {
        let row = client
            .query_one(
                include_str!("../../../sql/embedded/database_exists.sql"),
                &[],
            )
            .await?;
        if !row.get::<_, bool>("made") {
            client
                .batch_execute(include_str!("../../../sql/embedded/create_database.sql"))
                .await?;
        }
        Ok(())
    };
    tokio::select! {
        done = work => done.map_err(Error::Refused),
        ended = connection => ended.map_err(Error::Refused),
    }
}

fn config(place: &Place) -> Config {
    let mut config = Config::new();
    config
        .host_path(place.socket_directory())
        .user(NAME)
        .dbname("postgres")
        .application_name("flowtrail embedded");
    config
}

async fn ask(place: &Place) -> Answer {
    let attempt = tokio::time::timeout(Duration::from_secs(2), config(place).connect(NoTls)).await;
    match attempt {
        Ok(Ok(_)) => Answer::Ready,
        Ok(Err(error)) => match error.code() {
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => Answer::NotNow,
            Some(_) => Answer::Refused(error),
            None => Answer::Nobody,
        },
        Err(_) => Answer::Nobody,
    }
}

fn spawn(place: &Place, binaries: &Binaries) -> Result<Child, Error> {
    let log = place.open_log()?;
    let also = log.try_clone().map_err(at("open", &place.log()))?;
    // a list of directories, in which a quoted one may hold commas
    let directory = place.socket_directory().display().to_string();
    let directories = format!("\"{}\"", directory.replace('"', "\"\""));
    let mut command = place.command(binaries, "postgres");
    command.arg("-D").arg(place.data()).stdout(log).stderr(also);
    for (name, value) in [
        ("listen_addresses", ""),
        ("port", "5432"),
        ("unix_socket_directories", &directories),
        ("unix_socket_permissions", "0700"),
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("log_timezone", "UTC"),
        ("cluster_name", NAME),
    ] {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    Command::from(command)
        .spawn()
        .map_err(at("run", &binaries.program("postgres")))
}

/// The process that PostgreSQL's own lock file names.
fn pid(place: &Place) -> Option<Pid> {
    let file = fs::read_to_string(place.data().join("postmaster.pid")).ok()?;
    file.lines()
        .next()?
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
}

/// Whether a server runs on the cluster. PostgreSQL removes its lock file as the last thing it does.
/// After a crash the file stays, and what it names is nobody or, by chance, somebody else.
fn running(place: &Place) -> bool {
    let Some(pid) = pid(place) else { return false };
    if Path::new("/proc/self/cwd").exists() {
        // a server works in its cluster's directory; one that has died but was not waited for, nowhere
        return fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()))
            .is_ok_and(|directory| directory == place.data());
    }
    test_kill_process(pid).is_ok()
}

fn signal(place: &Place, signal: Signal) {
    if running(place)
        && let Some(pid) = pid(place)
    {
        // when it is gone there is nothing to stop
        let _ = kill_process(pid, signal);
    }
}

/// What a log has from byte `start` on.
fn from(log: &Path, start: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let start = if file.metadata().is_ok_and(|found| found.len() < start) {
            0
        } else {
            start
        };
        if file.seek(SeekFrom::Start(start)).is_ok() {
            // half a log is better than none
            let _ = file.read_to_end(&mut text);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
