//! A flow engine in little: a stack of work, tasks that end, iterate, fail or call, in flows that call
//! each other. Which of it happens is chosen by numbers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Snapshot;

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    flows: BTreeMap<i64, Flow>,
    queue: BTreeMap<i64, (i64, String)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Flow {
    status: i64,
    /// Which flow called it, and by which task.
    caller: Option<(i64, String)>,
    tasks: BTreeMap<String, i64>,
    links: BTreeMap<i64, i64>,
    attrs: BTreeMap<String, String>,
}

pub(super) fn seen(snapshot: &Snapshot) -> State {
    let flow = |flow: &super::Flow, caller| Flow {
        status: flow.status(),
        caller,
        tasks: flow.tasks().clone(),
        links: flow.links().clone(),
        attrs: flow
            .attrs()
            .iter()
            .filter(|(name, _)| !name.starts_with("_fctx."))
            .map(|(name, raw)| (name.clone(), raw.get().to_owned()))
            .collect(),
    };
    let mut flows = BTreeMap::from([(0, flow(snapshot.main(), None))]);
    for (&number, subflow) in snapshot.subflows() {
        let caller = Some((subflow.parent(), subflow.task().to_owned()));
        flows.insert(number, flow(subflow.flow(), caller));
    }
    let queue = snapshot.queue().iter();
    let queue = queue.map(|(&id, item)| (id, (item.subflow, item.task.clone())));
    State {
        flows,
        queue: queue.collect(),
    }
}

pub(super) struct Engine {
    choices: std::vec::IntoIter<u32>,
    tracked: bool,
    state: State,
    steps: i64,
    items: i64,
    subflows: i64,
    /// A step that follows whatever is chosen: the second half of a failure.
    next: Option<(Value, State)>,
}

