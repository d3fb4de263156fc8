//! The REST face of the history: what the engines' own service answered, and where flowtrail answers
//! something else on purpose. `docs/flow-state.md` lists those differences; `differences` has a test
//! for each.

mod app_state;
mod differences;
mod extensions;
mod golden;
mod health;
mod manners;
mod recording;
mod wrong;

use flowtrail::app::Running;
use serde_json::Value;

use crate::{
    fixtures,
    support::{self, Answer, Rest, TestDatabase},
};

/// Tenant, app and version of the recorded traffic.
const USER: &str = "flogo";
const ORDERS: &str = "/v1/instances?app=orders&version=1.2.0";

/// A server, its database and a connection to it.
struct Face {
    database: TestDatabase,
    service: Running,
    rest: Rest,
}

impl Face {
    /// With nothing recorded.
    async fn empty() -> Self {
        Self::with(&[]).await
    }

    /// The same with flags.
    async fn with(flags: &[&str]) -> Self {
        let database = support::database().await;
        let service = support::serve(&database.url, flags).await;
        let rest = Rest::new(service.local_addr());
        Self {
            database,
            service,
            rest,
        }
    }

    /// With the recorded traffic in it.
    async fn recorded() -> Self {
        let face = Self::empty().await;
        fixtures::play(&face.service, &fixtures::lines(), 200).await;
        face
    }

    async fn sql(&self, statements: &str) {
        let client = self.database.client().await;
        client.batch_execute(statements).await.unwrap();
    }

    /// `GET path` for the tenant of the traffic.
    async fn get(&mut self, path: &str) -> Answer {
        self.get_as(Some(USER), path).await
    }

    async fn get_as(&mut self, user: Option<&str>, path: &str) -> Answer {
        let headers: Vec<_> = user.map(|user| ("username", user)).into_iter().collect();
        self.rest.request("GET", path, &headers, b"").await
    }

    /// The JSON of a 200.
    async fn json(&mut self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        json(&body)
    }

    /// Expects this status and an error in JSON; answers with its message.
    async fn refused(&mut self, status: u16, path: &str) -> String {
        let (found, headers, body) = self.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert_eq!(headers["content-type"], "application/json", "{path}");
        let error = json(&body);
        assert_eq!(error["code"], status, "{path}");
        error["message"].as_str().expect("a message").to_owned()
    }

    async fn end(self) {
        self.service.stop().await.unwrap();
    }
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// A step of the main flow as JSON that is no content of an engine but reads like one.
fn content(step: u32, task: &str, status: u32, attrs: &str) -> String {
    format!(
        r#"{{"id":{step},"flowId":"i","flowChanges":{{"0":{{"newFlow":false,"flowURI":"res://flow:f","subflowId":0,"taskId":"{task}","status":0,"attrs":{attrs},"tasks":{{"{task}":{{"change":1,"status":{status},"input":null}}}},"links":null,"returnData":null}}}},"starttime":"2026-01-01T00:00:0{step}Z","endtime":"2026-01-01T00:00:0{step}Z","rerun":false}}"#
    )
}

/// A statement that stores a step of the instance `i`.
fn row(step: u32, task: &str, status: &str, subflow: u32, content: &str) -> String {
    format!(
        "insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, rerun)
         values ('i', '{step}', '{task}', '{status}', timestamp '2026-01-01' + {step} * interval '1 s',
           timestamp '2026-01-01' + {step} * interval '1 s', convert_to('{content}', 'UTF8'), 'f', '{subflow}', false);"
    )
}

/// A statement that stores the instance `id` of the traffic's tenant, started `second` seconds into
/// the year.
fn instance(id: &str, second: u32, status: &str) -> String {
    format!(
        "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime,
           status, rerunofflowinstanceid, flowinput, reruncount)
         values ('{id}', '{USER}', 'orders', '1.2.0', 'f', 'vm', timestamp '2026-01-01' + {second} * interval '1 s',
           timestamp '2026-01-01' + {second} * interval '1 s', '{status}', '', '{{}}', 0);"
    )
}
