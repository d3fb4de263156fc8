//! How `flowtrail load` fails.

use serde_json::Value;

use super::{Served, whole};
use crate::support::{self, Program, Run, count, eventually};

#[tokio::test]
async fn a_load_that_is_called_wrongly_names_the_option_and_the_remedy() {
    let nobody = support::free_address();
    let (grpc, rest) = (
        format!("http://{nobody}"),
        format!("--server http://{nobody}"),
    );
    let payload = Run::new(&["load", "--payload", "x"]).end().await;
    assert_eq!((payload.status, &*payload.out), (Some(2), ""));
    for part in ["--payload", "`x` is not a size", "like 0.5k, 4k or 32k"] {
        assert!(payload.err.contains(part), "no {part} in {}", payload.err);
    }
    let prepare = Run::new(&["load", "--prepare"]).end().await;
    assert_eq!(prepare.status, Some(2));
    assert!(prepare.err.contains("--events <N>"), "{}", prepare.err);
    let https = [
        "load",
        "--protocol",
        "rest",
        "--url",
        "https://localhost:9190",
    ];
    let path = [
        "load",
        "--protocol",
        "rest",
        "--url",
        "http://localhost:9190/v1",
    ];
    for (words, status, parts) in [
        (
            &https[..],
            2,
            ["--url https://localhost:9190", "http://host:9190"],
        ),
        (
            &path,
            2,
            ["--url http://localhost:9190/v1", "http://host:9190"],
        ),
        (
            &["load", "--url", "http://localhost:9190"],
            2,
            ["--url", "--server"],
        ),
        (&["load", "--verify"], 2, ["--verify", "--database-url"]),
        (
            &["load", "--prepare", "--events", "9", "--protocol", "rest"],
            2,
            ["--prepare", "leave it out"],
        ),
        (
            &["load", "--server", &grpc],
            1,
            [&grpc, "is `flowtrail serve` running there?"],
        ),
        (
            &["load", "--server", &grpc, "--protocol", "rest"],
            1,
            [&rest, "is the server running?"],
        ),
    ] {
        Run::new(words).end().await.failed(status, &parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_app_that_is_switched_off_are_skipped_and_cannot_be_verified() {
    let database = support::database().await;
    let off = "insert into public.appstate (userid, appname, persistenceenabled)
        values ('load', 'load', false)";
    database.client().await.batch_execute(off).await.unwrap();
    let served = Served::on(database).await;
    let ended = served.run(&["--events", "500"]).end().await;
    let remedy = "`flowtrail apps enable load --user load`";
    assert!(
        ended.err.contains("skipped: 500 of 500 events"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(remedy), "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.done()).unwrap();
    assert_eq!(
        (whole(&report, "recorded"), whole(&report, "skipped")),
        (0, 500)
    );

    let words = ["--events", "500", "--verify"];
    served
        .run(&words)
        .end()
        .await
        .failed(1, &["skipped: 500", remedy]);
    let rest = [&words[..], &["--protocol", "rest"]].concat();
    served
        .run(&rest)
        .end()
        .await
        .failed(1, &["the tables have 0 rows", "is the app switched on?"]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_refused_are_counted_and_are_a_failure() {
    let served = Served::new().await;
    let odd = "alter table public.steps add constraint odd check (stepid <> '2')";
    served
        .database
        .client()
        .await
        .batch_execute(odd)
        .await
        .unwrap();
    for (protocol, connections) in [("grpc", "1"), ("rest", "4")] {
        let words = [
            "--events",
            "20",
            "--connections",
            connections,
            "--protocol",
            protocol,
            "--verify",
        ];
        let ended = served.run(&words).end().await;
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let refused = whole(&report, "refused");
        assert!((1..20).contains(&refused), "{report}");
        assert_eq!(whole(&report, "recorded") + refused, 20);
        ended.failed(1, &[&format!("events refused: {refused} of 20"), "log"]);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_middle_ends_the_run_with_one_line() {
    for protocol in ["grpc", "rest"] {
        let database = support::database().await;
        let mut server = Program::serve(&["--database-url", &database.url]).await;
        let url = format!("http://{}", server.address);
        let words = [
            "load",
            "--output",
            "json",
            "--rate",
            "2000",
            "--unanswered",
            "1",
            "--duration",
            "60s",
            "--connections",
            "4",
            "--protocol",
            protocol,
            "--server",
            &url,
        ];
        // four chunks of 50 at most are not answered
        let dying = async {
            eventually("events are stored", async || {
                count(&database, "select count(*) from public.steps").await > 200
            })
            .await;
            server.kill9();
        };
        let (ended, ()) = tokio::join!(Run::new(&words).end(), dying);
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        assert!(whole(&report, "events") > 0, "{report}");
        ended.failed(1, &[]);
    }
}
