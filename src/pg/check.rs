//! What stands in the way of working with a database, found by looking only: nothing is changed.

use std::time::Instant;

use serde::Serialize;
use tokio_postgres::{Client, Row};

use super::{Connector, Error, Refusal, migrate};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, with a loss that the finding names.
    Warning,
    /// It does not work.
    Failure,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in one or two words.
    pub subject: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, one sentence.
    pub found: String,
    /// What to do; nothing when all is well.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(subject: &'static str, level: Level, found: impl Into<String>, remedy: &str) -> Self {
        Self {
            subject,
            level,
            found: found.into(),
            remedy: (level != Level::Ok).then(|| remedy.to_owned()),
        }
    }

    /// `bad` with its remedy unless `fine`.
    fn when(
        fine: bool,
        bad: Level,
        subject: &'static str,
        found: impl Into<String>,
        remedy: &str,
    ) -> Self {
        let level = if fine { Level::Ok } else { bad };
        Self::new(subject, level, found, remedy)
    }
}

/// Looks at the database behind `connector`: the server and its settings, the tables and what the
/// role may do with them. `connections` is how many one `serve` will open, besides the one that
/// watches over several servers. A database that cannot be reached is a finding too.
///
/// # Errors
/// [`Error::Statement`] or [`Error::Silent`] when an inquiry itself fails.
pub async fn check(connector: &Connector, connections: usize) -> Result<Vec<Finding>, Error> {
    let connections = connections + usize::from(connector.lookout().is_some());
    let begun = Instant::now();
    let client = match connector.connect("check", |_| ()).await {
        Ok(client) => client,
        Err(Error::Connect { refusals, .. }) => {
            return Ok(refusals
                .into_iter()
                .map(
                    |Refusal {
                         target,
                         reason,
                         remedy,
                         ..
                     }| {
                        let found = format!("{target}: {reason}");
                        Finding::new("connection", Level::Failure, found, &remedy)
                    },
                )
                .collect());
        }
        Err(error) => return Err(error),
    };
    let waited = begun.elapsed().as_secs_f64();
    let patience = connector.patience();
    let mut findings = tokio::time::timeout(patience, inquire(&client, waited, connections))
        .await
        .unwrap_or(Err(Error::Silent(patience)))?;
    let reached = Finding::new("connection", Level::Ok, connector.describe(), "");
    findings.insert(0, reached);
    Ok(findings)
}

async fn inquire(client: &Client, waited: f64, connections: usize) -> Result<Vec<Finding>, Error> {
    let rows = client
        .query_typed(include_str!("../../sql/check/server.sql"), &[])
        .await?;
    let mut findings = Vec::new();
    for server in &rows {
        findings.extend(reach(server, waited, connections));
        findings.extend(durability(server));
        findings.extend(features(server));
        findings.extend(tables(client, server.get("role")).await?);
    }
    let (level, state) = match migrate::state(client).await {
        Ok(state) if state.usable() => (Level::Ok, state.to_string()),
        Ok(state) => (Level::Failure, state.to_string()),
        Err(error) => (Level::Failure, error.to_string()),
    };
    let (found, remedy) = state.split_once("; ").unwrap_or((&state, ""));
    findings.push(Finding::new("schema version", level, found, remedy));
    Ok(findings)
}

fn reach(server: &Row, waited: f64, connections: usize) -> Vec<Finding> {
    use Level::{Failure, Warning};
    let yes = |column| server.get::<_, bool>(column);
    let version: String = server.get("version");
    let role = match (yes("in_recovery"), yes("read_only")) {
        (true, _) => "it is a standby in recovery",
        (false, true) => "default_transaction_read_only is on",
        (false, false) => "it takes writes",
    };
    let encoding: String = server.get("encoding");
    let free: i32 = server.get("free_connections");
    let age: f64 = server.get("session_age");
    let mut findings = vec![
        Finding::when(
            server.get::<_, i32>("version_num") >= 120_000,
            Failure,
            "version",
            format!("PostgreSQL {version}"),
            "upgrade PostgreSQL to 12 or newer",
        ),
        Finding::when(
            !yes("read_only"),
            Failure,
            "writes",
            role,
            "name the primary in the database URL, or every server with target_session_attrs=read-write",
        ),
        Finding::when(
            encoding == "UTF8",
            Failure,
            "encoding",
            format!("the database is {encoding}"),
            "create a database with encoding 'UTF8' and name it in the database URL",
        ),
        Finding::when(
            yes("encrypted") || yes("same_machine"),
            Warning,
            "encryption",
            match (yes("encrypted"), yes("same_machine")) {
                (true, _) => "the connection is encrypted",
                (false, true) => "not encrypted, on the same machine",
                (false, false) => "not encrypted: the network can read what is recorded",
            },
            "set sslmode=verify-full in the database URL",
        ),
        Finding::when(
            usize::try_from(free).is_ok_and(|free| free >= connections),
            Warning,
            "connections",
            format!("{free} are free, one server opens {connections}"),
            "raise max_connections, or lower --pool-size and --lanes",
        ),
    ];
    // The session is older than our wish for one: somebody between us had it ready.
    if age > waited + 2.0 {
        findings.push(Finding::new(
            "pooler",
            Warning,
            "a connection pooler such as PgBouncer stands between",
            "let `serve` connect to PostgreSQL itself: its writers and its listener need sessions of their own",
        ));
    }
    findings
}

