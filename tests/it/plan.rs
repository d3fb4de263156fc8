//! Plans of reruns and snapshots over stored rows: those that the recorded traffic makes.

use std::fmt::Write;

use flowtrail::{
    pg,
    query::{Attempt, Error, History, Plan},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::{self, TestDatabase};

const ROWS: &str = include_str!("../fixtures/rows.jsonl");
/// Calls a subflow in step 3, which ends in step 5.
const ORDER: &str = "c30c853e25cfcefe2d2d4994eaa3b28a";
/// Runs two branches at once.
const PARALLEL: &str = "c40c853e25cfcefe2d2d4994eaa3b28a";

struct Stored {
    history: History,
    client: Client,
    _database: TestDatabase,
}

impl Stored {
    async fn new() -> Self {
        let database = support::database().await;
        let client = database.client().await;
        for line in ROWS.lines() {
            let mut row: Value = serde_json::from_str(line).unwrap();
            for column in ["misc", "stepdata", "flowinput", "flowoutput"] {
                if let Some(text) = row[column].as_str() {
                    let mut hex = String::from("\\x");
                    for byte in text.bytes() {
                        write!(hex, "{byte:02x}").unwrap();
                    }
                    row[column] = json!(hex);
                }
            }
            let table = row["table"].as_str().unwrap().to_owned();
            let insert = format!(
                "insert into public.{table} select * from jsonb_populate_record(null::public.{table}, $1::text::jsonb)"
            );
            client.execute(&insert, &[&row.to_string()]).await.unwrap();
        }
        let pool = pg::pool(&database.connector(), &database.options());
        Self {
            history: History::new(pool),
            client,
            _database: database,
        }
    }

    async fn plan(&self, id: &str, from: Option<u32>) -> Plan {
        let plan = self.history.plan(id, Attempt::Newest, from).await;
        plan.unwrap()
    }

    async fn snapshot(&self, id: &str, through: Option<u32>) -> Result<String, Error> {
        let snapshot = self.history.snapshot(id, Attempt::Newest, through).await?;
        Ok(snapshot.to_json())
    }

    async fn run(&self, statement: &str) {
        self.client.batch_execute(statement).await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_flow_is_started_with_its_stored_input() {
    let stored = Stored::new().await;
    let plan = stored.plan(ORDER, None).await;
    assert_eq!((plan.missing.len(), plan.warnings.len()), (0, 0));
    assert_eq!(plan.replaced_steps, 0);
    let request = plan.request().unwrap();
    assert_eq!(request.path, "/flow/start");
    let body: Value = serde_json::from_str(request.body.get()).unwrap();
    assert_eq!(body["flowUri"], "res://flow:order");
    assert_eq!(body["data"]["order"]["orderId"], "A-1001");

    // nothing but steps: the flow is known by its first one
    stored.run("delete from public.flowstate").await;
    let plan = stored.plan(ORDER, None).await;
    assert_eq!(plan.flow_uri, "res://flow:order");
    assert_eq!(plan.missing.len(), 1, "{:?}", plan.missing);
    assert!(plan.missing[0].starts_with("no input of the flow is stored"));
    assert!(plan.request().is_none());
}

#[tokio::test]
async fn an_engine_goes_on_from_the_state_before_the_step() {
    let stored = Stored::new().await;
    let plan = stored.plan(ORDER, Some(8)).await;
    assert!(plan.missing.is_empty(), "{:?}", plan.missing);
    assert_eq!(plan.task.as_deref(), Some("notify"));
    assert_eq!(plan.replaced_steps, 2);
    let replaced: Vec<_> = plan.replaced.iter().map(|step| step.id).collect();
    assert_eq!(replaced, [8, 9]);
    assert_eq!(
        plan.warnings,
        [
            "an engine that runs it again under its own id replaces 2 steps from step 8 on; this attempt stays readable"
        ]
    );
    let before = stored.snapshot(ORDER, Some(7)).await.unwrap();
    assert_eq!(plan.state.as_ref(), Some(&before));
    let request = plan.request().unwrap();
    assert_eq!(request.path, "/flow/restart");
    let body: Value = serde_json::from_str(request.body.get()).unwrap();
    let state: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(body, json!({"initialState": state, "data": {}}));
    assert_eq!(
        state["workQueue"],
        json!([{"id": 8, "subflowId": 0, "taskId": "notify"}])
    );
    assert_eq!(state["tasks"], json!([{"id": "notify", "status": 20}]));
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_with_what_to_do() {
    let stored = Stored::new().await;
    let missing = async |id: &str, from| {
        let plan = stored.plan(id, Some(from)).await;
        assert!(plan.request().is_none(), "{plan:?}");
        plan.missing
    };
    for from in [4, 5] {
        let missing = missing(ORDER, from).await;
        assert_eq!(
            missing,
            [format!(
                "step {from} lies within a subflow that task price called, and engines cannot go on \
                 inside one; go on from step 3, which calls it"
            )]
        );
    }
    assert_eq!(
        missing(ORDER, 6).await,
        [
            "step 6 takes what a subflow returned to task price, which is no part of the state; go on \
             from step 3, which calls it"
        ]
    );
    assert!(stored.plan(ORDER, Some(3)).await.request().is_some());
    assert_eq!(
        missing(ORDER, 99).await,
        ["step 99 is not stored; the last one before it is step 9"]
    );
    let parallel = stored.plan(PARALLEL, Some(3)).await;
    assert!(parallel.missing.is_empty(), "{:?}", parallel.missing);
    assert_eq!(parallel.task.as_deref(), Some("a"));

    stored
        .run("delete from public.steps where stepid in ('1', '2')")
        .await;
    assert_eq!(
        missing(ORDER, 8).await,
        ["steps 1 to 2 are not stored, so the state before step 8 is not known"]
    );
    stored
        .run("update public.steps set stepdata = '\\x01' where stepid = '7'")
        .await;
    let sentence = "the data of step 7 is not a Flogo engine's step: not JSON";
    for from in [7, 8] {
        let missing = missing(ORDER, from).await;
        assert!(missing[0].starts_with(sentence), "{missing:?}");
    }
    let error = stored.snapshot(ORDER, Some(7)).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable(_)), "{error}");
    assert!(error.to_string().starts_with(sentence), "{error}");
    stored.snapshot(ORDER, Some(6)).await.unwrap();
    stored
        .run("update public.steps set stepdata = null where stepid = '7'")
        .await;
    assert_eq!(missing(ORDER, 8).await, ["step 7 was stored without data"]);
}

#[tokio::test]
async fn a_question_about_nothing_is_answered_so() {
    let stored = Stored::new().await;
    let plan = async |id, from| {
        let plan = stored.history.plan(id, Attempt::Newest, from).await;
        plan.unwrap_err()
    };
    assert!(matches!(plan("none", None).await, Error::NotFound(_)));
    let error = plan(ORDER, Some(0)).await;
    assert!(error.to_string().starts_with("from_step is 0"), "{error}");
    let error = stored.snapshot("none", None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let all = stored
        .history
        .snapshot(ORDER, Attempt::Newest, Some(99))
        .await
        .unwrap();
    assert_eq!((all.last_step(), all.steps()), (Some(9), 10));
    stored
        .run("delete from public.steps where stepid < '3'")
        .await;
    let error = stored.snapshot(ORDER, Some(2)).await.unwrap_err();
    let expected = format!("no step up to step 2 of instance {ORDER} is stored");
    assert_eq!(error.to_string(), expected);
}
