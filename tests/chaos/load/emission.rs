//! The order in which a client sends its events, cut into chunks: families overlap, chunks are of
//! one event or of many.

use std::sync::Arc;

use super::story::{Family, Instance, Teller, What};
use crate::support::Chance;

/// Families a client tells of at the same time.
const AT_ONCE: usize = 12;

/// One event and where it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) family: Arc<Family>,
    /// Instance and event of the family.
    pub(crate) at: (usize, usize),
}

impl Event {
    pub(crate) fn instance(&self) -> &Instance {
        &self.family.instances[self.at.0]
    }

    pub(crate) fn what(&self) -> &What {
        &self.instance().events[self.at.1]
    }
}

/// The chunks of a client, from the first; the same in every run of a seed.
pub(crate) struct Emission {
    teller: Teller,
    chance: Chance,
    /// Families with something left to tell, and what they told.
    open: Vec<(u64, Arc<Family>, usize)>,
    next: u64,
}

impl Emission {
    pub(crate) fn new(teller: Teller) -> Self {
        Self {
            chance: teller.chance(u64::MAX),
            teller,
            open: Vec::new(),
            next: 0,
        }
    }

    /// The next chunk.
    pub(crate) fn chunk(&mut self) -> Vec<Event> {
        let style = self.teller.style;
        if style.posts {
            return vec![self.event(1)];
        }
        if style.toggled {
            return self.uniform();
        }
        let events = match self.chance.below(20) {
            0 => 1,
            1..4 => 1 + self.chance.below(10),
            4..17 => 20 + self.chance.below(80),
            _ => 100 + self.chance.below(150),
        };
        // documents are rare, but a chunk must stay far below 1 MiB
        let mut bytes = 0;
        let mut chunk = Vec::with_capacity(events);
        while chunk.len() < events && bytes < 400_000 {
            let event = self.event(AT_ONCE);
            if let What::Step(step) = event.what() {
                bytes += step.data.len();
            }
            chunk.push(event);
        }
        chunk
    }

    /// Events of one kind, so that the counts of an ack say what became of each.
    fn uniform(&mut self) -> Vec<Event> {
        let mut chunk = vec![self.event(1)];
        while matches!(chunk[0].what(), What::Step(_)) && chunk.len() < 20 && self.step_follows() {
            chunk.push(self.event(1));
        }
        chunk
    }

    fn step_follows(&self) -> bool {
        self.open.first().is_some_and(|(_, family, told)| {
            let (instance, event) = family.order[*told];
            matches!(family.instances[instance].events[event], What::Step(_))
        })
    }

    fn event(&mut self, at_once: usize) -> Event {
        while self.open.len() < at_once {
            let family = Arc::new(self.teller.family(self.next));
            self.open.push((self.next, family, 0));
            self.next += 1;
        }
        let chosen = self.chance.below(self.open.len());
        let (number, family, told) = &mut self.open[chosen];
        let event = Event {
            number: *number,
            family: Arc::clone(family),
            at: family.order[*told],
        };
        *told += 1;
        if *told == family.order.len() {
            self.open.swap_remove(chosen);
        }
        event
    }
}
