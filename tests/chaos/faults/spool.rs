//! While the database is away and events are in the spool: the server dies, the power goes, the disk
//! is full, a file is damaged.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::rig::{Rig, Segment};
use super::{Away, Then};
use crate::support::Chance;

/// Events that must be in the spool before something happens to it.
const SOME: f64 = 500.0;

/// The database goes, something happens to the spool, the database comes back.
pub(super) async fn during(
    rig: &mut Rig,
    away: Away,
    then: Then,
    lasts: Duration,
    chance: &mut Chance,
) -> Result<(), String> {
    if let (Then::DiskFull, Ok(disk)) = (then, &rig.disk) {
        disk.fill();
    }
    match away {
        Away::Stopped => rig.site.stop_at_once().await,
        Away::Frozen => rig.site.primary().freeze(),
    }
    let outcome = spooling(rig, then, lasts, chance).await;
    match away {
        Away::Stopped => rig.site.revive().await,
        Away::Frozen => rig.site.primary().thaw(),
    }
    rig.heal().await?;
    if let Some(flipped) = outcome? {
        // what is healthy arrives; then an operator repairs what was put aside
        sleep(lasts).await;
        rig.drained().await?;
        rig.server.kill();
        flipped.repair(rig)?;
    }
    if let (Then::DiskFull, Ok(disk)) = (then, &rig.disk) {
        sleep(lasts).await;
        disk.clear();
    }
    Ok(())
}

async fn spooling(
    rig: &mut Rig,
    then: Then,
    lasts: Duration,
    chance: &mut Chance,
) -> Result<Option<Flipped>, String> {
    let mut flipped = None;
    if then == Then::DiskFull {
        sleep(lasts).await;
        // sometimes the database is back first
        if chance.below(2) == 0
            && let Ok(disk) = &rig.disk
        {
            disk.clear();
            some_spooled(rig).await?;
        }
        return Ok(None);
    }
    some_spooled(rig).await?;
    sleep(lasts).await;
    match then {
        Then::DiskFull => {}
        Then::Killed => rig.server.kill(),
        Then::Torn => {
            rig.server.kill();
            tear(rig, chance)?;
        }
        Then::Flipped => {
            rig.server.kill();
            flipped = Some(flip(rig, chance)?);
        }
        Then::PowerCut => {
            rig.server.kill();
            if let Ok(disk) = &mut rig.disk {
                disk.cut_power()?;
            }
        }
    }
    let announced = rig.server.said("the spool is damaged");
    rig.server.start().await?;
    if flipped.is_some() && rig.server.said("the spool is damaged") == announced {
        return Err("a damaged record was not announced".into());
    }
    some_spooled(rig).await?;
    Ok(flipped)
}

/// Returns when the spool holds some events.
async fn some_spooled(rig: &Rig) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while rig.pending().await.is_none_or(|pending| pending < SOME) {
        if Instant::now() > deadline {
            return Err("the database is away and nothing is spooled".into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Writes the beginning of a record behind the last one, as a write that was interrupted would.
fn tear(rig: &Rig, chance: &mut Chance) -> Result<(), String> {
    let segments = rig.segments()?;
    let newest = segments.last().ok_or("no segment to tear")?;
    let length = 2_000 + chance.below(5_000);
    let written = 17 + chance.below(length - 17);
    let mut record = u32::try_from(length).expect("small").to_le_bytes().to_vec();
    record.extend((newest.last_sequence() + 1).to_le_bytes());
    record.extend(chance.bytes(written));
    newest.write(newest.end(), &record)
}

/// A byte that was changed.
struct Flipped {
    header: Vec<u8>,
    at: u64,
    was: u8,
}

/// Changes a byte of a record that has others behind it.
fn flip(rig: &Rig, chance: &mut Chance) -> Result<Flipped, String> {
    let segments = rig.segments()?;
    let mut with_several = segments.iter().filter(|segment| segment.records.len() > 2);
    let segment = with_several
        .next_back()
        .ok_or("no segment with several records")?;
    let record = &segment.records[chance.below(segment.records.len() - 1)];
    let bytes = usize::try_from(record.end - record.start).expect("in memory");
    let at = record.start + u64::try_from(chance.below(bytes)).expect("small");
    let was = segment.byte(at);
    segment.write(at, &[was ^ (1 << chance.below(8))])?;
    Ok(Flipped {
        header: segment.header().to_vec(),
        at,
        was,
    })
}

impl Flipped {
    /// What an operator would do who knows the byte: repairs the file that was put aside, and moves
    /// it back.
    fn repair(&self, rig: &Rig) -> Result<(), String> {
        let aside = Segment::all(&rig.spool().join("quarantined"))?;
        let its = aside
            .iter()
            .filter(|segment| segment.header() == self.header);
        let mut repaired = 0;
        for segment in its {
            segment.write(self.at, &[self.was])?;
            segment.move_to(&rig.spool())?;
            repaired += 1;
        }
        if repaired == 0 {
            return Err("nothing was put aside of a damaged segment".into());
        }
        Ok(())
    }
}
