//! Recorded recorder traffic: what engines posted, read from JSON lines into events of streams.
//!
//! A line is `{"method","path","body"}`, one request to `/v1/instances/start`, `end`, `steps` or
//! `snapshot`. The whole input is read and checked before anything is sent, so it has to fit into
//! memory: about its size on disk.

use std::{collections::HashMap, io::BufRead, ops::Not};

use anyhow::Context;
use bytes::Bytes;
use prost::Message;
use serde::Deserialize;

use super::Usage;
use crate::{
    event::flogo::{FlowState, Step, Time},
    proto::{Event, FlowEnded, FlowStarted, Hello, StepRecorded, event::Kind},
};

/// Everything one file holds.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Who reported, one stream each.
    pub streams: Vec<Hello>,
    /// The events of all streams in the order of the file.
    pub events: Vec<Recorded>,
    /// Every instance id, once.
    pub instances: Vec<String>,
    /// Snapshots in the file; flowtrail makes its own from the steps.
    pub snapshots: u64,
}

/// One event of a file.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Number of the line, from 1.
    pub line: u64,
    /// Index into [`Traffic::streams`].
    pub stream: usize,
    /// The encoded `flowtrail.v1.Event`.
    pub encoded: Bytes,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    body: String,
}

impl Traffic {
    /// Reads every line of `input`, which errors call `name`. A step belongs to the stream of its
    /// instance's start or end, wherever in the file that is, else to `fallback`.
    ///
    /// # Errors
    /// [`Usage`] naming file, line, field and remedy for a line that cannot be sent; other errors
    /// when the input cannot be read.
    pub fn read(name: &str, input: impl BufRead, fallback: Option<&Hello>) -> anyhow::Result<Self> {
        let mut reader = Reader::default();
        for (line, text) in (1..).zip(input.lines()) {
            let text = text.with_context(|| format!("{name}:{line}: cannot be read"))?;
            if text.trim_ascii().is_empty() {
                continue;
            }
            reader.line(line, &text).map_err(|problem| {
                Usage::error(format!(
                    "{name}:{line}: {problem}; correct or remove the line"
                ))
            })?;
        }
        reader.traffic(name, fallback)
    }
}

#[derive(Default)]
struct Reader {
    streams: Streams,
    /// The stream of an instance, known from its first start or end.
    instances: HashMap<String, Option<usize>>,
    ids: Vec<String>,
    events: Vec<Unassigned>,
    snapshots: u64,
}

/// An event; a step knows its instance, not its stream.
struct Unassigned {
    line: u64,
    stream: Result<usize, String>,
    encoded: Bytes,
}

#[derive(Default)]
struct Streams {
    hellos: Vec<Hello>,
    known: HashMap<[String; 4], usize>,
}

impl Streams {
    fn of(&mut self, hello: Hello) -> usize {
        let key = [
            hello.user.clone(),
            hello.app.clone(),
            hello.app_version.clone(),
            hello.host.clone(),
        ];
        *self.known.entry(key).or_insert_with(|| {
            self.hellos.push(hello);
            self.hellos.len() - 1
        })
    }
}

impl Reader {
    fn line(&mut self, line: u64, text: &str) -> Result<(), String> {
        let request: Request = serde_json::from_str(text).map_err(|error| {
            format!("not a request {{\"method\",\"path\",\"body\"}} of three texts: {error}")
        })?;
        if request.method != "POST" {
            return Err(format!("method: has to be POST, is {}", request.method));
        }
        let body = Bytes::from(request.body);
        let read = match request.path.as_str() {
            "/v1/instances/start" => FlowState::parse(&body).map(|state| self.flow(state, started)),
            "/v1/instances/end" => FlowState::parse(&body).map(|state| self.flow(state, ended)),
            "/v1/instances/steps" => Step::parse(&body).map(|step| self.step(step, body)),
            "/v1/instances/snapshot" => {
                self.snapshots += 1;
                return Ok(());
            }
            other => {
                return Err(format!(
                    "path: has to be /v1/instances/start, end, steps or snapshot, is {other}"
                ));
            }
        };
        let (kind, stream) = read.map_err(|invalid| format!("body: {invalid}"))?;
        self.events.push(Unassigned {
            line,
            stream,
            encoded: Event { kind: Some(kind) }.encode_to_vec().into(),
        });
        Ok(())
    }

    fn flow(
        &mut self,
        state: FlowState,
        kind: fn(FlowState) -> Kind,
    ) -> (Kind, Result<usize, String>) {
        let stream = self.streams.of(Hello {
            user: state.user.clone(),
            app: state.app.clone(),
            app_version: state.version.clone(),
            host: state.host.clone(),
            client: client(),
        });
        self.instance(&state.instance_id).get_or_insert(stream);
        (kind(state), Ok(stream))
    }

    fn step(&mut self, step: Step, body: Bytes) -> (Kind, Result<usize, String>) {
        self.instance(&step.instance_id);
        (recorded(&step, body), Err(step.instance_id))
    }

    fn instance(&mut self, id: &str) -> &mut Option<usize> {
        if !self.instances.contains_key(id) {
            self.ids.push(id.to_owned());
        }
        self.instances.entry(id.to_owned()).or_default()
    }

