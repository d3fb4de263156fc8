//! What a database URL says, in libpq's words ("34.1.2. Parameter Key Words" of PostgreSQL's
//! manual), for a driver that knows only some of them.
//!
//! Differences from libpq, all on the strict or the simple side: nothing is read from the
//! environment, from service files or from `~/.postgresql`; `allow` means `prefer`; a password
//! that is refused ends the search through the hosts. No error and no `Debug` shows a password.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use tokio_postgres::config::{ChannelBinding, Config, LoadBalanceHosts, SslMode, SslNegotiation};

use super::{
    Error, passfile,
    tls::{Mode, Root, Settings as Tls},
    words,
};

/// Which kind of server will do (`target_session_attrs`).
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
    password: Option<String>,
}

impl Target {
    /// Whether it is reached through a unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
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
    targets: Vec<Target>,
    user: String,
    dbname: String,
    /// Everything the driver has a word for, without hosts and password.
    driver: Config,
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
        Given {
            host: Some(host.to_owned()),
            user: Some(user.to_owned()),
            dbname: Some(dbname.to_owned()),
            // Keeps the passfile out of it.
            password: Some(String::new()),
            ..Given::default()
        }
        .finish()
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

/// The words as they come, before defaults.
#[derive(Default)]
struct Given {
    host: Option<String>,
    hostaddr: Option<String>,
    port: Option<String>,
    user: Option<String>,
    dbname: Option<String>,
    password: Option<String>,
    passfile: Option<PathBuf>,
    connect_timeout: Option<Duration>,
    session: Session,
    any_order: bool,
    mode: Option<Mode>,
    root: Option<Root>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    direct: bool,
    /// Whether any of the `keepalives` words was given.
    keepalives: bool,
    driver: Config,
}

impl Given {
    fn take(&mut self, word: &str, value: String) -> Result<(), String> {
        match word {
            "host" => self.host = Some(value),
            "hostaddr" => self.hostaddr = Some(value),
            "port" => self.port = Some(value),
            "user" => self.user = Some(value),
            "dbname" => self.dbname = Some(value),
            "password" => self.password = Some(value),
            "passfile" => self.passfile = Some(value.into()),
            "connect_timeout" => self.connect_timeout = some_seconds(word, &value)?,
            "target_session_attrs" => self.session = one_of(word, &value, SESSIONS)?,
            "load_balance_hosts" => {
                self.any_order = one_of(word, &value, &[("disable", false), ("random", true)])?;
            }
            "sslmode" => self.mode = Some(one_of(word, &value, MODES)?),
            "sslrootcert" if value == "system" => self.root = Some(Root::System),
            "sslrootcert" => self.root = Some(Root::File(value.into())),
            "sslcert" => self.cert = Some(value.into()),
            "sslkey" => self.key = Some(value.into()),
            "sslnegotiation" => {
                self.direct = one_of(word, &value, &[("postgres", false), ("direct", true)])?;
            }
            _ => self.pass_on(word, &value)?,
        }
        Ok(())
    }

