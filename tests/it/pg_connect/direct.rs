//! Transactions in one write, past the driver.

use std::time::Duration;

use bytes::Bytes;
use flowtrail::pg::{
    Connector, Direct, binary,
    direct::{Error, Request},
};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{connects, primary, server::Servers, settings, text};
use crate::support::eventually;

const ROWS: usize = 300;
const BYTES: usize = 10_000;

/// A connection with a table of its own.
async fn open(servers: &Servers, words: &str) -> (Client, Direct) {
    let connector = Connector::new(&primary(servers, words), &settings()).unwrap();
    let (client, direct) = connector.connect_direct("test", |_| ()).await.unwrap();
    let table = "create temporary table rows (value text check (value <> 'odd'))";
    client.batch_execute(table).await.unwrap();
    (client, direct)
}

/// The number of the session; to be asked before it is lent.
async fn pid(client: &Client) -> String {
    text(client, "select pg_backend_pid()::text").await
}

/// Lets the server end the session.
async fn terminate(servers: &Servers, pid: String) {
    let other = connects(&primary(servers, "")).await;
    let end = format!("select pg_terminate_backend({pid})::text");
    assert_eq!(text(&other, &end).await, "true");
}

fn ask(statements: &[&str]) -> Request {
    let mut request = Request::default();
    for statement in statements {
        request.ask(statement, &[]).unwrap();
    }
    request
}

#[tokio::test]
async fn rows_arrive_with_tls_and_without_and_the_driver_goes_on() {
    let servers = Servers::shared().await;
    for words in ["sslmode=disable", "sslmode=require channel_binding=require"] {
        let (client, mut direct) = open(&servers, words).await;
        let mut request = Request::default();
        let copy = "copy pg_temp.rows (value) from stdin (format binary)";
        request.prepare("copy", copy).unwrap();
        direct.exchange(request).await.unwrap();
        let mut row = Vec::new();
        binary::row(&mut row, 1);
        binary::bytes(&mut row, Some(&[b'x'; BYTES]));
        let row = Bytes::from(row);
        for round in 1..=2 {
            let mut request = Request::default();
            let rows = std::iter::repeat_n(row.clone(), ROWS);
            request.copy("copy", rows).unwrap();
            request
                .ask("select * from pg_temp.rows limit 7", &[])
                .unwrap();
            assert_eq!(direct.exchange(request).await.unwrap().rows, 7, "{words}");
            direct.give_back();
            let found = "select count(*) || ' ' || sum(length(value)) from pg_temp.rows";
            let expected = format!("{} {}", round * ROWS, round * ROWS * BYTES);
            assert_eq!(text(&client, found).await, expected, "{words}");
        }
    }
}

#[tokio::test]
async fn of_what_fails_nothing_is_stored_and_the_connection_goes_on() {
    let servers = Servers::shared().await;
    let (client, mut direct) = open(&servers, "").await;
    let insert = |value| format!("insert into pg_temp.rows values ('{value}')");
    let request = ask(&[&insert("one"), &insert("odd"), "not even SQL"]);
    match direct.exchange(request).await {
        Err(Error::Refused(complaint)) => {
            assert_eq!(complaint.code.code(), "23514", "the first error counts");
            assert_eq!(complaint.constraint.as_deref(), Some("rows_value_check"));
        }
        other => panic!("{other:?}"),
    }
    direct.exchange(ask(&[&insert("two")])).await.unwrap();
    assert!(!direct.is_closed());
    direct.give_back();
    let stored = "select string_agg(value, ' ') from pg_temp.rows";
    assert_eq!(text(&client, stored).await, "two");
}

#[tokio::test]
async fn while_the_connection_is_lent_the_client_waits_for_it() {
    let servers = Servers::shared().await;
    let (client, mut direct) = open(&servers, "").await;
    direct.exchange(ask(&["select 1"])).await.unwrap();
    let asking = text(&client, "select 'here'");
    tokio::pin!(asking);
    let early = timeout(Duration::from_millis(200), &mut asking).await;
    assert!(early.is_err(), "{early:?}");
    direct.give_back();
    assert_eq!(asking.await, "here");
}

#[tokio::test]
async fn an_exchange_that_is_given_up_ends_the_connection() {
    let servers = Servers::shared().await;
    let (client, mut direct) = open(&servers, "").await;
    let sleep = direct.exchange(ask(&["select pg_sleep(60)"]));
    assert!(timeout(Duration::from_millis(200), sleep).await.is_err());
    assert!(direct.is_closed());
    let again = direct.exchange(ask(&["select 1"])).await;
    assert!(matches!(again, Err(Error::Line(_))), "{again:?}");
    drop(direct);
    eventually("the driver knows", async || client.is_closed()).await;
}

#[tokio::test]
async fn a_line_that_breaks_between_two_transactions_is_found_broken() {
    let servers = Servers::shared().await;
    let (client, mut direct) = open(&servers, "").await;
    let pid = pid(&client).await;
    direct.exchange(ask(&["select 1"])).await.unwrap();
    terminate(&servers, pid).await;
    eventually("it is found out", async || direct.is_closed()).await;
}

#[tokio::test]
async fn what_was_given_back_is_looked_after_by_the_driver() {
    let servers = Servers::shared().await;
    let (client, mut direct) = open(&servers, "").await;
    let pid = pid(&client).await;
    direct.exchange(ask(&["select 1"])).await.unwrap();
    direct.give_back();
    terminate(&servers, pid).await;
    eventually("the driver knows", async || client.is_closed()).await;
}

#[tokio::test]
async fn an_answer_to_the_driver_is_not_taken_for_one_to_the_exchange() {
    let servers = Servers::shared().await;
    for _ in 0..20 {
        let (client, mut direct) = open(&servers, "").await;
        // the driver closes the statement that it made of the text, and does not wait for that
        text(&client, "select 'text'").await;
        tokio::task::yield_now().await;
        if let Ok(answer) = direct.exchange(ask(&["select 1"])).await {
            assert_eq!(answer.rows, 1);
        }
    }
}
