//! The words of a database URL, collected one by one and then made into [`Options`] with libpq's
//! defaults.
//!
//! An error names a word and what may stand there, never the value: in a URL that lacks its
//! percent-encoding any value may be a piece of the password.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use tokio_postgres::config::{ChannelBinding, Config, LoadBalanceHosts, SslNegotiation};

use super::{
    Error, Options, Session, Target, passfile,
    tls::{Mode, Root, Settings as Tls},
};

/// The words as they come, before defaults.
#[derive(Default)]
pub(super) struct Given {
    host: Option<String>,
    hostaddr: Option<String>,
    port: Option<String>,
    user: Option<String>,
    dbname: Option<String>,
    password: Option<String>,
    passfile: Option<PathBuf>,
    connect_timeout: Option<Duration>,
    session: Option<Session>,
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
    /// A socket's directory, which needs no password.
    pub(super) fn socket(dir: &str, user: &str, dbname: &str) -> Self {
        Self {
            host: Some(dir.to_owned()),
            user: Some(user.to_owned()),
            dbname: Some(dbname.to_owned()),
            // Keeps the passfile out of it.
            password: Some(String::new()),
            ..Self::default()
        }
    }

    /// Takes one word; the last of several counts, and an empty value is as none.
    pub(super) fn take(&mut self, word: &str, value: String) -> Result<(), String> {
        match word {
            _ if value.is_empty() => {}
            "host" => self.host = Some(value),
            "hostaddr" => self.hostaddr = Some(value),
            "port" => self.port = Some(value),
            "user" => self.user = Some(value),
            "dbname" => self.dbname = Some(value),
            "password" => self.password = Some(value),
            "passfile" => self.passfile = Some(value.into()),
            "connect_timeout" => self.connect_timeout = some_seconds(word, &value)?,
            "target_session_attrs" => self.session = Some(one_of(word, &value, SESSIONS)?),
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
            _ if word.len() <= LONGEST
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
            {
                return Err(format!("the word `{word}` is not known; leave it out"));
            }
            // Not quoted: it may be a piece of a password.
            _ => return Err("it has a word that is none; quote values with spaces".to_owned()),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Options, Error> {
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
            driver.tcp_user_timeout(UNHEARD);
        }
        if !self.keepalives {
            driver.keepalives_idle(UNHEARD);
            driver.keepalives_interval(UNHEARD / 2);
            driver.keepalives_retries(3);
        }
        driver.user(&user).dbname(&dbname).ssl_mode(tls.driver());
        if tls.direct {
            driver.ssl_negotiation(SslNegotiation::Direct);
        }
        if self.any_order {
            driver.load_balance_hosts(LoadBalanceHosts::Random);
        }
        // Of several servers any will not do: most of them cannot store a batch.
        let usual = if targets.len() > 1 {
            Session::ReadWrite
        } else {
            Session::Any
        };
        let session = self.session.unwrap_or(usual);
        Ok(Options {
            targets,
            user,
            dbname,
            driver,
            connect_timeout: self.connect_timeout,
            session,
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

/// Letters of a word that may be meant: the longest of libpq's has 25.
const LONGEST: usize = 40;

/// What was sent must be confirmed by the other machine in this time, and a line without anything to
/// say is asked for a sign of life this often.
const UNHEARD: Duration = Duration::from_secs(10);

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