const TASKS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl Engine {
    pub(super) fn new(choices: Vec<u32>, tracked: bool) -> Self {
        Self {
            choices: choices.into_iter(),
            tracked,
            state: State::default(),
            steps: 0,
            items: 0,
            subflows: 0,
            next: None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.clone()
    }

    /// The next step; none when there is nothing to do or nothing is chosen any more.
    pub(super) fn step(&mut self) -> Option<Value> {
        if let Some((step, state)) = self.next.take() {
            self.state = state;
            return Some(step);
        }
        if self.steps == 0 {
            let (mut changes, mut queue) = (json!({}), json!({}));
            self.begin(0, None, "a", &mut changes, &mut queue);
            return Some(self.posted(&changes, &queue));
        }
        let choice = self.choices.next()?;
        let (id, (flow, task)) = self.state.queue.pop_last()?;
        let mut changes = json!({ flow.to_string(): {
            "newFlow": false, "subflowId": 0, "taskId": task, "status": 0, "tasks": {}, "links": {}, "attrs": null } });
        let mut queue = json!({ id.to_string(): {"change": 2, "subflowId": 0, "taskId": task} });
        self.links(flow, choice, &mut changes);
        if choice % 3 == 0 {
            let name = format!("x{}", choice % 4);
            changes[flow.to_string()]["attrs"] = json!({ name.clone(): choice });
            let attrs = &mut self.flow(flow).attrs;
            attrs.insert(name, choice.to_string());
        }
        let waited = self.flow(flow).tasks[&task] == 30;
        match choice / 8 % 8 {
            0 | 1 if !waited && self.subflows < 6 => {
                self.set(flow, &task, 30, &mut changes);
                self.subflows += 1;
                let first = TASKS[choice as usize / 64 % TASKS.len()];
                let caller = Some((flow, task));
                self.begin(self.subflows, caller, first, &mut changes, &mut queue);
            }
            2 if !waited => {
                self.set(flow, &task, 20, &mut changes);
                self.push(flow, &task, &mut queue);
            }
            3 => {
                self.set(flow, &task, 100, &mut changes);
                if self.enter(flow, choice / 64, &mut changes, &mut queue) {
                    self.flow(flow).tasks.remove(&task);
                }
            }
            // what else is queued of a flow that failed would be run all the same
            4 if flow != 0 && self.flow(flow).tasks.len() == 1 => {
                self.set(flow, &task, 100, &mut changes);
                self.end(flow, 700, &mut changes);
                return Some(self.failed(flow, &changes, &queue));
            }
            _ => {
                changes[flow.to_string()]["tasks"][&task] = json!({"change": 2, "status": 40});
                self.flow(flow).tasks.remove(&task);
                for more in 0..choice / 64 % 3 {
                    self.enter(flow, choice / 256 + more, &mut changes, &mut queue);
                }
                if self.flow(flow).tasks.is_empty() {
                    self.end(flow, 500, &mut changes);
                    if let Some((parent, caller)) = self.leave(flow) {
                        self.push(parent, &caller, &mut queue);
                    }
                }
            }
        }
        Some(self.posted(&changes, &queue))
    }

    /// A failed subflow is told by a step of its own; the next one queues the task that called.
    fn failed(&mut self, flow: i64, changes: &Value, queue: &Value) -> Value {
        let first = self.posted(changes, queue);
        let caller = self.leave(flow);
        let told = self.state.clone();
        let mut queue = json!({});
        if let Some((parent, caller)) = caller {
            self.push(parent, &caller, &mut queue);
        }
        let second = self.posted(&json!({}), &queue);
        self.next = Some((second, std::mem::replace(&mut self.state, told)));
        first
    }

    fn flow(&mut self, flow: i64) -> &mut Flow {
        self.state.flows.get_mut(&flow).expect("a flow that runs")
    }

    fn begin(
        &mut self,
        number: i64,
        caller: Option<(i64, String)>,
        first: &str,
        changes: &mut Value,
        queue: &mut Value,
    ) {
        let mut attrs = json!({});
        if let (true, Some((parent, _))) = (self.tracked, &caller) {
            let number = if *parent == 0 {
                String::new()
            } else {
                format!("-{parent}")
            };
            attrs["_fctx.ParentFlowId"] = json!(format!("i{number}"));
        }
        changes[number.to_string()] = json!({"newFlow": true, "subflowId": number, "taskId": first, "status": 100,
            "attrs": attrs, "tasks": {}});
        let flow = Flow {
            status: 100,
            caller,
            ..Flow::default()
        };
        self.state.flows.insert(number, flow);
        self.set(number, first, 20, changes);
        self.push(number, first, queue);
    }

    fn set(&mut self, flow: i64, task: &str, status: i64, changes: &mut Value) {
        changes[flow.to_string()]["tasks"][task] = json!({"change": 1, "status": status});
        self.flow(flow).tasks.insert(task.to_owned(), status);
    }

    fn push(&mut self, flow: i64, task: &str, queue: &mut Value) {
        self.items += 1;
        queue[self.items.to_string()] = json!({"change": 0, "subflowId": 0, "taskId": task});
        let item = (flow, task.to_owned());
        self.state.queue.insert(self.items, item);
    }

    /// Begins a task of the flow that is not there and was not touched in this step.
    fn enter(&mut self, flow: i64, from: u32, changes: &mut Value, queue: &mut Value) -> bool {
        let touched = changes[flow.to_string()]["tasks"].clone();
        let mut names = TASKS.iter().cycle().skip(from as usize % 6).take(6);
        let running = self.flow(flow).tasks.clone();
        let free =
            names.find(|name| !running.contains_key(**name) && touched.get(**name).is_none());
        if let Some(name) = free {
            self.set(flow, name, 20, changes);
            self.push(flow, name, queue);
        }
        free.is_some()
    }

    fn links(&mut self, flow: i64, choice: u32, changes: &mut Value) {
        let id = i64::from(choice % 5);
        let change = choice / 5 % 3;
        let status = i64::from(choice / 15 % 4);
        changes[flow.to_string()]["links"][id.to_string()] =
            json!({"change": change, "status": status, "from": "", "to": ""});
        let links = &mut self.flow(flow).links;
        if change == 2 {
            links.remove(&id);
        } else {
            links.insert(id, status);
        }
    }

    fn end(&mut self, flow: i64, status: i64, changes: &mut Value) {
        changes[flow.to_string()]["status"] = json!(status);
        self.flow(flow).status = status;
    }

    /// Forgets a subflow that has ended; what called it.
    fn leave(&mut self, flow: i64) -> Option<(i64, String)> {
        if flow == 0 {
            return None;
        }
        self.state.flows.remove(&flow)?.caller
    }

    fn posted(&mut self, changes: &Value, queue: &Value) -> Value {
        let step =
            json!({"id": self.steps, "flowId": "i", "flowChanges": changes, "queueChanges": queue});
        self.steps += 1;
        step
    }
}
