//! The embedded server's place on disk.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Binaries, Error, NAME, account::Account};
use crate::config;

/// Bytes a socket's path may have on every system: 108 on Linux, 104 on macOS, a zero included.
const SOCKET_PATH: usize = 103;

/// The directory of the server under a data directory that is ours alone while this value lives.
#[derive(Debug)]
pub(super) struct Place {
    home: PathBuf,
    run: PathBuf,
    account: Option<Account>,
    _lock: File,
}

impl Place {
    /// The major version of the cluster under `data_dir`; none when there is no cluster.
    pub(super) fn version(data_dir: &Path) -> Option<u32> {
        let version = fs::read_to_string(data_dir.join("postgres/data/PG_VERSION")).ok()?;
        version.trim().parse().ok()
    }

    /// Makes the directories and takes the lock.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, Error> {
        let data_dir = std::path::absolute(data_dir).map_err(at("find", data_dir))?;
        let account = Account::choose(&data_dir.join("postgres/data"))?;
        let closed = |account: &Option<Account>, path: &Path| match account {
            Some(account) => account.shut_out_of(path).map_or(Ok(()), |directory| {
                Err(Error::Closed {
                    directory,
                    user: account.name.clone(),
                })
            }),
            None => Ok(()),
        };
        closed(&account, &data_dir)?;
        let made = !data_dir.exists();
        fs::create_dir_all(&data_dir).map_err(at("make", &data_dir))?;
        let data_dir = data_dir.canonicalize().map_err(at("find", &data_dir))?;
        if made && account.is_some() {
            // whatever our umask is, the server's account has to get through
            set_mode(&data_dir, 0o711)?;
        }
        closed(&account, &data_dir)?;
        let lock = lock(&data_dir)?;
        let home = data_dir.join("postgres");
        own_directory(&home, account.as_ref())?;
        let run = socket_directory(&home);
        own_directory(&run, account.as_ref())?;
        Ok(Self {
            home,
            run,
            account,
            _lock: lock,
        })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    pub(super) fn socket_directory(&self) -> &Path {
        &self.run
    }

    /// Removes the socket's directory when it is in /tmp, once the server is gone.
    pub(super) fn leave(&self) {
        if !self.run.starts_with(&self.home) {
            // the next start makes it, or takes the one that is there
            let _ = fs::remove_dir(&self.run);
        }
    }

    /// One of PostgreSQL's programs, run as the server's account, apart from our terminal: Ctrl-C
    /// must stop us first and the server last.
    pub(super) fn command(&self, binaries: &Binaries, program: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(binaries.program(program));
        command
            .current_dir(&self.home)
            .stdin(Stdio::null())
            // PostgreSQL would tell systemd that the service is ready when only its database is
            .env_remove("NOTIFY_SOCKET")
            .process_group(0);
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command
    }

    /// Makes the cluster unless there is one. It is made beside and then renamed, so that there is
    /// never half a cluster.
    pub(super) fn make_cluster(&self, binaries: &Binaries) -> Result<(), Error> {
        let data = self.data();
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let fresh = self.home.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(at("remove", &fresh))?;
        }
        tracing::info!(directory = %data.display(), "making the embedded cluster with {binaries}");
        let output = self
            .command(binaries, "initdb")
            .args([
                "--data-checksums",
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "trust",
            ])
            .args(["-U", NAME, "-D"])
            .arg(&fresh)
            .output()
            .map_err(at("run", &binaries.program("initdb")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Initdb(last_lines(&said)));
        }
        settings(&fresh).map_err(at("write settings into", &fresh))?;
        fs::rename(&fresh, &data).map_err(at("rename", &fresh))?;
        File::open(&self.home)
            .and_then(|home| home.sync_all())
            .map_err(at("sync", &self.home))
    }

    /// Opens the log for appending; an overlong one is put aside first.
    pub(super) fn open_log(&self) -> Result<File, Error> {
        const LONG: u64 = 64 << 20;
        let log = self.log();
        if fs::metadata(&log).is_ok_and(|found| found.len() > LONG) {
            fs::rename(&log, log.with_extension("log.old")).map_err(at("rename", &log))?;
        }
        File::options()
            .append(true)
            .create(true)
            .open(&log)
            .map_err(at("open", &log))
    }
}

