//! What a rerun would take and do, without doing it.
//!
//! An engine starts a flow anew with its inputs, or goes on before a step with the state before it:
//! what its own tester service takes (`flow/tester` of the engine's source). What stands in the way is
//! told by [`findings`], pure, from that state and the step.

mod findings;

use bytes::Bytes;
use futures_util::{TryStreamExt, pin_mut};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Attempt, Error, History, Instance, Payload, Snapshot, Step, StepContent};
use findings::Findings;

/// Rows of replaced steps at most.
const REPLACED: u32 = 1_000;

/// What a rerun would take and do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The attempt to be rerun.
    pub instance: Instance,
    /// `res://flow:order`; empty when not known.
    pub flow_uri: String,
    /// Go on before this step; none for the whole flow.
    pub from: Option<u32>,
    /// The task that would run first; none for the whole flow.
    pub task: Option<String>,
    /// Inputs of the flow, or of that task as they were then: a JSON object.
    pub input: Option<Bytes>,
    /// The state to go on from: the snapshot after the step before, as JSON.
    pub state: Option<String>,
    /// Steps that a rerun in place would replace, at most 1,000.
    pub replaced: Vec<Step>,
    /// How many those are.
    pub replaced_steps: u32,
    /// Why it cannot work, each a sentence.
    pub missing: Vec<String>,
    /// What to know before doing it, each a sentence.
    pub warnings: Vec<String>,
}

/// What an engine's tester service is to be posted.
#[derive(Clone, Debug, Serialize)]
pub struct EngineRequest {
    /// `/flow/start` or `/flow/restart`.
    pub path: &'static str,
    /// A JSON object.
    pub body: Box<RawValue>,
}

impl Plan {
    /// The request that makes an engine do it, as a new instance; none when something is missing.
    pub fn request(&self) -> Option<EngineRequest> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Body<'a> {
            Start {
                #[serde(rename = "flowUri")]
                flow_uri: &'a str,
                data: &'a RawValue,
            },
            Restart {
                #[serde(rename = "initialState")]
                state: &'a RawValue,
                data: &'a RawValue,
            },
        }

        if !self.missing.is_empty() {
            return None;
        }
        let (path, body) = match &self.state {
            None => {
                let data = serde_json::from_slice(self.input.as_deref()?).ok()?;
                let flow_uri = &self.flow_uri;
                ("/flow/start", Body::Start { flow_uri, data })
            }
            Some(state) => {
                let state = serde_json::from_str(state).ok()?;
                let data = serde_json::from_str("{}").ok()?;
                ("/flow/restart", Body::Restart { state, data })
            }
        };
        let body = serde_json::value::to_raw_value(&body).ok()?;
        Some(EngineRequest { path, body })
    }

    fn take(&mut self, findings: Findings) {
        self.missing.extend(findings.missing);
        self.warnings.extend(findings.warnings);
    }
}

impl History {
    /// What a rerun of an attempt would take: of the whole flow, or from before step `from` on.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such attempt, [`Error::Invalid`] when `from` is 0,
    /// [`Error::Pending`], or when the database does not answer. What else stands in the way is in the plan.
    pub async fn plan(&self, id: &str, attempt: Attempt, from: Option<u32>) -> Result<Plan, Error> {
        if from == Some(0) {
            let problem = "is 0, at which the instance is created; leave it out for the whole flow";
            return Err(Error::invalid("from_step", problem));
        }
        let detail = self.detail(id, attempt).await?;
        let mut plan = Plan {
            flow_uri: flow_uri(&detail.instance.flow),
            instance: detail.instance,
            from,
            ..Plan::default()
        };
        plan.take(findings::ended(&plan.instance.status));
        match from {
            None => self.whole(&mut plan, id, attempt).await?,
            Some(from) => {
                self.before(&mut plan, id, attempt, from).await?;
                plan.replaced = self.steps(id, attempt, Some(from - 1), REPLACED).await?;
                plan.replaced_steps = match u32::try_from(plan.replaced.len()) {
                    Ok(few) if few < REPLACED => few,
                    _ => self.count_from(id, attempt, &plan.replaced).await?,
                };
                plan.take(findings::replaced(plan.replaced_steps, from));
            }
        }
        Ok(plan)
    }

    async fn whole(&self, plan: &mut Plan, id: &str, attempt: Attempt) -> Result<(), Error> {
        if let Some(first) = stored(self.step(id, attempt, 0).await)? {
            // what cannot be read is of no use here, and not needed
            if let Ok(Some(uri)) = first.flogo(|content| {
                let main = content.changes.get(&0);
                Ok(main.map(|change| change.flow_uri.clone().into_owned()))
            }) && !uri.is_empty()
            {
                plan.flow_uri = uri;
            }
        }
        plan.input = stored(self.payload(id, attempt, Payload::Input).await)?.flatten();
        plan.take(findings::whole(&plan.flow_uri, plan.input.as_deref()));
        Ok(())
    }

