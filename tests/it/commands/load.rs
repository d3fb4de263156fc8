//! `flowtrail load` against real servers: what it sends and what it says of it.

mod failures;

use std::{collections::HashSet, net::SocketAddr};

use flowtrail::app::Running;
use serde_json::Value;

use crate::support::{self, Run, TestDatabase, count, eventually, http};

struct Served {
    database: TestDatabase,
    running: Running,
    url: String,
}

impl Served {
    async fn new() -> Self {
        Self::on(support::database().await).await
    }

    async fn on(database: TestDatabase) -> Self {
        let running = support::serve(&database.url, &[]).await;
        let url = format!("http://{}", running.local_addr());
        Self {
            database,
            running,
            url,
        }
    }

    fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    /// A load on this server.
    fn run(&self, words: &[&str]) -> Run {
        let servers = ["--server", &self.url, "--database-url", &self.database.url];
        Run::new(&[&["load", "--output", "json"], &servers[..], words].concat())
    }

    /// What a load says that had to go well, its rows counted.
    async fn report(&self, words: &[&str]) -> Value {
        let out = self
            .run(&[words, &["--verify"]].concat())
            .end()
            .await
            .done();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    async fn count(&self, query: &str) -> u64 {
        count(&self.database, query)
            .await
            .try_into()
            .expect("a count")
    }

    /// Contents of all steps.
    async fn contents(&self) -> Vec<Vec<u8>> {
        let client = self.database.client().await;
        let rows = client.query("select stepdata from public.steps", &[]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The state of some instances after their last step can be read.
    async fn snapshots_can_be_read(&self) {
        let client = self.database.client().await;
        let some = "select distinct on (flowname) flowinstanceid from public.flowstate
            where status <> 'Created'";
        let rows = client.query(some, &[]).await.unwrap();
        assert!(!rows.is_empty(), "a flow has ended");
        for row in rows {
            let path = format!("/v1/instances/{}/snapshot", row.get::<_, &str>(0));
            let (status, body) = http(self.address(), &path).await.expect("an answer");
            assert_eq!(status, 200, "{path}: {body}");
        }
    }

    async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}

#[track_caller]
fn number(report: &Value, name: &str) -> f64 {
    let figure = report[name].as_f64();
    figure.unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[track_caller]
fn whole(report: &Value, name: &str) -> u64 {
    let figure = report[name].as_u64();
    figure.unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// Whether PostgreSQL runs where its processes can be seen.
async fn postgres_is_here(database: &TestDatabase) -> bool {
    let client = database.client().await;
    let row = client.query_one("select pg_backend_pid()", &[]).await;
    let backend: i32 = row.unwrap().get(0);
    std::fs::read_to_string(format!("/proc/{backend}/comm")).is_ok_and(|name| name == "postgres\n")
}

async fn every_event_is_recorded_and_every_figure_is_there(words: &[&str], events: u64) {
    let served = Served::new().await;
    let report = served.report(words).await;
    assert_eq!(whole(&report, "events"), events);
    assert_eq!(whole(&report, "recorded"), events);
    for none in ["skipped", "superseded", "refused"] {
        assert_eq!(whole(&report, none), 0, "{none}");
    }
    let flows = served.count("select count(*) from public.flowstate").await;
    let steps = served.count("select count(*) from public.steps").await;
    let ended = "select count(*) from public.flowstate where status <> 'Created'";
    assert_eq!(whole(&report, "flowstate_rows"), flows);
    assert_eq!(whole(&report, "steps_rows"), steps);
    assert_eq!(flows + steps + served.count(ended).await, events);
    let suffix = report["instances_end_in"].as_str().expect("a text");
    let of_run = format!(
        "select count(*) from public.flowstate where flowinstanceid ~ '^[0-9a-f]{{16}}{suffix}$'
         and userid = 'load' and appname = 'load'"
    );
    assert_eq!(served.count(&of_run).await, flows);

    let seconds = number(&report, "seconds");
    let rate = number(&report, "events_per_second");
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let expected = events as f64 / seconds;
    assert!((rate / expected - 1.0).abs() < 0.05, "{report}");
    let waits = ["ack_p50_ms", "ack_p95_ms", "ack_p99_ms", "ack_max_ms"];
    let waits = waits.map(|name| number(&report, name));
    assert!(waits[0] > 0.0 && waits.is_sorted(), "{waits:?}");
    assert!(waits[3] <= seconds * 1e3, "{report}");
    for some in ["megabytes_per_second", "server_memory_megabytes"] {
        assert!(number(&report, some) > 0.0, "{some}");
    }
    for time in [
        "server_cpu_seconds",
        "server_cpu_us_per_event",
        "client_cpu_seconds",
    ] {
        assert!(number(&report, time) >= 0.0, "{time}");
    }
    let postgres = report["postgres_cpu_seconds"].is_number();
    assert_eq!(postgres, postgres_is_here(&served.database).await);
    served.snapshots_can_be_read().await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_grpc_every_event_is_recorded_and_every_figure_is_there() {
    every_event_is_recorded_and_every_figure_is_there(&["--events", "5000"], 5_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_rest_every_event_is_recorded_and_every_figure_is_there() {
    let words = [
        "--protocol",
        "rest",
        "--connections",
        "4",
        "--events",
        "700",
    ];
    every_event_is_recorded_and_every_figure_is_there(&words, 700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_left_out_of_the_table_and_null_in_json() {
    let served = Served::new().await;
    let words = [
        "load",
        "--server",
        &served.url,
        "--events",
        "100",
        "--connections",
        "1",
    ];
    let table = Run::new(&words).end().await.done();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[..4],
        [
            ["FIGURE", "VALUE"],
            ["protocol", "grpc"],
            ["connections", "1"],
            ["events", "100"]
        ]
    );
    assert!(
        !table.contains("rows") && !table.contains("postgres"),
        "{table}"
    );
    let json = Run::new(&[&words[..], &["--output", "json"]].concat())
        .end()
        .await
        .done();
    let report: Value = serde_json::from_str(&json).unwrap();
    for unknown in ["postgres_cpu_seconds", "flowstate_rows", "steps_rows"] {
        assert_eq!(report.get(unknown), Some(&Value::Null), "{unknown}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_json_of_the_size_asked_for_and_no_two_are_the_same() {
    for (size, bytes) in [
        ("recorded", 400..1_200),
        ("4k", 3_500..4_600),
        ("32k", 30_000..35_000),
    ] {
        let served = Served::new().await;
        let words = ["--payload", size, "--events", "300", "--prepare"];
        served.report(&words).await;
        let contents = served.contents().await;
        let different: HashSet<&[u8]> = contents.iter().map(|content| &content[..]).collect();
        assert_eq!(different.len(), contents.len());
        let sum: usize = contents.iter().map(Vec::len).sum();
        assert!(
            bytes.contains(&(sum / contents.len())),
            "{size}: {sum} of {}",
            contents.len()
        );
        for content in &contents {
            serde_json::from_slice::<Value>(content).expect("JSON");
        }
        if size == "32k" {
            let share =
                "select (sum(length(stepdata)) * 100 / sum(pg_column_size(stepdata)))::bigint
                from public.steps";
            let percent = served.count(share).await;
            assert!(
                (200..=600).contains(&percent),
                "compresses to a third: {percent}"
            );
        }
        served.snapshots_can_be_read().await;
        served.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_flows_have_their_steps() {
    let served = Served::new().await;
    let words = [
        "--long-flows",
        "100%",
        "--long-steps",
        "50",
        "--connections",
        "1",
        "--events",
        "1040",
    ];
    let report = served.report(&words).await;
    assert_eq!(
        (
            whole(&report, "flowstate_rows"),
            whole(&report, "steps_rows")
        ),
        (20, 1_000)
    );
    let lengths = "select count(*) from (select from public.steps group by flowinstanceid
        having count(*) = 50 and max(stepid::integer) = 49) s";
    assert_eq!(served.count(lengths).await, 20);
    served.snapshots_can_be_read().await;

    let words = ["--steps-only", "--events", "100"];
    let report = served.report(&words).await;
    assert_eq!(
        (
            whole(&report, "flowstate_rows"),
            whole(&report, "steps_rows")
        ),
        (0, 100)
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reruns_name_an_original_of_the_run_and_it_counts_them() {
    for protocol in ["grpc", "rest"] {
        let served = Served::new().await;
        let words = [
            "--reruns",
            "50%",
            "--events",
            "1000",
            "--connections",
            "2",
            "--protocol",
            protocol,
        ];
        served.report(&words).await;
        let reruns = "select count(*) from public.flowstate r join public.flowstate o
            on r.rerunofflowinstanceid = o.flowinstanceid and o.flowinstanceid <> r.flowinstanceid";
        let reruns = served.count(reruns).await;
        let named = "select count(*) from public.flowstate where rerunofflowinstanceid <> ''";
        assert_eq!(served.count(named).await, reruns);
        assert!(reruns > 20, "{reruns} reruns");
        eventually("originals count their reruns", async || {
            served
                .count("select sum(reruncount) from public.flowstate")
                .await
                == reruns
        })
        .await;
        served.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twice_is_stored_once() {
    let served = Served::new().await;
    let words = [
        "--resends",
        "50%",
        "--events",
        "3000",
        "--chunk-events",
        "50",
    ];
    let report = served.report(&words).await;
    let superseded = whole(&report, "superseded");
    assert!(superseded > 0, "{report}");
    assert_eq!(whole(&report, "recorded"), 3_000);
    assert_eq!(whole(&report, "events"), 3_000 + superseded);

    let words = ["--protocol", "rest", "--resends", "100%", "--events", "200"];
    let report = served.report(&words).await;
    assert_eq!(whole(&report, "events"), 400);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_rate_and_a_time_ends_by_itself() {
    let served = Served::new().await;
    for protocol in ["grpc", "rest"] {
        let words = [
            "--rate",
            "40",
            "--duration",
            "1s",
            "--connections",
            "2",
            "--protocol",
            protocol,
        ];
        let report = served.report(&words).await;
        let events = whole(&report, "events");
        assert!(
            (1..=40).contains(&events),
            "{protocol}: {events} events in a second"
        );
    }
    served.stop().await;
}
