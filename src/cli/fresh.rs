//! Recorded events under new instance ids.
//!
//! Ids also stand inside payloads. A fresh id has the length of the one it replaces, so an encoded
//! event keeps its shape and only the bytes of the ids change.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Usage, traffic::Traffic};

/// Length of an instance id that can be replaced: a UUID without dashes.
const ID: usize = 32;

/// Where the ids stand in every event of a [`Traffic`].
#[derive(Debug)]
pub struct Fresh {
    ids: usize,
    /// Per event: offset and number of the id.
    places: Vec<Vec<(usize, usize)>>,
}

/// One set of fresh ids.
#[derive(Debug)]
pub struct Ids(Vec<[u8; ID]>);

impl Fresh {
    /// Finds every instance id of `traffic` in its events.
    ///
    /// # Errors
    /// [`Usage`] when an id has not the length of a fresh one.
    pub fn new(traffic: &Traffic) -> anyhow::Result<Self> {
        let numbers: HashMap<&[u8], usize> = traffic
            .instances
            .iter()
            .enumerate()
            .map(|(number, id)| (id.as_bytes(), number))
            .collect();
        if let Some(id) = traffic.instances.iter().find(|id| id.len() != ID) {
            return Err(Usage::error(format!(
                "--fresh-ids replaces ids of {ID} characters and `{id}` has {}; leave it out",
                id.len()
            )));
        }
        let places = traffic
            .events
            .iter()
            .map(|event| places(&event.encoded, &numbers));
        Ok(Self {
            ids: traffic.instances.len(),
            places: places.collect(),
        })
    }

    /// A fresh id for every instance.
    pub fn ids(&self) -> Ids {
        let fresh = || {
            let mut id = [0; ID];
            uuid::Uuid::new_v4().simple().encode_lower(&mut id);
            id
        };
        Ids(std::iter::repeat_with(fresh).take(self.ids).collect())
    }

    /// The event with this number, `encoded` with the ids replaced.
    pub fn event(&self, number: usize, encoded: &Bytes, ids: &Ids) -> Bytes {
        let mut event = encoded.to_vec();
        for &(offset, id) in &self.places[number] {
            event[offset..offset + ID].copy_from_slice(&ids.0[id]);
        }
        event.into()
    }
}

fn places(encoded: &[u8], numbers: &HashMap<&[u8], usize>) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(window) = encoded.get(at..at + ID) {
        at += match numbers.get(window) {
            Some(&number) => {
                places.push((at, number));
                ID
            }
            None => 1,
        };
    }
    places
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::{Event, event::Kind};

    #[test]
    fn every_occurrence_of_an_id_is_replaced_and_nothing_else() {
        let file = include_str!("../../demo/recorder-traffic.jsonl");
        let traffic = Traffic::read("demo", file.as_bytes(), None).expect("traffic");
        let fresh = Fresh::new(&traffic).expect("ids of 32 characters");
        let ids = fresh.ids();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for (number, event) in traffic.events.iter().enumerate() {
            let renewed = fresh.event(number, &event.encoded, &ids);
            let mut expected = text(&event.encoded);
            for (old, new) in traffic.instances.iter().zip(&ids.0) {
                expected = expected.replace(old, &text(new));
            }
            assert_eq!(text(&renewed), expected);
            let Some(Kind::Step(step)) = Event::decode(renewed).expect("an event").kind else {
                continue;
            };
            let body: serde_json::Value =
                serde_json::from_slice(&step.step_data.expect("a body")).expect("JSON");
            assert_eq!(body["flowId"], step.instance_id);
        }
    }

    #[test]
    fn an_id_of_another_length_cannot_be_replaced() {
        let traffic = Traffic {
            instances: vec!["short".to_owned()],
            ..Traffic::default()
        };
        let error = Fresh::new(&traffic).expect_err("too short");
        assert!(error.is::<Usage>(), "{error}");
    }
}
