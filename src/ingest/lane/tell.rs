//! What lanes tell after a commit, to whoever watches: which instances changed, and the contents of
//! the steps while somebody listens to them.
//!
//! It never waits: a broadcast overwrites what a slow listener has not read, and tells it so. Memory
//! is bounded by the number of entries times what one holds, and held only while somebody is slow:
//!
//! - names: [`NAMES`] entries of [`NAMES_BYTES`], 4 MiB;
//! - contents: [`CONTENTS`] entries of [`CONTENTS_BYTES`], 64 MiB, or of one step where that is
//!   larger. Nothing is copied: they are slices of the encoded rows of a chunk, which stay in memory
//!   as long as one of them does.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use tokio::sync::broadcast;

use super::batch::Batch;
use crate::{
    event::{Committed, CommittedStep},
    ingest::row,
};

/// Entries of instances' names that a listener may be behind.
const NAMES: usize = 64;
/// Bytes of an entry of names.
const NAMES_BYTES: usize = 64 << 10;
/// Bytes that a name takes besides its text: two pointers with lengths, two counts.
const NAME_OVERHEAD: usize = 48;
/// Entries of contents that a listener may be behind: what lanes write in four full batches.
const CONTENTS: usize = 64;
/// Bytes of rows whose contents make an entry.
const CONTENTS_BYTES: usize = 1 << 20;

/// Where lanes tell what they committed; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tell {
    /// The instances of each transaction; no contents. Nothing is sent while nobody has subscribed.
    pub names: broadcast::Sender<Arc<Committed>>,
    /// The steps of each transaction; no names. Nothing is sent while nobody has subscribed.
    pub contents: broadcast::Sender<Arc<Committed>>,
}

impl Default for Tell {
    fn default() -> Self {
        Self {
            names: broadcast::Sender::new(NAMES),
            contents: broadcast::Sender::new(CONTENTS),
        }
    }
}

impl Tell {
    /// Tells what of `batch` is stored now.
    pub(super) fn committed(&self, batch: &Batch) {
        let names = self.names.receiver_count() > 0;
        let contents = self.contents.receiver_count() > 0;
        if !names && !contents {
            return;
        }
        let mut known = Known::default();
        let (mut steps, mut bytes) = (Vec::new(), 0);
        let mut last = None;
        for (part, encoded) in batch.stored_steps() {
            let instance = row::instance(encoded);
            // The steps of an instance mostly follow each other.
            if !contents && last == Some(instance) {
                continue;
            }
            last = Some(instance);
            let instance = known.name(instance);
            let Some(content) = contents.then(|| row::content(encoded)).flatten() else {
                continue;
            };
            if bytes + encoded.len() > CONTENTS_BYTES && !steps.is_empty() {
                self.contents(std::mem::take(&mut steps));
                bytes = 0;
            }
            bytes += encoded.len();
            steps.push(CommittedStep {
                instance: Arc::clone(instance),
                app: part.app.clone(),
                content: part.steps.bytes.slice_ref(content),
            });
        }
        self.contents(steps);
        if names {
            for encoded in batch.stored_flows() {
                known.name(row::instance(encoded));
            }
            self.names(known);
        }
    }

    fn contents(&self, steps: Vec<CommittedStep>) {
        if !steps.is_empty() {
            let committed = Committed {
                instances: Vec::new(),
                steps,
            };
            // The last listener may have gone meanwhile.
            let _ = self.contents.send(Arc::new(committed));
        }
    }

    fn names(&self, known: Known<'_>) {
        let mut committed = Committed::default();
        let mut bytes = 0;
        for name in known.0.into_values() {
            bytes += name.len() + NAME_OVERHEAD;
            committed.instances.push(name);
            if bytes >= NAMES_BYTES {
                bytes = 0;
                let _ = self.names.send(Arc::new(std::mem::take(&mut committed)));
            }
        }
        if !committed.instances.is_empty() {
            let _ = self.names.send(Arc::new(committed));
        }
    }
}

/// The instances of a batch, each once.
#[derive(Default)]
struct Known<'a>(HashMap<&'a str, Arc<str>, RandomState>);

