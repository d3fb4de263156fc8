//! PostgreSQL's own programs: where they are and which version they have.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest major version that can hold the schema.
pub const OLDEST: u32 = 12;

/// A directory with PostgreSQL's server programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    major: u32,
}

/// Why there are no programs to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The directory named has none.
    #[error(
        "--pg-bin {0} does not hold PostgreSQL's `postgres` and `initdb`; name the directory that does, like /usr/lib/postgresql/17/bin"
    )]
    Named(String),
    /// None anywhere.
    #[error(
        "no PostgreSQL {OLDEST} or newer found on this machine; install the server (Debian and Ubuntu: apt-get install postgresql, Fedora: dnf install postgresql-server, macOS: brew install postgresql), name its directory with --pg-bin, or name a database with --database-url"
    )]
    Anywhere,
    /// Some, but not of the version that made the cluster.
    #[error(
        "the embedded database was made by PostgreSQL {wanted}, but found is {}; install PostgreSQL {wanted} (Debian and Ubuntu: apt-get install postgresql-{wanted}) or name its directory with --pg-bin",
        versions(.found)
    )]
    Version {
        /// The major version of the cluster.
        wanted: u32,
        /// The major versions found.
        found: Vec<u32>,
    },
}

fn versions(found: &[u32]) -> String {
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    format!("PostgreSQL {}", texts.join(", "))
}

impl Binaries {
    /// The programs to use: those in `named` when it is given, otherwise the first found in PATH, in
    /// the distributions' directories (newest first), or in Homebrew's. With `wanted` only that
    /// major version will do, since a cluster belongs to the version that made it.
    ///
    /// # Errors
    /// [`Missing`], with what to install.
    pub fn find(named: Option<&Path>, wanted: Option<u32>) -> Result<Self, Missing> {
        let found: Vec<Self> = match named {
            Some(directory) => vec![
                Self::look(directory)
                    .ok_or_else(|| Missing::Named(directory.display().to_string()))?,
            ],
            None => usual_places()
                .iter()
                .filter_map(|place| Self::look(place))
                .collect(),
        };
        if found.is_empty() {
            return Err(Missing::Anywhere);
        }
        let mut majors: Vec<u32> = found.iter().map(|binaries| binaries.major).collect();
        majors.dedup();
        found
            .into_iter()
            .find(|binaries| wanted.is_none_or(|wanted| wanted == binaries.major))
            .ok_or(Missing::Version {
                wanted: wanted.unwrap_or(OLDEST),
                found: majors,
            })
    }

    /// What `directory` holds; none when a program is missing, does not run or is too old.
    fn look(directory: &Path) -> Option<Self> {
        // PATH may lead to a link; the programs find their own files beside the real one
        let directory = directory
            .join("postgres")
            .canonicalize()
            .ok()?
            .parent()?
            .to_owned();
        if !directory.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let major = major(&String::from_utf8_lossy(&output.stdout))?;
        (major >= OLDEST).then_some(Self { directory, major })
    }

    /// The program called `name`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The major version, like 17.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }
}

impl fmt::Display for Binaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL {} in {}",
            self.major,
            self.directory.display()
        )
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian ...)`, betas included.
fn major(text: &str) -> Option<u32> {
    let version = text.split_whitespace().nth(2)?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn usual_places() -> Vec<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is not an option of ours: it says where programs are"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(newest_first("/usr/lib/postgresql", "", "bin"));
    places.extend(newest_first("/usr", "pgsql-", "bin"));
    for brew in [
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/home/linuxbrew/.linuxbrew/opt",
    ] {
        places.extend(newest_first(brew, "postgresql@", "bin"));
    }
    places
}

/// `parent/<prefix><major>/<inner>` for every major version there is.
fn newest_first(parent: &str, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let major = name.strip_prefix(prefix)?.parse().ok()?;
            Some((major, entry.path().join(inner)))
        })
        .collect();
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        let check = |text, expected| assert_eq!(major(text), expected, "{text}");
        check(
            "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
            Some(15),
        );
        check("postgres (PostgreSQL) 17beta2", Some(17));
        check("postgres (PostgreSQL) 9.6.24", Some(9));
        check("something else", None);
        check("", None);
    }
}
