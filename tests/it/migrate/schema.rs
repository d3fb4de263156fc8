//! What the schema itself promises: formats, views, the toggles' hint.

use std::sync::mpsc;

use tokio_postgres::AsyncMessage;

use crate::support;

#[tokio::test]
async fn execution_times_are_milliseconds_with_three_decimals() {
    let database = support::database().await;
    let client = database.client().await;
    let check = async |started: &str, ended: &str, expected: Option<&str>| {
        let sql = "select flowtrail.executiontime($1::text::timestamp, $2::text::timestamp)";
        let row = client.query_one(sql, &[&started, &ended]).await.unwrap();
        assert_eq!(row.get::<_, Option<&str>>(0), expected, "{started} {ended}");
    };
    let start = "2026-01-02 03:04:05";
    check(start, "2026-01-02 03:04:05", Some("0.000")).await;
    check(start, "2026-01-02 03:04:06.5", Some("1500.000")).await;
    check(start, "2026-01-02 03:04:05.041335", Some("41.335")).await;
    check(start, "2026-01-02 03:04:05.000001", Some("0.001")).await;
    check(start, "2026-01-02 03:04:04.9995", Some("-0.500")).await;
    check(start, "2026-01-04 04:05:06.000007", Some("176461000.007")).await;
    check("2026-01-04 04:05:06.000007", start, Some("-176461000.007")).await;
    check(
        "0001-01-01 00:00:00",
        "2026-01-01 00:00:00.123457",
        Some("63902822400123.457"),
    )
    .await;
    check("-infinity", start, None).await;
    check(start, "infinity", None).await;
    let row = client
        .query_one(
            "select flowtrail.executiontime(null, now()::timestamp)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, Option<&str>>(0), None);
}

#[tokio::test]
async fn past_attempts_read_like_instances() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "insert into flowtrail.attempts
               (flowinstanceid, attempt, started, ended, hostid, start_endtime, start_status, endtime, status)
             values
               ('a', '-infinity', false, true, '', null, null, '2026-01-01', 'Completed'),
               ('a', '2026-01-01', true, false, 'h', '2026-01-01 00:00:01', 'Created', null, null),
               ('a', '2026-01-02', true, true, 'h', '2026-01-02', 'Created', '2026-01-02 00:00:02', 'Failed'),
               ('a', '2026-01-03', true, false, 'h', '2026-01-03', 'Created', null, null),
               ('b', '2026-01-01', true, false, 'h', '2026-01-01', 'Created', null, null)",
        )
        .await
        .unwrap();
    let rows = client
        .query(
            "select concat_ws(' ', flowinstanceid, starttime, endtime, status, coalesce(executiontime, '-'))
             from flowtrail.past_flowstate order by starttime",
            &[],
        )
        .await
        .unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        rows,
        [
            "a 2026-01-01 00:00:00 2026-01-01 00:00:01 Created -",
            "a 2026-01-02 00:00:00 2026-01-02 00:00:02 Failed 2000.000",
        ]
    );
    let columns =
        "select string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum)
                   from pg_attribute where attrelid = $1::text::regclass and attnum > 0";
    let of = async |table: &str| {
        let row = client.query_one(columns, &[&table]).await.unwrap();
        row.get::<_, String>(0)
    };
    assert_eq!(
        of("flowtrail.past_flowstate").await,
        of("public.flowstate").await
    );
    assert_eq!(of("flowtrail.past_steps").await, of("public.steps").await);
}

#[tokio::test]
async fn there_is_one_row_of_meta_and_its_id_is_this_databases() {
    let check = async || {
        let database = support::empty_database().await;
        super::run(&database).await;
        let client = database.client().await;
        assert!(
            client
                .batch_execute("insert into flowtrail.meta select * from flowtrail.meta")
                .await
                .is_err()
        );
        let row = client
            .query_one("select database_id::text from flowtrail.meta", &[])
            .await
            .unwrap();
        row.get::<_, String>(0)
    };
    assert_ne!(check().await, check().await);
}

#[tokio::test]
async fn a_hint_is_sent_when_a_toggle_really_changes() {
    let database = support::database().await;
    let (heard, hints) = mpsc::channel();
    let listener = database
        .connector()
        .connect("listen", move |message| {
            if let AsyncMessage::Notification(hint) = message {
                heard.send(hint.channel().to_owned()).unwrap();
            }
        })
        .await
        .unwrap();
    listener
        .batch_execute("listen flowtrail_appstate")
        .await
        .unwrap();
    let client = database.client().await;
    let check = async |sql: &str, expected: usize| {
        client.batch_execute(sql).await.unwrap();
        // a hint that was sent comes before the answer of a later statement
        listener.batch_execute("select").await.unwrap();
        assert_eq!(hints.try_iter().count(), expected, "{sql}");
    };
    check(
        "insert into public.appstate (userid, appname) values ('u', 'undecided')",
        0,
    )
    .await;
    check(
        "insert into public.appstate values ('u', 'a', '1', true)",
        1,
    )
    .await;
    check("update public.appstate set appversion = '2'", 0).await;
    check(
        "update public.appstate set persistenceenabled = true where appname = 'a'",
        0,
    )
    .await;
    check(
        "update public.appstate set persistenceenabled = false where appname = 'a'",
        1,
    )
    .await;
    check(
        "update public.appstate set appname = 'b' where appname = 'a'",
        1,
    )
    .await;
    check("delete from public.appstate where appname = 'undecided'", 0).await;
    check("delete from public.appstate where appname = 'b'", 1).await;
}