impl<'a> Known<'a> {
    fn name(&mut self, instance: &'a str) -> &Arc<str> {
        self.0.entry(instance).or_insert_with(|| instance.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{App, Micros, Step},
        ingest::{
            lane::batch::Fate,
            queue::{Budget, Mark, Part, Rows},
            ticket::{Outcome, ticket},
        },
    };

    /// A part of steps with these contents, one for each instance named.
    fn part(steps: &[(&str, &[u8])], app: Option<&Arc<App>>) -> Part {
        let (mut bytes, mut marks) = (Vec::new(), Vec::new());
        for (index, (instance, content)) in (0..).zip(steps) {
            let step = Step {
                instance,
                number: index,
                started_at: Micros::from_unix("start_time", 1_000, 0).expect("a time"),
                ended_at: None,
                task: None,
                status: None,
                flow: None,
                subflow: None,
                rerun: None,
                parent: None,
                content: Some(content),
                misc: None,
            };
            row::step(&mut bytes, &step);
            marks.push(Mark {
                end: bytes.len().try_into().expect("small"),
                index,
                complete_only: false,
            });
        }
        let permit = Budget::new(0).nothing();
        Part {
            steps: Rows {
                bytes: bytes.into(),
                marks,
            },
            flows: Rows::default(),
            reruns: false,
            resent: false,
            registration: None,
            app: app.cloned(),
            share: ticket(Outcome::default(), permit).0.share(),
        }
    }

    #[test]
    fn what_is_stored_is_told_with_its_app_and_each_instance_once() {
        let app = Arc::new(App {
            user: "acme".into(),
            app: "orders".into(),
        });
        let tell = Tell::default();
        let (mut names, mut contents) = (tell.names.subscribe(), tell.contents.subscribe());
        let mut batch = Batch::default();
        batch.push(part(&[("i", b"1"), ("j", b"2"), ("i", b"3")], Some(&app)));
        batch.push(part(&[("k", b"4")], None));
        batch.note(1, Fate::Superseded);
        tell.committed(&batch);

        let mut told = names.try_recv().expect("names").instances.clone();
        told.sort();
        assert_eq!(told, ["i".into(), "k".into()]);
        let told = contents.try_recv().expect("contents");
        let told: Vec<_> = told
            .steps
            .iter()
            .map(|s| (&*s.instance, &s.content[..], s.app.as_ref() == Some(&app)))
            .collect();
        let expected: [(&str, &[u8], bool); 3] =
            [("i", b"1", true), ("i", b"3", true), ("k", b"4", false)];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_entry_of_contents_is_at_most_a_mebibyte_or_one_step() {
        let tell = Tell::default();
        let mut contents = tell.contents.subscribe();
        let (half, whole) = (
            vec![b'h'; CONTENTS_BYTES / 2 - 200],
            vec![b'w'; CONTENTS_BYTES],
        );
        let mut batch = Batch::default();
        batch.push(part(&[("i", &half), ("i", &half), ("i", b"1")], None));
        batch.push(part(&[("i", b"2"), ("i", &whole), ("i", b"3")], None));
        tell.committed(&batch);
        let mut entries = Vec::new();
        while let Ok(entry) = contents.try_recv() {
            entries.push(entry.steps.len());
        }
        assert_eq!(entries, [4, 1, 1]);
    }

    #[test]
    fn names_come_in_entries_of_bounded_size() {
        let tell = Tell::default();
        let mut names = tell.names.subscribe();
        let ids: Vec<_> = (0..5_000).map(|n| format!("instance-{n}")).collect();
        let steps: Vec<_> = ids.iter().map(|id| (&**id, &b""[..])).collect();
        let mut batch = Batch::default();
        batch.push(part(&steps, None));
        tell.committed(&batch);
        let mut told = 0;
        while let Ok(entry) = names.try_recv() {
            let bytes = entry.instances.iter().map(|id| id.len()).sum::<usize>();
            assert!(bytes <= NAMES_BYTES, "{bytes}");
            told += entry.instances.len();
        }
        assert_eq!(told, ids.len());
    }
}
