//! The program is killed.

use flowtrail::pg::{Connector, embedded::Embedded, migrate};

use super::moment;
use crate::support::{self, Cluster, DataDir, Load, Program, SMALL, verify};

/// Three rounds of load, kill and resend against the service that `flags` describe; `connect`
/// reaches its database while it runs.
async fn survives(flags: &[&str], connect: impl AsyncFn() -> tokio_postgres::Client) {
    let mut program = Program::serve(flags).await;
    for round in ["a", "b", "c"] {
        let load = Load::start(program.address, round, 4, SMALL).await;
        load.progress(5).await;
        moment().await;
        program.kill9();
        let mut ledgers = load.ended().await;
        for ledger in &ledgers {
            ledger
                .end
                .as_ref()
                .expect_err("no OK end from a killed server");
        }
        program = Program::serve(flags).await;
        let client = connect().await;
        assert!(verify(&client, &ledgers).await >= 5);
        for ledger in &mut ledgers {
            ledger.resend(program.address).await;
            assert_eq!(
                ledger.sum.recorded + ledger.sum.superseded,
                ledger.sent * ledger.events()
            );
        }
        verify(&client, &ledgers).await;
    }
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_has_kept_what_it_acknowledged() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    survives(&["--database-url", &url], async || {
        support::connect(&url).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_with_an_embedded_database_has_kept_what_it_acknowledged() {
    let dir = DataDir::new("data");
    let socket = dir.path.join("postgres/run");
    let connect = async || {
        let options = support::options("");
        let connector = Connector::socket(&socket, "flowtrail", "flowtrail", &options).unwrap();
        let client = connector.connect("test", |_| ()).await.unwrap();
        assert_eq!(
            migrate::state(&client).await.unwrap(),
            migrate::State::Current
        );
        client
    };
    survives(&["--data-dir", &dir.text()], connect).await;
    let left = dir.path.join("postgres/data/postmaster.pid").exists();
    assert!(!left, "the last stop stops the database too");
    let options = flowtrail::config::Embedded {
        data_dir: dir.path.clone(),
        pg_bin: None,
    };
    assert!(Embedded::exists(&options));
}
