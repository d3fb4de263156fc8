//! Reading ahead: a few MiB of a segment at once, up to what is synced.

use std::{collections::VecDeque, fs::File};

use super::{
    Error, Record,
    place::at,
    quarantine,
    scan::{Damage, Found, PORTION, Scan},
    state::{Segment, Shared},
};

/// What was read at once.
#[derive(Debug)]
pub struct Portion {
    /// Behind it.
    pub scan: Scan,
    /// Its records and their sequences.
    pub records: VecDeque<(u64, Record)>,
}

/// Reads a portion of a segment, and puts aside what is found damaged.
pub fn read(
    shared: &Shared,
    segment: &Segment,
    scan: Option<Scan>,
    from: u64,
    expected: u64,
) -> Result<Portion, Error> {
    let failed = at("read", &segment.path);
    let mut scan = if let Some(scan) = scan {
        scan
    } else {
        let file = File::open(&segment.path).map_err(&failed)?;
        Scan::new(file, shared.seed, from, segment.end, expected)
    };
    scan.extend(segment.end);
    let mut records = VecDeque::new();
    while scan.at() < from + PORTION {
        match scan.next().map_err(&failed)? {
            None => break,
            Some(Found::Record { sequence, record }) => records.push_back((sequence, record)),
            Some(Found::Damage(damage)) => put_aside(shared, segment, damage)?,
            Some(Found::Rest { .. }) => {
                let damage = Damage {
                    bytes: scan.at()..segment.end,
                    sequences: scan.expected()..segment.next,
                };
                put_aside(shared, segment, damage)?;
                scan.skip_to(segment.end, segment.next);
            }
        }
    }
    Ok(Portion { scan, records })
}

/// Keeps a segment with damage that is not known yet.
fn put_aside(shared: &Shared, segment: &Segment, damage: Damage) -> Result<(), Error> {
    let offset = damage.bytes.start;
    let known = |segment: &mut Segment| segment.damaged_at.contains(&offset);
    if shared.state().segment(segment.id).is_none_or(known) {
        return Ok(());
    }
    let options = &shared.options;
    quarantine::keep(
        &options.dir,
        &segment.path,
        segment.first,
        segment.made_at,
        &[damage],
    )?;
    let mut state = shared.state();
    state.quarantined += 1;
    if let Some(segment) = state.segment(segment.id) {
        segment.damaged_at.push(offset);
    }
    Ok(())
}
