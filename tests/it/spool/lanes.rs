//! Lanes that join and leave, and what the spool makes of it.

use flowtrail::{
    ingest::queue::lane_of,
    proto::{Durability, StepRecorded, event::Kind},
};

use super::{emptied, expect, program, readiness, steps};
use crate::support::{
    self, BIG, Cluster, DataDir, Load, Program, Stream, eventually, hello, metric, step, verify,
};

/// Lanes among which new events are spread.
async fn taking(program: &Program) -> usize {
    metric(program.address, "flowtrail_ingest_lanes_taking").await
}

/// Writes a step at a time until one lane takes them all.
async fn light(program: &Program, instance: &str) {
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    let mut number = 0;
    while taking(program).await > 1 {
        assert!(number < 1_000, "that many are light");
        stream.chunk([step(instance, number)]).await;
        expect(&stream.ack().await, Durability::Committed, 1);
        number += 1;
    }
    stream.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_load_is_left_to_one_lane_and_a_heavy_one_is_not() {
    let database = support::database().await;
    let flags = ["--database-url", &database.url, "--lanes", "4"];
    let mut program = Program::serve(&[&flags[..], &["--no-spool"]].concat()).await;
    assert_eq!(taking(&program).await, 4);
    light(&program, "before").await;
    let load = Load::start(program.address, "heavy", 8, BIG).await;
    eventually("all lanes", async || taking(&program).await == 4).await;
    load.progress(20).await;
    let ledgers = load.finish().await;
    light(&program, "after").await;
    verify(&database.client().await, &ledgers).await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_instances_went_to_another_while_the_database_was_away_is_well_again() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &["--lanes", "2"]).await;
    // it is the second lane's as soon as there are two
    let mut names = (0..).map(|number| format!("i{number}"));
    let instance = names
        .find(|name| lane_of(name, 2) == 1)
        .expect("one of many");
    light(&running, &instance).await;

    cluster.stop().await;
    let (mut stream, _) = Stream::greet(running.address, hello("orders")).await;
    stream.chunk([step(&instance, 1_000)]).await;
    let down = async || readiness(running.address).await.1["database"] != "up";
    eventually("a lane is in trouble", down).await;
    for number in 1_001..1_010 {
        let large = Kind::Step(StepRecorded {
            instance_id: instance.clone(),
            step_id: number,
            start_time: support::time(1_000),
            step_data: Some(vec![b'x'; 200_000].into()),
            ..StepRecorded::default()
        });
        stream.chunk([large]).await;
    }
    eventually("another lane takes them", async || {
        taking(&running).await == 2
    })
    .await;
    let mut spooled = 0;
    while spooled < 10 {
        let ack = stream.ack().await;
        spooled += ack.recorded;
        expect(&ack, Durability::Spooled, ack.recorded);
    }
    drop(stream);

    cluster.start_again().await;
    emptied(running.address).await;
    // without another event
    let up = async || readiness(running.address).await.1["database"] == "up";
    eventually("no lane is in trouble", up).await;
    let stored = steps(&support::connect(&url).await, &instance).await;
    assert!(
        stored.ends_with(&(1_000..1_010).collect::<Vec<_>>()),
        "{stored:?}"
    );
    assert_eq!(running.terminate().await, Some(0));
}
