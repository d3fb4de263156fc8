//! Answers come after the commit, and not later than `--rest-wait`.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::Client;

use super::{END, START, STEPS, end, metric, post, refused, start, step};
use crate::support::{self, Rest, count, eventually};

/// Holds both tables. The server reads them in statements of its own, so a lock that is waited for
/// while another is held could be a deadlock.
async fn lock(client: &Client) {
    let tables = "lock table public.steps, public.flowstate in access exclusive mode nowait";
    eventually("the tables are free", async || {
        let locked = client.batch_execute(&format!("begin; {tables}")).await;
        if locked.is_err() {
            client.batch_execute("rollback").await.unwrap();
        }
        locked.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_before_it_is_committed() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let client = database.client().await;
    for (headers, expected) in [(&[][..], 200), (&[("Async-Calling", "true")][..], 202)] {
        lock(&client).await;
        for (path, body) in [
            (START, start("orders", "i")),
            (STEPS, step("i", expected)),
            (END, end("orders", "i")),
        ] {
            let mut rest = Rest::new(service.local_addr());
            let asked = rest.request("POST", path, headers, body.as_bytes());
            let mut asked = Box::pin(asked);
            let early = timeout(Duration::from_millis(300), &mut asked).await;
            assert!(early.is_err(), "{path} is answered: {early:?}");
            client.batch_execute("rollback").await.unwrap();
            let (status, ..) = asked.await;
            assert_eq!(u32::from(status), expected, "{path}");
            lock(&client).await;
        }
        client.batch_execute("rollback").await.unwrap();
    }
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_written_when_the_database_is_back() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--rest-wait", "300ms"]).await;
    let client = database.client().await;
    lock(&client).await;
    let mut rest = Rest::new(service.local_addr());
    let begun = Instant::now();
    for number in 0..3 {
        let body = step("i", number);
        let answer = rest.request("POST", STEPS, &[], body.as_bytes()).await;
        let (status, headers, said) = answer;
        assert_eq!(
            (status, &headers["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        assert!(said.contains("stays queued"), "{said}");
    }
    assert!(begun.elapsed() > Duration::from_millis(900));
    assert_eq!(rest.connections, 1);
    // whose sender went away
    rest.send(
        format!(
            "POST {START} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n",
            start("orders", "gone").len()
        )
        .as_bytes(),
    )
    .await;
    rest.send(start("orders", "gone").as_bytes()).await;
    let queue = "flowtrail_ingest_queue_bytes";
    eventually("the start is taken", async || {
        metric(service.local_addr(), queue).await > 4 * 4096
    })
    .await;
    drop(rest);
    assert_eq!(refused(service.local_addr(), "not_written").await, 3);
    client.batch_execute("rollback").await.unwrap();
    let stored = "select (select count(*) from steps) + (select count(*) from flowstate)";
    eventually("the rows", async || count(&database, stored).await == 4).await;
    eventually("all is given back", async || {
        metric(service.local_addr(), queue).await == 0
    })
    .await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_is_taken() {
    let database = support::database().await;
    let flags = [
        "--rest-wait",
        "500ms",
        "--queue-bytes",
        "64KiB",
        "--max-chunk-bytes",
        "16KiB",
        "--max-event-bytes",
        "16KiB",
    ];
    let service = support::serve(&database.url, &flags).await;
    let client = database.client().await;
    lock(&client).await;
    let mut rest = Rest::new(service.local_addr());
    let padding = "x".repeat(10_000);
    let mut refused_at = None;
    for number in 0..20 {
        let body = step("i", number).replacen('{', &format!("{{\"x\":\"{padding}\","), 1);
        let (status, headers, said) = rest.request("POST", STEPS, &[], body.as_bytes()).await;
        assert_eq!(
            (status, &headers["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        if said.contains("nothing was taken") {
            refused_at = Some(number);
            break;
        }
    }
    let taken = refused_at.expect("the queue is full");
    assert!((1..6).contains(&taken), "{taken}");
    assert_eq!(refused(service.local_addr(), "no_room").await, 1);
    client.batch_execute("rollback").await.unwrap();
    let stored = "select count(*) from steps";
    eventually("what was taken", async || {
        count(&database, stored).await == i64::from(taken)
    })
    .await;
    post(&mut rest, STEPS, &step("i", 99)).await;
    assert_eq!(count(&database, stored).await, i64::from(taken) + 1);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_was_accepted() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let client = database.client().await;
    lock(&client).await;
    let mut rest = Rest::new(service.local_addr());
    let body = start("orders", "i");
    let lifecycle = service.lifecycle().clone();
    let address = service.local_addr();
    let asked = rest.request("POST", START, &[], body.as_bytes());
    let stopped = async {
        let queue = "flowtrail_ingest_queue_bytes";
        eventually("it is taken", async || metric(address, queue).await > 0).await;
        tokio::join!(service.stop(), async {
            lifecycle.stopping().cancelled().await;
            client.batch_execute("rollback").await.unwrap();
        })
        .0
    };
    let ((status, ..), stopped) = tokio::join!(asked, stopped);
    assert_eq!(status, 200);
    stopped.expect("a clean stop");
    assert_eq!(count(&database, "select count(*) from flowstate").await, 1);
}
