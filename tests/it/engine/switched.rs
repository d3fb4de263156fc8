//! History of the app is switched off and on again while the engine runs.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use tokio_postgres::Client;

use super::{Engine, history};
use crate::support::{self, Program, Run};

/// A flow that takes [`TIME`].
const FLOW: &str = "dawdles";
const TIME: Duration = Duration::from_millis(1_500);
/// A decision is in force within this time.
const SECOND: Duration = Duration::from_secs(1);

/// When something was done: its begin and its end, in µs, and its end once more.
struct Done {
    from: i64,
    to: i64,
    at: Instant,
}

/// `flowtrail apps WHAT`.
async fn decide(program: &Program, what: &str) -> Done {
    let now = || {
        let time = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        i64::try_from(time.as_micros()).expect("µs")
    };
    let server = format!("http://{}", program.address);
    let words = [
        "apps", what, "parcels", "--user", "acme", "--server", &server,
    ];
    let from = now();
    let ended = Run::new(&words).end().await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let (to, at) = (now(), Instant::now());
    Done { from, to, at }
}

/// Steps that were recorded between two times, in µs.
async fn steps_between(client: &Client, from: i64, to: i64) -> i64 {
    let sql = "select count(*) from public.steps
      where extract(epoch from endtime) * 1000000 between $1::bigint and $2::bigint";
    client.query_one(sql, &[&from, &to]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_engine_stops_reporting_completes_what_it_began_and_goes_on() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let words = "--flows 100000 --concurrency 400 --rate 100 --metrics-every 100ms --scenario";
    let mut words: Vec<_> = words.split(' ').collect();
    words.push(FLOW);
    let mut engine = Engine::Newest
        .start("flowtrail", "acme", program.address, &words)
        .await;
    engine.progress(100).await;
    assert_eq!(engine.metric("skipped"), 0);
    let off = decide(&program, "disable").await;
    engine.progress(350).await;
    let on = decide(&program, "enable").await;
    engine.progress(450).await;
    engine.signal(Signal::TERM);
    let ended = engine.end().await;
    let done = ended.as_expected();
    assert_eq!(done["failed"], 0);
    assert!(done["metrics"]["skipped"].as_u64() > Some(1_000), "{done}");
    assert_eq!(
        (&done["metrics"]["dropped"], &done["metrics"]["rejected"]),
        (&0.into(), &0.into())
    );

    let client = database.client().await;
    let instances = history::instances(&client, "acme").await;
    let second = i64::try_from(SECOND.as_micros()).expect("µs");
    let meanwhile = off.to + second..on.from;
    assert!(
        meanwhile.end - meanwhile.start > second,
        "it was off for a while"
    );
    assert_eq!(
        steps_between(&client, meanwhile.start, meanwhile.end).await,
        0
    );
    let mut cut_short = 0;
    for (number, instance) in &instances {
        assert!(
            !meanwhile.contains(&instance.started),
            "{number}: {instance:?}"
        );
        assert!(
            instance.ended() && instance.gapless(),
            "{number}: {instance:?}"
        );
        cut_short += usize::from(!instance.complete(FLOW));
    }
    assert!(
        cut_short > 50,
        "{cut_short} instances were begun before and ended meanwhile"
    );

    // what ended later began after the decision was in force
    let after = on.at + SECOND + TIME + SECOND / 2;
    let later: Vec<_> = ended.flows().filter(|(at, _)| *at > after).collect();
    assert!(
        later.len() > 100,
        "{} flows were begun and ended after",
        later.len()
    );
    for (_, number) in later {
        let instance = instances.get(&number);
        assert!(
            instance.is_some_and(|it| it.complete(FLOW)),
            "{number}: {instance:?}"
        );
    }
    assert_eq!(program.terminate().await, Some(0));
}
