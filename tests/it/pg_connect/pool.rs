//! The pool: fresh connections for lost ones, errors that say what happened.

use flowtrail::pg::{self, Connector, Error, Retry};

use super::{connects, primary, server::Servers, settings, text};

#[tokio::test]
async fn the_pool_replaces_what_was_lost() {
    let servers = Servers::shared().await;
    let connector = Connector::new(&primary(&servers, ""), &settings()).expect("a good URL");
    let pool = pg::pool(&connector, &settings());
    let watcher = connects(&primary(&servers, "")).await;
    let pid = "select pg_backend_pid()";
    for _ in 0..20 {
        let client = pool.get().await.expect("a connection");
        let lost: i32 = client.query_one(pid, &[]).await.expect("a row").get(0);
        drop(client);
        let kill = "select pg_terminate_backend($1)";
        watcher.query_one(kill, &[&lost]).await.expect("a row");
        let client = pool.get().await.expect("a connection");
        client
            .query_one(pid, &[])
            .await
            .expect("a fresh connection");
    }
    let client = pool.get().await.expect("a connection");
    let session = "select concat_ws('|', current_setting('timezone'), current_setting('search_path'), \
                   current_setting('statement_timeout'), current_setting('application_name'))";
    assert_eq!(text(&client, session).await, "UTC||30s|flowtrail queries");
}

#[tokio::test]
async fn the_pool_says_what_each_server_did() {
    let servers = Servers::shared().await;
    let error = |words: &str| {
        let url = primary(&servers, words);
        async move {
            let connector = Connector::new(&url, &settings()).expect("a good URL");
            let pool = pg::pool(&connector, &settings());
            Error::from(pool.get().await.expect_err("nobody is there"))
        }
    };
    let away = error("port=1").await;
    assert!(away.to_string().contains("start PostgreSQL"), "{away}");
    assert_eq!(away.retry(), Retry::Backoff);
    let wrong = error("password=wrong").await;
    assert!(
        wrong.to_string().contains("put the right password"),
        "{wrong}"
    );
    assert!(matches!(wrong.retry(), Retry::AfterFix(_)));
}
