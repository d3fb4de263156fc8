//! What may come in: a pure function of the event and of its app's toggle at the time it arrived.

use crate::event::Event;

/// The decision on one event; it travels with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Store it.
    Record,
    /// Let it complete what is stored, make nothing new.
    CompleteOnly,
    /// Store nothing; that is a success.
    Skip,
}

/// Decides on `event` of an app whose history is `enabled` or not.
pub fn admit(event: &Event<'_>, enabled: bool) -> Decision {
    match event {
        _ if enabled => Decision::Record,
        Event::Ended(_) => Decision::CompleteOnly,
        Event::Started(_) | Event::Step(_) => Decision::Skip,
    }
}
