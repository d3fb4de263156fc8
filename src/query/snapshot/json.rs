//! The JSON form of a snapshot (contract, section 1.3), in the order of the engines' own service.
//! Lists and objects with nothing in them are left out.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::{Flow, Snapshot};

impl Snapshot {
    /// As one JSON document.
    pub fn to_json(&self) -> String {
        // texts, numbers and JSON that was read are JSON again
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, &self.main)?;
        map.serialize_entry("id", &self.id)?;
        if !self.queue.is_empty() {
            let items = self.queue.iter().map(|(&id, item)| Work {
                id,
                subflow: item.subflow,
                task: &item.task,
            });
            map.serialize_entry("workQueue", &List(items))?;
        }
        if !self.subflows.is_empty() {
            let subflows = self.subflows.iter().map(|(&id, subflow)| Called {
                id,
                flow: &subflow.flow,
                task: &subflow.task,
            });
            map.serialize_entry("subflows", &List(subflows))?;
        }
        map.end()
    }
}

/// What a flow and a subflow have in common.
fn fields<M: SerializeMap>(map: &mut M, flow: &Flow) -> Result<(), M::Error> {
    map.serialize_entry("flowURI", &flow.uri)?;
    map.serialize_entry("status", &flow.status)?;
    if !flow.attrs.is_empty() {
        map.serialize_entry("attrs", &flow.attrs)?;
    }
    if !flow.tasks.is_empty() {
        let tasks = flow.tasks.iter().map(|(id, &status)| Task { id, status });
        map.serialize_entry("tasks", &List(tasks))?;
    }
    if !flow.links.is_empty() {
        let links = flow.links.iter().map(|(&id, &status)| Link {
            id,
            again: id,
            status,
        });
        map.serialize_entry("links", &List(links))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Task<'a> {
    id: &'a str,
    status: i64,
}

#[derive(Serialize)]
struct Link {
    id: i64,
    #[serde(rename = "linkId")]
    again: i64,
    status: i64,
}

#[derive(Serialize)]
struct Work<'a> {
    id: i64,
    #[serde(rename = "subflowId")]
    subflow: i64,
    #[serde(rename = "taskId")]
    task: &'a str,
}

struct Called<'a> {
    id: i64,
    flow: &'a Flow,
    task: &'a str,
}

impl Serialize for Called<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, self.flow)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("subFlowId", &self.id)?;
        map.serialize_entry("taskId", self.task)?;
        map.end()
    }
}

/// A list that is made as it is written.
struct List<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for item in self.0.clone() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}
