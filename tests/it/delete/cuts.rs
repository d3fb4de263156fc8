//! What a rerun cuts.

use std::time::Duration;

use tokio::time::timeout;

use super::{delete, record, rows};
use crate::support::{self, Stream, count, eventually, hello, start, step};

#[tokio::test]
async fn a_rerun_cuts_what_was_accepted_before_it() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    record(&service, [start("i", 1_000), step("i", 0), step("i", 1)]).await;
    let lock = "begin; lock table public.steps in share mode";
    client.batch_execute(lock).await.unwrap();
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk([step("i", 2)]).await;
    eventually("the step waits for the table", async || {
        let waits = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
            where not l.granted and l.locktype = 'relation' and a.datname = current_database()";
        client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    let mut deleted = Box::pin(delete(&service, "/v1/instances/i/step/1", &[]));
    let early = timeout(Duration::from_millis(300), deleted.as_mut()).await;
    assert!(early.is_err(), "before the step was stored: {early:?}");
    client.batch_execute("commit").await.unwrap();
    let (status, body) = deleted.await;
    assert_eq!((status, &*body), (200, ""));
    assert_eq!(stream.finish().await.recorded, 1);
    assert_eq!(
        rows(&client, "i").await,
        [1, 1, 0, 2, 1, 0],
        "steps 1 and 2 are past"
    );
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_step_id_that_is_none_is_named_and_an_instance_that_is_not_stored_is_not_cut() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    for id in ["abc", "-1", "1.5", "4294967296", "0x1"] {
        let path = format!("/v1/instances/i/step/{id}");
        let (status, body) = delete(&service, &path, &[]).await;
        assert_eq!(status, 400, "{id}");
        let sentence = format!("invalid stepId: {id}; it must be");
        assert!(body.contains(&sentence), "{body}");
    }
    for path in ["/v1/instances/unheard/step/3", "/v1/instances/%00/step/3"] {
        assert_eq!(delete(&service, path, &[]).await, (200, String::new()));
    }
    let cuts = "select count(*) from flowtrail.cuts";
    assert_eq!(count(&database, cuts).await, 0);
    let (status, _) = delete(&service, "/v1/instances/%FF", &[]).await;
    assert_eq!(status, 400);
    service.stop().await.unwrap();
}