    fn traffic(mut self, name: &str, fallback: Option<&Hello>) -> anyhow::Result<Traffic> {
        let mut events = Vec::with_capacity(self.events.len());
        for event in self.events {
            let stream = match event.stream {
                Ok(stream) => stream,
                Err(id) => match (self.instances.get(&id).copied().flatten(), fallback) {
                    (Some(stream), _) => stream,
                    (None, Some(hello)) => self.streams.of(hello.clone()),
                    (None, None) => {
                        return Err(Usage::error(format!(
                            "{name}:{}: flowId: no start or end of instance `{id}` in the file says \
                             which app it is of; name it with --user and --app",
                            event.line
                        )));
                    }
                },
            };
            events.push(Recorded {
                line: event.line,
                stream,
                encoded: event.encoded,
            });
        }
        Ok(Traffic {
            streams: self.streams.hellos,
            events,
            instances: self.ids,
            snapshots: self.snapshots,
        })
    }
}

/// What a hello says of the client.
#[must_use]
pub fn client() -> String {
    concat!("flowtrail-cli/", env!("CARGO_PKG_VERSION")).to_owned()
}

fn started(state: FlowState) -> Kind {
    Kind::Started(FlowStarted {
        flow_input: Some(state.flow_input()),
        instance_id: state.instance_id,
        start_time: Some(timestamp(state.start_time)),
        end_time: Some(timestamp(state.end_time)),
        flow_name: Some(state.flow_name),
        status: Some(state.status),
        original_instance_id: Some(state.original_instance_id),
        parent_instance_id: None,
        parent_flow_name: None,
        misc: None,
    })
}

fn ended(state: FlowState) -> Kind {
    Kind::Ended(FlowEnded {
        instance_id: state.instance_id,
        // An end that does not say when its attempt began belongs to the newest one.
        start_time: state
            .start_time
            .is_zero()
            .not()
            .then(|| timestamp(state.start_time)),
        end_time: Some(timestamp(state.end_time)),
        status: Some(state.status),
        flow_output: state.outputs,
        flow_name: Some(state.flow_name),
    })
}

fn recorded(step: &Step, body: Bytes) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: step.instance_id.clone(),
        step_id: step.step_id,
        start_time: Some(timestamp(step.start_time)),
        end_time: Some(timestamp(step.end_time)),
        task_name: Some(step.task_name.clone()),
        status: Some(step.status.clone()),
        flow_name: Some(step.flow_name.clone()),
        subflow_id: Some(step.subflow_id.clone()),
        rerun: Some(step.rerun),
        parent_step_id: None,
        step_data: Some(body),
        misc: None,
    })
}

fn timestamp(time: Time) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.seconds,
        nanos: time.nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"method":"POST","path":"/v1/instances/start","body":"{\"flow_instance_id\":\"i\",\"user_id\":\"u\",\"app_name\":\"a\"}"}"#;
    const STEP: &str =
        r#"{"method":"POST","path":"/v1/instances/steps","body":"{\"flowId\":\"i\"}"}"#;
    const SNAPSHOT: &str = r#"{"method":"POST","path":"/v1/instances/snapshot","body":"x"}"#;

    fn read(text: &str, fallback: Option<&Hello>) -> anyhow::Result<Traffic> {
        Traffic::read("f", text.as_bytes(), fallback)
    }

    #[test]
    fn a_step_goes_with_the_start_of_its_instance_wherever_that_is() {
        let traffic = read(&format!("{STEP}\n\n{SNAPSHOT}\n{START}\n"), None).expect("traffic");
        let lines: Vec<_> = traffic.events.iter().map(|e| (e.line, e.stream)).collect();
        assert_eq!(lines, [(1, 0), (4, 0)]);
        assert_eq!(traffic.streams.len(), 1);
        assert_eq!(traffic.streams[0].app, "a");
        assert_eq!(traffic.instances, ["i"]);
        assert_eq!(traffic.snapshots, 1);
    }

    #[test]
    fn a_step_of_an_unknown_instance_goes_to_the_app_that_was_named() {
        let hello = Hello {
            user: "v".into(),
            ..Hello::default()
        };
        let traffic = read(STEP, Some(&hello)).expect("traffic");
        assert_eq!(traffic.streams, [hello]);
        let error = read(STEP, None).expect_err("nobody knows its app");
        assert!(
            error.to_string().starts_with("f:1: flowId: no start"),
            "{error}"
        );
        assert!(error.is::<Usage>());
    }

    #[test]
    fn a_line_that_cannot_be_sent_is_named_with_its_field() {
        let check = |line: &str, expected: &str| {
            let error = read(&format!("{START}\n{line}"), None).expect_err(line);
            assert!(error.is::<Usage>());
            assert!(error.to_string().starts_with(expected), "{line}: {error}");
        };
        check("x", "f:2: not a request");
        check(r#"{"method":"POST","path":"/x"}"#, "f:2: not a request");
        check(
            r#"{"method":"GET","path":"","body":""}"#,
            "f:2: method: has",
        );
        check(
            r#"{"method":"POST","path":"/x","body":""}"#,
            "f:2: path: has",
        );
        check(
            r#"{"method":"POST","path":"/v1/instances/end","body":"{\"user_id\":1}"}"#,
            "f:2: body: user_id: has to be a text, is 1",
        );
    }

    #[test]
    fn an_end_without_a_start_time_names_no_attempt() {
        let state = FlowState::parse(&Bytes::from_static(b"{}")).expect("a state");
        let Kind::Ended(end) = ended(state) else {
            unreachable!("an end makes an end")
        };
        assert_eq!(end.start_time, None);
        assert!(end.end_time.is_some());
    }
}
