//! Starts and ends that are copied straight into `flowstate` give the rows that staged ones give.

use flowtrail::{
    app::Running,
    proto::{Ack, FlowEnded, FlowStarted, event::Kind},
};
use tokio_postgres::Client;

use crate::support::{self, Stream, TestDatabase, end, hello, start, time};

/// A service and a stream to it.
struct Writer {
    database: TestDatabase,
    client: Client,
    service: Running,
    stream: Stream,
}

impl Writer {
    async fn start() -> Self {
        let database = support::database().await;
        let client = database.client().await;
        // counts the rows that are copied straight into the table or completed there
        let count = "create sequence public.copied minvalue 0 start 0;
            select nextval('public.copied');
            create function public.count_copied() returns trigger language plpgsql as $$
            begin
              if current_query() ~ 'ingest/(flows_copy|ends_merge)' then
                perform nextval('public.copied');
              end if;
              return null;
            end $$;
            create trigger count_copied after insert or update on public.flowstate
              for each row execute function public.count_copied()";
        client.batch_execute(count).await.unwrap();
        let service = support::serve(&database.url, &["--lanes", "1"]).await;
        let (stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
        Self {
            database,
            client,
            service,
            stream,
        }
    }

    /// Writes these in one batch.
    async fn write(&mut self, resent: bool, kinds: impl IntoIterator<Item = Kind>) -> Ack {
        self.stream.chunk_marked(resent, kinds).await;
        let ack = self.stream.ack().await;
        assert_eq!(ack.rejections, []);
        ack
    }

    async fn copied(&self) -> i64 {
        support::count(&self.database, "select last_value from public.copied").await
    }

    /// Every column of every row, in the text form of the database.
    async fn rows(&self) -> Vec<String> {
        let all = "select f::text from public.flowstate f
            union all select 'attempt ' || a::text from flowtrail.attempts a
            order by 1";
        let rows = self.client.query(all, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// `reruncount` of an instance.
    async fn reruns(&self, instance: &str) -> Option<i32> {
        let count = "select reruncount from public.flowstate where flowinstanceid = $1";
        let row = self.client.query_one(count, &[&instance]).await;
        row.unwrap().get(0)
    }

    async fn stop(self) {
        drop(self.stream);
        self.service.stop().await.unwrap();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the events' fields")]
fn moment(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos })
}

/// Instances that begin in one batch, one for each form that starts and ends have.
fn whole() -> Vec<Kind> {
    let full = |id: &str| FlowStarted {
        instance_id: id.into(),
        start_time: moment(1_000, 1_999),
        end_time: moment(1_000, 900_001_000),
        flow_name: Some("order".into()),
        status: Some("Created".into()),
        original_instance_id: Some(String::new()),
        parent_instance_id: Some("parent".into()),
        parent_flow_name: Some("parents".into()),
        flow_input: Some("{\"in\":\"ü\"}".into()),
        misc: Some("{}".into()),
    };
    let ended = |id: &str, seconds, nanos| FlowEnded {
        instance_id: id.into(),
        start_time: moment(1_000, 1_999),
        end_time: moment(seconds, nanos),
        status: Some("Completed".into()),
        flow_output: Some("{\"out\":1}".into()),
        flow_name: Some("another".into()),
    };
    let nothing = FlowEnded {
        status: None,
        flow_output: None,
        flow_name: None,
        ..ended("nothing said", 1_003, 0)
    };
    let empty = FlowStarted {
        flow_input: Some(bytes::Bytes::new()),
        misc: Some(bytes::Bytes::new()),
        flow_name: Some(String::new()),
        ..full("empty")
    };
    vec![
        start("start alone", 1_000),
        Kind::Started(full("full")),
        Kind::Started(full("whole")),
        Kind::Ended(ended("whole", 1_001, 7_123)),
        Kind::Ended(ended("end first", 1_000, 3_001)),
        Kind::Started(full("end first")),
        Kind::Started(full("at once")),
        Kind::Ended(ended("at once", 1_000, 1_999)),
        Kind::Started(full("backwards")),
        Kind::Ended(ended("backwards", 999, 5_000)),
        Kind::Started(full("nothing said")),
        Kind::Ended(nothing),
        Kind::Started(empty),
        Kind::Started(full("days")),
        Kind::Ended(ended("days", 1_000_000, 0)),
    ]
}

#[tokio::test]
async fn an_instance_that_begins_in_a_batch_gives_the_same_row_copied_and_staged() {
    let mut copied = Writer::start().await;
    let mut staged = Writer::start().await;
    let events = whole().len() as u64;
    assert_eq!(copied.write(false, whole()).await.recorded, events);
    assert_eq!(staged.write(true, whole()).await.recorded, events);

    let rows = copied.rows().await;
    assert_eq!(rows.len(), 9);
    assert_eq!(copied.copied().await, 9, "all of them are copied");
    assert_eq!(staged.copied().await, 0, "none of them is");
    assert_eq!(rows, staged.rows().await);
    let took = "select flowinstanceid || ' ' || executiontime from public.flowstate
        where executiontime is not null order by flowinstanceid collate \"C\"";
    let took = copied.client.query(took, &[]).await.unwrap();
    let took: Vec<&str> = took.iter().map(|row| row.get(0)).collect();
    let expected = [
        "at once 0.000",
        "backwards -999.997",
        "days 998999999.998",
        "end first 0.001",
        "nothing said 2999.998",
        "whole 1000.005",
    ];
    assert_eq!(took, expected);
    copied.stop().await;
    staged.stop().await;
}

#[tokio::test]
async fn what_is_told_of_a_copied_instance_later_is_merged() {
    let mut copied = Writer::start().await;
    let mut staged = Writer::start().await;
    let later = || {
        [
            end("start alone", Some(1_000), 1_004),
            end("whole", None, 1_009),
            start("full", 2_000),
        ]
    };
    for (writer, resent) in [(&mut copied, false), (&mut staged, true)] {
        writer.write(resent, whole()).await;
        let before = writer.copied().await;
        assert_eq!(before, if resent { 0 } else { 9 });
        assert_eq!(writer.write(resent, later()).await.recorded, 3);
    }
    assert_eq!(copied.rows().await, staged.rows().await);
    copied.stop().await;
    staged.stop().await;
}

/// Ends of instances that began in batches before.
#[tokio::test]
async fn ends_that_come_later_give_the_same_row_alone_and_staged() {
    let mut alone = Writer::start().await;
    let mut staged = Writer::start().await;
    let starts =
        || ["open", "also open", "earlier", "later", "other start"].map(|id| start(id, 1_000));
    let before = [
        end("earlier", Some(1_000), 1_009),
        end("later", Some(1_000), 1_002),
    ];
    let waited_for = || ["open", "also open"].map(|id| end(id, Some(1_000), 1_005));
    let odd = || {
        [
            end("earlier", Some(1_000), 1_005),
            end("later", Some(1_000), 1_005),
            end("other start", Some(1_001), 1_005),
            end("unknown", Some(1_000), 1_005),
        ]
    };
    for (writer, resent, expected) in [(&mut alone, false, 2), (&mut staged, true, 0)] {
        writer.write(resent, starts()).await;
        writer.write(true, before.clone()).await;
        let earlier = writer.copied().await;
        assert_eq!(writer.write(resent, waited_for()).await.recorded, 2);
        assert_eq!(writer.copied().await - earlier, expected);
        let ack = writer.write(resent, odd()).await;
        assert_eq!((ack.recorded, ack.superseded), (3, 1), "{ack:?}");
    }
    assert_eq!(alone.rows().await, staged.rows().await);
    alone.stop().await;
    staged.stop().await;
}

#[tokio::test]
async fn a_start_that_comes_again_is_superseded_and_changes_nothing() {
    let mut writer = Writer::start().await;
    let again = || [start("i", 1_000), end("i", Some(1_000), 1_002)];
    assert_eq!(writer.write(false, again()).await.recorded, 2);
    let rows = writer.rows().await;
    let ack = writer.write(false, [start("i", 1_000)]).await;
    assert_eq!((ack.recorded, ack.superseded), (0, 1), "{ack:?}");
    let ack = writer.write(false, again()).await;
    assert_eq!((ack.recorded, ack.superseded), (0, 2), "{ack:?}");
    assert_eq!(writer.rows().await, rows);
    writer.stop().await;
}

#[tokio::test]
async fn an_original_that_comes_after_its_rerun_counts_it() {
    let mut writer = Writer::start().await;
    let rerun = Kind::Started(FlowStarted {
        instance_id: "rerun".into(),
        start_time: time(2_000),
        original_instance_id: Some("original".into()),
        ..FlowStarted::default()
    });
    writer.write(false, [rerun]).await;
    let before = writer.copied().await;
    let ack = writer
        .write(false, [start("original", 1_000), start("other", 1_000)])
        .await;
    assert_eq!(ack.recorded, 2);
    assert_eq!(writer.copied().await - before, 2);
    assert_eq!(writer.reruns("original").await, Some(1));
    assert_eq!(writer.reruns("other").await, Some(0));
    writer.stop().await;
}

#[tokio::test]
async fn a_late_start_of_a_deleted_instance_is_not_copied() {
    let mut writer = Writer::start().await;
    let deleted = "insert into flowtrail.cuts (flowinstanceid, kind, fromstep, asked_at, cut_at)
        values ('i', 'deleted', 0, now(), now())";
    writer.client.batch_execute(deleted).await.unwrap();
    let ack = writer
        .write(false, [start("i", 1_000), start("j", 1_000)])
        .await;
    assert_eq!((ack.recorded, ack.superseded), (1, 1), "{ack:?}");
    let rows = writer.rows().await;
    assert!(rows.len() == 1 && rows[0].starts_with("(j,"), "{rows:?}");
    writer.stop().await;
}

#[tokio::test]
async fn instances_that_were_cut_or_are_awaited_keep_others_from_nothing() {
    let mut writer = Writer::start().await;
    writer.write(false, [start("before", 1_000)]).await;
    let marks = "insert into flowtrail.cuts (flowinstanceid, kind, fromstep, asked_at, cut_at)
        values ('cut', 'deleted', 0, now(), now());
        insert into flowtrail.reruns (original, rerun) values ('awaited', 'rerun')";
    writer.client.batch_execute(marks).await.unwrap();
    let mut copied = Vec::new();
    // the first one finds out that there are any
    for ids in [
        ["a", "b"],
        ["c", "d"],
        ["e", "awaited"],
        ["f", "cut"],
        ["g", "h"],
    ] {
        let before = writer.copied().await;
        writer.write(false, ids.map(|id| start(id, 1_000))).await;
        copied.push(writer.copied().await - before);
    }
    assert_eq!(copied, [0, 2, 2, 0, 2]);
    assert_eq!(writer.reruns("awaited").await, Some(1));
    writer.stop().await;
}
