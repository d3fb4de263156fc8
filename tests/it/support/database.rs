//! A database for each test, cloned from a migrated template.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use flowtrail::{
    config,
    pg::{Connector, migrate},
};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use super::{
    cluster::{Cluster, blocking},
    proxy::Proxy,
    watchdog::Watchdog,
};

/// Where the databases of this run are.
struct Server {
    /// A database from which others can be made and dropped.
    url: String,
    template: String,
    _cluster: Option<Cluster>,
    _watchdog: Option<Watchdog>,
}

/// A database of one test, dropped when the test ends.
pub(crate) struct TestDatabase {
    /// For options, and for programs like `psql`.
    pub(crate) url: String,
    /// Its name on the server.
    pub(crate) name: String,
}

/// A database with the current schema.
pub(crate) async fn database() -> TestDatabase {
    let server = server().await;
    TestDatabase::create(&format!("template {}", server.template)).await
}

/// A database with nothing in it.
pub(crate) async fn empty_database() -> TestDatabase {
    TestDatabase::create("template template0 encoding 'UTF8'").await
}

impl TestDatabase {
    /// A database made with `options`, the words after `create database NAME`.
    pub(crate) async fn create(options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = server().await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowtrail_it_{}_{number}", std::process::id());
        let admin = connect(&server.url).await;
        let drop = format!("drop database if exists {name}");
        admin
            .batch_execute(&drop)
            .await
            .expect("the role may drop databases");
        admin
            .batch_execute(&format!("create database {name} {options}"))
            .await
            .expect("TEST_DATABASE_URL names a role that may create databases");
        Self {
            url: with_database(&server.url, &name),
            name,
        }
    }

    /// A new connection; it closes when the client is dropped.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// A line to it, and its URL over that line.
    pub(crate) async fn line(&self) -> (Proxy, String) {
        let config: Config = self.url.parse().unwrap();
        let [Host::Tcp(host)] = config.get_hosts() else {
            panic!("TEST_DATABASE_URL names a server over TCP");
        };
        let target = (host.as_str(), *config.get_ports().first().unwrap_or(&5432));
        let mut targets = tokio::net::lookup_host(target).await.unwrap();
        let proxy = Proxy::to(targets.next().unwrap()).await;
        let password = config.get_password().unwrap_or_default();
        let url = format!(
            "postgresql://{}:{}@{}/{}?sslmode=disable",
            config.get_user().unwrap(),
            String::from_utf8_lossy(password),
            proxy.address(),
            self.name
        );
        (proxy, url)
    }

    /// What `--database-url` and its companions would say.
    pub(crate) fn options(&self) -> config::Database {
        options(&self.url)
    }

    /// The program's own way to connect.
    pub(crate) fn connector(&self) -> Connector {
        Connector::new(&self.url, &self.options()).expect("a database URL")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(server) = SERVER.get() else { return };
        let (url, name) = (server.url.clone(), self.name.clone());
        // the test's runtime is about to end, so this has one of its own
        let dropped = std::thread::spawn(move || {
            runtime().block_on(async {
                let admin = connect(&url).await;
                let end =
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
                let _ = admin.query(end, &[&name]).await;
                let _ = admin
                    .batch_execute(&format!("drop database if exists {name}"))
                    .await;
            });
        });
        let _ = dropped.join();
    }
}

/// A connection to `url`.
pub(crate) async fn connect(url: &str) -> Client {
    let config: Config = url.parse().expect("a database URL");
    let (client, connection) = tokio::time::timeout(Duration::from_secs(30), config.connect(NoTls))
        .await
        .expect("the tests' PostgreSQL answers within 30 s")
        .unwrap_or_else(|error| panic!("the tests' PostgreSQL lets us in: {error:?}"));
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the client, which the test holds"
    )]
    tokio::spawn(connection);
    client
}

/// Answers with the one number that `query` asks for.
pub(crate) async fn count(database: &TestDatabase, query: &str) -> i64 {
    let client = database.client().await;
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Database options that name `url` and are otherwise the defaults.
pub(crate) fn options(url: &str) -> config::Database {
    config::Database {
        database_url: Some(url.to_owned()),
        database_url_file: None,
        flogo_config: None,
        pool_size: 4,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(30),
    }
}

static SERVER: OnceLock<Server> = OnceLock::new();

async fn server() -> &'static Server {
    blocking(|| SERVER.get_or_init(prepare)).await
}

fn prepare() -> Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "it tells the tests, not the program"
    )]
    let named = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty());
    let template = format!("flowtrail_it_{}_template", std::process::id());
    let (url, cluster, watchdog) = if let Some(url) = named {
        let drop = r#"psql -X -d "$1" -c "update pg_database set datistemplate = false where datname = '$2'" -c "drop database if exists $2""#;
        let watchdog = Watchdog::new(drop, &[&url, &template]);
        (url, None, Some(watchdog))
    } else {
        let cluster = Cluster::start_blocking();
        (cluster.url("postgres"), Some(cluster), None)
    };
    runtime().block_on(async {
        let admin = connect(&url).await;
        let create = format!("create database {template} template template0 encoding 'UTF8'");
        admin
            .batch_execute(&create)
            .await
            .expect("TEST_DATABASE_URL names a role that may create databases");
        let url = with_database(&url, &template);
        let connector = Connector::new(&url, &options(&url)).expect("a database URL");
        migrate::migrate(&connector, |_| ())
            .await
            .expect("an empty database can be migrated");
    });
    Server {
        url,
        template,
        _cluster: cluster,
        _watchdog: watchdog,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread")
}

/// `url` with another database; both forms of libpq's strings.
fn with_database(url: &str, name: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("{url} dbname={name}");
    };
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, String::new()), |(rest, query)| {
            (rest, format!("?{query}"))
        });
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    format!("{scheme}://{host}/{name}{query}")
}
