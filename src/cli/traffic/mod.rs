//! Recorded recorder traffic: what engines posted, read from JSON lines into events of streams.
//!
//! A line is `{"method","path","body"}`, one request to `/v1/instances/start`, `end`, `steps` or
//! `snapshot`. The whole input is read and checked before anything is sent, so it has to fit into
//! memory: about its size on disk.

mod events;

use std::{collections::HashMap, io::BufRead};

use anyhow::Context;
use bytes::Bytes;
use prost::Message;
use serde::Deserialize;

use super::Usage;
use crate::{
    event::{
        excerpt,
        flogo::{FlowState, Step},
    },
    proto::{Event, Hello, event::Kind},
};

/// Letters of a text of a file that an error shows.
const SHOWN: usize = 40;

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
            // what it has against a text holds the text
            let error = excerpt(&error.to_string(), 3 * SHOWN);
            format!("not a request {{\"method\",\"path\",\"body\"}} of three texts: {error}")
        })?;
        if request.method != "POST" {
            return Err(format!(
                "method: has to be POST, is {}",
                excerpt(&request.method, SHOWN)
            ));
        }
        let body = request.body;
        let read = match request.path.as_str() {
            "/v1/instances/start" => {
                FlowState::parse(&body).map(|state| self.flow(state, events::started))
            }
            "/v1/instances/end" => {
                FlowState::parse(&body).map(|state| self.flow(state, events::ended))
            }
            "/v1/instances/steps" => Step::parse(&body).map(|step| self.step(&step, &body)),
            "/v1/instances/snapshot" => {
                self.snapshots += 1;
                return Ok(());
            }
            other => {
                return Err(format!(
                    "path: has to be /v1/instances/start, end, steps or snapshot, is {}",
                    excerpt(other, SHOWN)
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
        state: FlowState<'_>,
        kind: fn(FlowState<'_>) -> Kind,
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

    fn step(&mut self, step: &Step<'_>, body: &str) -> (Kind, Result<usize, String>) {
        self.instance(&step.instance_id);
        let body = Bytes::copy_from_slice(body.as_bytes());
        (
            events::recorded(step, body),
            Err(step.instance_id.to_string()),
        )
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
                            "{name}:{}: flowId: no start or end of instance `{}` in the file says \
                             which app it is of; name it with --user and --app",
                            event.line,
                            excerpt(&id, SHOWN)
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
}