/// Appends to `postgresql.conf`, where operators may change them, what suits a server that is written
/// to all the time: its own cache by what the machine has, and checkpoints far apart, as each makes the
/// next change of every page go to the log as a whole.
fn settings(data: &Path) -> io::Result<()> {
    let cache = config::Embedded::cache_bytes() >> 20;
    let mut file = File::options()
        .append(true)
        .open(data.join("postgresql.conf"))?;
    write!(
        file,
        "\n# flowtrail's defaults\nshared_buffers = {cache}MB\nmax_wal_size = 4GB\nmin_wal_size = 1GB\n\
         checkpoint_timeout = 15min\n"
    )?;
    file.sync_all()
}

/// An [`Error::Directory`] that says what was being done where.
pub(super) fn at(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Directory {
        doing,
        path: path.clone(),
        source,
    }
}

/// The last few lines of a log, on one line.
pub(super) fn last_lines(text: &str) -> String {
    const LINES: usize = 4;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.len() {
        0 => "it said nothing".to_owned(),
        n => lines[n.saturating_sub(LINES)..].join(" | "),
    }
}

fn lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // only to name the other one; not being able to is no further failure
            let _ = file.read_to_string(&mut pid);
            return Err(Error::InUse {
                directory: data_dir.to_owned(),
                pid: pid.trim().parse().ok(),
            });
        }
        Err(fs::TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(at("write", &path))?;
    Ok(file)
}

/// A directory only the server's account (and root) can enter.
fn own_directory(path: &Path, account: Option<&Account>) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => {
            set_mode(path, 0o700)?;
            if let Some(account) = account {
                chown(path, Some(account.uid), Some(account.gid)).map_err(at("give away", path))?;
            }
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(at("make", path)(error)),
    }
    // it may be in /tmp, where somebody else could have made it, or a link
    let found = fs::symlink_metadata(path).map_err(at("read", path))?;
    let uid = account.map_or_else(
        || rustix::process::geteuid().as_raw(),
        |account| account.uid,
    );
    if found.is_dir() && found.uid() == uid {
        return set_mode(path, 0o700);
    }
    if found.is_dir() && found.uid() == 0 && account.is_some() {
        // a start that was interrupted between making and giving away
        set_mode(path, 0o700)?;
        return chown(path, account.map(|a| a.uid), account.map(|a| a.gid))
            .map_err(at("give away", path));
    }
    Err(Error::Owner {
        directory: path.to_owned(),
        owner: found.uid(),
    })
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("set the mode of", path))
}

/// `run` in the server's directory, or where that path is too long for a socket, a directory under
/// /tmp that is always the same for this one.
fn socket_directory(home: &Path) -> PathBuf {
    let run = home.join("run");
    if run.join(".s.PGSQL.5432").as_os_str().len() <= SOCKET_PATH {
        return run;
    }
    // FNV-1a: the same in every version of this program, as the standard library's hash is not
    let hash = home
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    PathBuf::from(format!("/tmp/flowtrail-{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_directory_of_its_own() {
        let short = Path::new("/var/lib/flowtrail/postgres");
        assert_eq!(socket_directory(short), short.join("run"));
        let long = PathBuf::from(format!("/srv/{}/postgres", "x".repeat(100)));
        let found = socket_directory(&long);
        assert!(found.as_os_str().len() < 40, "{}", found.display());
        assert_eq!(found, socket_directory(&long));
        assert_ne!(found, socket_directory(&long.join("other")));
    }

    #[test]
    fn the_end_of_a_log_is_one_line() {
        assert_eq!(last_lines("a\nb\n\nc\nd\ne\n"), "b | c | d | e");
        assert_eq!(last_lines("\n"), "it said nothing");
    }
}