    /// Words the driver understands by itself.
    fn pass_on(&mut self, word: &str, value: &str) -> Result<(), String> {
        let driver = &mut self.driver;
        self.keepalives |= word.starts_with("keepalives");
        match word {
            "application_name" | "fallback_application_name" => {
                driver.application_name(value);
            }
            "options" => {
                driver.options(value);
            }
            "channel_binding" => {
                driver.channel_binding(one_of(word, value, BINDINGS)?);
            }
            "keepalives" => {
                driver.keepalives(one_of(word, value, &[("0", false), ("1", true)])?);
            }
            "keepalives_idle" => {
                some_seconds(word, value)?.map(|time| driver.keepalives_idle(time));
            }
            "keepalives_interval" => {
                some_seconds(word, value)?.map(|time| driver.keepalives_interval(time));
            }
            "keepalives_count" => {
                driver.keepalives_retries(number(word, value)?);
            }
            "tcp_user_timeout" => {
                let time = Duration::from_millis(number(word, value)?);
                driver.tcp_user_timeout(time);
            }
            "gssencmode" => one_of(word, value, &[("disable", ()), ("prefer", ())])?,
            "client_encoding" => one_of(word, value, &[("UTF8", ()), ("utf8", ()), ("auto", ())])?,
            _ if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                return Err(format!("the word `{word}` is not known; leave it out"));
            }
            // Not quoted: it may be a piece of a password.
            _ => return Err("it has a word that is none; quote values with spaces".to_owned()),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Options, Error> {
        let user = match self.user.take() {
            Some(user) => user,
            None => process_user()
                .ok_or_else(|| Error::Url("name the user: user=... or user@host".to_owned()))?,
        };
        let dbname = self.dbname.take().unwrap_or_else(|| user.clone());
        let mut targets = self.targets().map_err(Error::Url)?;
        let passfile = match self.password {
            None => passfile::read(self.passfile.as_deref())?,
            Some(_) => None,
        };
        for target in &mut targets {
            target.password = self.password.clone().or_else(|| {
                let wanted = passfile::Wanted {
                    host: &target.host,
                    port: target.port,
                    dbname: &dbname,
                    user: &user,
                };
                passfile::find(passfile.as_deref()?, &wanted)
            });
        }
        let tls =
            Tls::new(self.mode, self.root, self.cert, self.key, self.direct).map_err(Error::Url)?;
        let mut driver = self.driver;
        // A server that vanished without a word is noticed in this time, not in hours.
        if driver.get_tcp_user_timeout().is_none() {
            driver.tcp_user_timeout(DEAD_AFTER);
        }
        if !self.keepalives {
            driver.keepalives_idle(DEAD_AFTER / 2);
            driver.keepalives_interval(DEAD_AFTER / 6);
            driver.keepalives_retries(3);
        }
        driver.user(&user).dbname(&dbname).ssl_mode(tls.driver());
        if tls.direct {
            driver.ssl_negotiation(SslNegotiation::Direct);
        }
        if self.any_order {
            driver.load_balance_hosts(LoadBalanceHosts::Random);
        }
        Ok(Options {
            targets,
            user,
            dbname,
            driver,
            connect_timeout: self.connect_timeout,
            session: self.session,
            any_order: self.any_order,
            tls,
        })
    }

    fn targets(&self) -> Result<Vec<Target>, String> {
        let list = |text: &Option<String>| -> Vec<String> {
            text.iter()
                .flat_map(|text| text.split(','))
                .map(|item| item.trim().to_owned())
                .collect()
        };
        let addresses = list(&self.hostaddr);
        let hosts = match list(&self.host) {
            hosts if hosts.is_empty() => vec![String::new(); addresses.len().max(1)],
            hosts => hosts,
        };
        let ports = list(&self.port);
        if !addresses.is_empty() && addresses.len() != hosts.len() {
            return Err("`hostaddr` must name as many addresses as `host` names hosts".to_owned());
        }
        if ports.len() > 1 && ports.len() != hosts.len() {
            return Err("`port` must be one for all or one for each host".to_owned());
        }
        hosts
            .into_iter()
            .enumerate()
            .map(|(at, host)| {
                let port = ports.get(at).or(ports.first()).map_or("", String::as_str);
                let port = match port {
                    "" => 5432,
                    port => number("port", port)?,
                };
                let address = match addresses.get(at).map_or("", String::as_str) {
                    "" => None,
                    address => Some(address.parse().map_err(|_| {
                        "`hostaddr` must be a numeric address; put names into `host`".to_owned()
                    })?),
                };
                let host = match (host, address) {
                    (host, _) if !host.is_empty() => host,
                    // The driver wants a name to verify, if only the address.
                    (_, Some(IpAddr::V4(address))) => address.to_string(),
                    (_, Some(IpAddr::V6(address))) => address.to_string(),
                    (_, None) => socket_dir(port),
                };
                Ok(Target {
                    host,
                    address,
                    port,
                    password: None,
                })
            })
            .collect()
    }
}

const DEAD_AFTER: Duration = Duration::from_secs(30);

const SESSIONS: &[(&str, Session)] = &[
    ("any", Session::Any),
    ("read-write", Session::ReadWrite),
    ("read-only", Session::ReadOnly),
    ("primary", Session::Primary),
    ("standby", Session::Standby),
    ("prefer-standby", Session::PreferStandby),
];

const MODES: &[(&str, Mode)] = &[
    ("disable", Mode::Disable),
    ("allow", Mode::Prefer),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

const BINDINGS: &[(&str, ChannelBinding)] = &[
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

fn one_of<T: Copy>(word: &str, value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find(|(name, _)| *name == value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("`{word}` must be one of {}", names.join(", "))
        })
}

fn number<T: FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| {
        format!("`{word}` is not a number in range; percent-encode special characters before it")
    })
}

/// Seconds; nothing for zero and less, which is libpq's word for no limit.
fn some_seconds(word: &str, value: &str) -> Result<Option<Duration>, String> {
    let seconds: i32 = number(word, value)?;
    Ok(u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs))
}

/// Where a socket is looked for when no host is given: Debian's place, then PostgreSQL's own.
fn socket_dir(port: u16) -> String {
    let (debian, own) = ("/var/run/postgresql", "/tmp");
    let socket = format!("{own}/.s.PGSQL.{port}");
    if std::fs::exists(socket).unwrap_or(false) {
        own.to_owned()
    } else {
        debian.to_owned()
    }
}

/// The name of the user this process runs as, which libpq takes when none is given.
fn process_user() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
