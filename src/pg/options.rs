//! What a database URL says, in libpq's words ("34.1.2. Parameter Key Words" of PostgreSQL's
//! manual), for a driver that knows only some of them.
//!
//! Differences from libpq, all on the strict or the simple side: nothing is read from the
//! environment, from service files or from `~/.postgresql`; several hosts mean
//! `target_session_attrs=read-write` unless it is given; `allow` means `prefer`; TLS that fails
//! under `prefer` is an error and no reason to go on without. No error and no `Debug` shows a
//! password.

use std::{fmt, net::IpAddr, path::Path, str::FromStr, time::Duration};

use tokio_postgres::config::{Config, SslMode};

use super::{Error, given::Given, tls::Settings as Tls, words};

/// Which kind of server will do (`target_session_attrs`). Unlike libpq, of several servers one that
/// takes writes is wanted unless the URL says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// The first that answers.
    #[default]
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that refuses writes.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One in recovery, or any when there is none.
    PreferStandby,
}

/// One server to try.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, or the directory of a unix socket.
    pub host: String,
    /// Address that stands for the name, when the URL gives one.
    pub address: Option<IpAddr>,
    /// Port, or the number in the name of the socket.
    pub port: u16,
    pub(super) password: Option<String>,
}

impl Target {
    /// Whether it is reached through a unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }
}

/// `host:port`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A database URL, understood.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) targets: Vec<Target>,
    pub(super) user: String,
    pub(super) dbname: String,
    /// Everything the driver has a word for, without hosts and password.
    pub(super) driver: Config,
    /// Longest wait for one server, when the URL says so.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) session: Session,
    pub(super) any_order: bool,
    pub(super) tls: Tls,
}

impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut given = Given::default();
        for (word, value) in words::split(text).map_err(Error::Url)? {
            given.take(&word, value).map_err(Error::Url)?;
        }
        given.finish()
    }
}

impl Options {
    /// The server whose unix socket of the standard number is in `dir`.
    pub(super) fn socket(dir: &Path, user: &str, dbname: &str) -> Result<Self, Error> {
        let host = dir
            .to_str()
            .filter(|dir| dir.starts_with('/'))
            .ok_or_else(|| {
                let remedy = "name an absolute directory in UTF-8";
                Error::Url(format!("no socket can be in {}; {remedy}", dir.display()))
            })?;
        Given::socket(host, user, dbname).finish()
    }

    /// `host:port/dbname as user`, with every host and no secret, for logs and errors.
    #[must_use]
    pub fn describe(&self) -> String {
        let targets: Vec<_> = self.targets.iter().map(Target::to_string).collect();
        format!("{}/{} as {}", targets.join(","), self.dbname, self.user)
    }

    /// The servers, in the order given.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What the driver needs to connect to `target` alone.
    pub(super) fn driver(&self, target: &Target, purpose: &str) -> Config {
        let mut config = self.driver.clone();
        config.host(&target.host).port(target.port);
        if let Some(address) = target.address {
            config.hostaddr(address);
        }
        if let Some(password) = &target.password {
            config.password(password);
        }
        if target.is_socket() {
            // As in libpq: a socket never speaks TLS.
            config.ssl_mode(SslMode::Disable);
        }
        let name = self.driver.get_application_name().unwrap_or("flowtrail");
        config.application_name(format!("{name} {purpose}"));
        config
    }

    /// The driver's configuration without a server, for code that wants one to show.
    pub(super) fn template(&self) -> Config {
        self.driver.clone()
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