fn durability(server: &Row) -> [Finding; 3] {
    let yes = |column| server.get::<_, bool>(column);
    let word = |on| if on { "on" } else { "off" };
    let commit: String = server.get("synchronous_commit");
    [
        Finding::when(
            yes("fsync"),
            Level::Warning,
            "fsync",
            word(yes("fsync")),
            "set fsync = on: acknowledged events are lost in a crash without it",
        ),
        Finding::when(
            yes("full_page_writes"),
            Level::Warning,
            "full_page_writes",
            word(yes("full_page_writes")),
            "set full_page_writes = on, unless the file system never tears a page",
        ),
        Finding::when(
            commit != "off",
            Level::Warning,
            "synchronous_commit",
            commit.clone(),
            "nothing for events, whose writers switch it on; set it on if other writes must last too",
        ),
    ]
}

fn features(server: &Row) -> Vec<Finding> {
    let timeout: String = server.get("statement_timeout");
    let mut findings = vec![
        Finding::new(
            "statement_timeout",
            Level::Ok,
            if timeout == "0" {
                "no limit by default; --statement-timeout applies".to_owned()
            } else {
                format!("{timeout} by default; --statement-timeout applies")
            },
            "",
        ),
        Finding::when(
            server.get::<_, Option<bool>>("lz4") == Some(true),
            Level::Warning,
            "lz4",
            match server.get::<_, Option<bool>>("lz4") {
                Some(true) => "large values can be compressed with lz4",
                Some(false) => "this PostgreSQL was built without lz4",
                None => "before PostgreSQL 14 there is no lz4",
            },
            "nothing urgent: large values are compressed with pglz, which is slower",
        ),
        Finding::when(
            server.get("may_temp"),
            Level::Failure,
            "temporary tables",
            if server.get("may_temp") {
                "the role may make them"
            } else {
                "the role may not make them"
            },
            "grant temporary on the database to the role: batches are merged through them",
        ),
        Finding::when(
            server.get("may_create"),
            Level::Warning,
            "create on database",
            if server.get("may_create") {
                "the role may make schemas"
            } else {
                "the role may not make schemas"
            },
            "let an owner run `flowtrail migrate`, or what `flowtrail migrate --print` shows",
        ),
    ];
    if server.get("citus") {
        let found = "Citus: batches are merged at once, toggles live on the coordinator";
        findings.push(Finding::new("citus", Level::Ok, found, ""));
    }
    findings
}

async fn tables(client: &Client, role: &str) -> Result<Vec<Finding>, Error> {
    let rows = client
        .query_typed(include_str!("../../sql/check/tables.sql"), &[])
        .await?;
    let mut findings = Vec::new();
    for row in rows {
        let name: String = row.get("name");
        let subject = match name.as_str() {
            "public.steps" => "table steps",
            "public.flowstate" => "table flowstate",
            "public.appstate" => "table appstate",
            "flowtrail.meta" => "schema flowtrail",
            "flowtrail.attempts" => "table attempts",
            "flowtrail.past_steps" => "table past_steps",
            "flowtrail.cuts" => "table cuts",
            "flowtrail.reruns" => "table reruns",
            "flowtrail.skipped_instances" => "table skipped_instances",
            "flowtrail.instances" => "view instances",
            "flowtrail.numbered_attempts" => "view numbered_attempts",
            "flowtrail.step_versions" => "view step_versions",
            _ => "view stored_apps",
        };
        let lacks: Vec<String> = row.get("lacks");
        if !row.get::<_, bool>("present") {
            let found = format!("{name} is missing");
            let remedy = "run `flowtrail migrate`, which makes it";
            findings.push(Finding::new(subject, Level::Failure, found, remedy));
        } else if row.get("hidden") {
            let schema = name.split('.').next().unwrap_or_default();
            let found = format!("the role {role} may not use the schema {schema}");
            let remedy = format!("grant usage on schema {schema} to the role");
            findings.push(Finding::new(subject, Level::Failure, found, &remedy));
        } else if !lacks.is_empty() {
            let lacks = lacks.join(", ");
            let found = format!("the role {role} may not {lacks}");
            let remedy = format!("grant {lacks} on {name} to the role");
            findings.push(Finding::new(subject, Level::Failure, found, &remedy));
        } else {
            let found = "there, with all privileges needed";
            findings.push(Finding::new(subject, Level::Ok, found, ""));
        }
        if name == "public.appstate" && row.get("present") {
            let may: bool = row.get("may_trigger");
            findings.push(Finding::when(
                may,
                Level::Warning,
                "trigger on appstate",
                if may {
                    "the role may make one"
                } else {
                    "the role may not make one"
                },
                "let an owner run `flowtrail migrate`; without the trigger a toggle is seen within half a second",
            ));
        }
    }
    Ok(findings)
}