    async fn before(
        &self,
        plan: &mut Plan,
        id: &str,
        attempt: Attempt,
        from: u32,
    ) -> Result<(), Error> {
        let mut before = Snapshot::new(id);
        let steps = self.contents(id, attempt, None, Some(from - 1));
        pin_mut!(steps);
        while let Some(step) = steps.try_next().await? {
            if let Err(error) = step.flogo(|content| before.apply(content)) {
                plan.missing.push(error.to_string());
                return Ok(());
            }
        }
        before.name_flow(&plan.flow_uri);
        before.main().uri().clone_into(&mut plan.flow_uri);
        let Some(at) = stored(self.step(id, attempt, from).await)? else {
            let last = before.last_step().map_or_else(String::new, |last| {
                format!("; the last one before it is step {last}")
            });
            plan.missing
                .push(format!("step {from} is not stored{last}"));
            return Ok(());
        };
        let (findings, task, input) = match first(&at, &before) {
            Ok(first) => first,
            Err(error) => {
                plan.missing.push(error.to_string());
                return Ok(());
            }
        };
        plan.take(findings::state(&before, from));
        plan.take(findings);
        (plan.task, plan.input) = (task, input);
        plan.state = Some(before.to_json());
        Ok(())
    }

    /// Steps of the attempt from the first of `replaced` on.
    async fn count_from(
        &self,
        id: &str,
        attempt: Attempt,
        replaced: &[Step],
    ) -> Result<u32, Error> {
        let mut count = 0;
        let mut page = replaced.to_vec();
        while let Some(last) = page.last() {
            count += u32::try_from(page.len()).unwrap_or(REPLACED);
            page = self.steps(id, attempt, Some(last.id), REPLACED).await?;
        }
        Ok(count)
    }
}

/// What the step that would be run first tells.
type First = (Findings, Option<String>, Option<Bytes>);

fn first(step: &StepContent, before: &Snapshot) -> Result<First, Error> {
    step.flogo(|content| {
        let findings = findings::step(before, content);
        let task = findings::task(content).map(ToOwned::to_owned);
        let input = task.as_deref().and_then(|task| {
            let input = content.changes.get(&0)?.tasks.get(task)?.input.filled()?;
            Some(Bytes::copy_from_slice(input.get().as_bytes()))
        });
        Ok((findings, task, input))
    })
}

/// How engines name a flow of their app.
fn flow_uri(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    format!("res://flow:{name}")
}

fn stored<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_what_the_tester_of_an_engine_takes() {
        let mut plan = Plan {
            flow_uri: "res://flow:a".to_owned(),
            input: Some(Bytes::from_static(b"{\"n\": 1.0}")),
            ..Plan::default()
        };
        let json = |plan: &Plan| {
            let request = plan.request().expect("nothing is missing");
            (request.path, request.body.get().to_owned())
        };
        let start = r#"{"flowUri":"res://flow:a","data":{"n": 1.0}}"#;
        assert_eq!(json(&plan), ("/flow/start", start.to_owned()));
        plan.state = Some(Snapshot::new("i").to_json());
        let restart = r#"{"initialState":{"flowURI":"","status":0,"id":"i"},"data":{}}"#;
        assert_eq!(json(&plan), ("/flow/restart", restart.to_owned()));
        plan.missing.push("step 3 is not stored".to_owned());
        assert!(plan.request().is_none());
    }

    #[test]
    fn what_runs_first_is_read_with_its_input() {
        let step = |content: &'static str| StepContent {
            step: Step::default(),
            content: Bytes::from_static(content.as_bytes()),
        };
        let before = Snapshot::new("i");
        let (_, task, input) = first(
            &step(
                r#"{"id":1,"flowChanges":{"0":{"tasks":{"t":{"change":2,"status":40,"input":{"q": 5}}}}},
                    "queueChanges":{"1":{"change":2,"taskId":"t"},"2":{"taskId":"u"}}}"#,
            ),
            &before,
        )
        .expect("a step");
        assert_eq!(task.as_deref(), Some("t"));
        assert_eq!(input.as_deref(), Some(b"{\"q\": 5}".as_slice()));
        let error = first(&step("\u{1}"), &before).expect_err("no JSON");
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("the data of step 0 is not a Flogo engine's step: not JSON"),
            "{sentence}"
        );
    }
}
