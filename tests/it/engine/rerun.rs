//! The engine runs an instance again from a step on, under its own id, with the state that the server
//! tells it: the rows are those of a flow that ran through, marked as run again, whoever recorded them.

use super::{
    Engine, expected,
    history::TEN,
    rows::{column, equal},
    stored::instances,
};
use crate::support::{self, Program, TestDatabase, count};

/// Where it begins again.
const STEP: usize = 4;

async fn run_and_rerun(database: &TestDatabase, program: &Program, recorder: &str) {
    let words = ["--scenario", TEN];
    let ended = Engine::Newest
        .run(recorder, recorder, program.address, &words)
        .await;
    ended.as_expected();
    let client = database.client().await;
    let id = "select flowinstanceid from public.flowstate where userid = $1";
    let id: String = client.query_one(id, &[&recorder]).await.unwrap().get(0);
    let place = format!("{id}@{STEP}");
    let words = ["--rerun", &place];
    let ended = Engine::Newest
        .run(recorder, recorder, program.address, &words)
        .await;
    ended.as_expected();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_of_an_instance_that_is_run_again() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    for recorder in ["rest", "flowtrail"] {
        run_and_rerun(&database, &program, recorder).await;
    }
    let client = database.client().await;
    let rest = instances(&client, "rest").await;
    let ours = instances(&client, "flowtrail").await;
    let ((key, rest), ours) = (rest.first_key_value().unwrap(), &ours[&(TEN.to_owned(), 0)]);
    equal(key, rest, ours);
    assert_eq!(column(&ours.flow, "status"), "Completed");
    assert_eq!(column(&ours.flow, "flowoutput"), r#"{"answer":0}"#);
    let names = ["flowname", "subflowid", "taskname", "status"];
    let steps = ours.steps.iter();
    let steps: Vec<_> = steps
        .map(|step| names.map(|name| column(step, name)))
        .collect();
    assert_eq!(steps, expected::steps(TEN, 0));
    for (number, step) in ours.steps.iter().enumerate() {
        assert_eq!(
            column(step, "rerun"),
            (number >= STEP).to_string(),
            "step {number}"
        );
    }
    let past = "select count(*) from flowtrail.past_steps";
    let past = usize::try_from(count(&database, past).await).expect("a count");
    assert_eq!(
        past,
        2 * (steps.len() - STEP),
        "what ran first, from that step on"
    );
    assert_eq!(program.terminate().await, Some(0));
}
