//! What a run is summed up in.

use std::{fmt::Write as _, path::Path};

use super::{checker::Wrong, run::Outcome};

/// Findings that are printed of each kind.
const SHOWN: usize = 20;

/// The summary, several lines.
pub(crate) fn summary(outcome: &Outcome, seed: u64) -> String {
    let mut text = String::new();
    let Outcome {
        committed,
        spooled,
        skipped,
        verdict,
        ..
    } = outcome;
    let acknowledged = committed + spooled + skipped;
    let faults: usize = outcome.faults.values().sum();
    let named: Vec<_> = outcome
        .faults
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let mut line = |words: String| writeln!(text, "{words}").expect("a text grows");
    line(format!(
        "faults injected     {faults}: {}",
        named.join(", ")
    ));
    line(format!(
        "events acknowledged {acknowledged}: {committed} committed, {spooled} spooled, {skipped} left out as their app was off"
    ));
    line(format!(
        "compared            {} events, {} rows; {} events were not answered",
        verdict.compared, verdict.rows, verdict.open
    ));
    line(format!(
        "clients             {} connections opened again, {} chunks sent again",
        outcome.reopened, outcome.resent
    ));
    for note in &outcome.notes {
        line(format!("                    {note}"));
    }
    for wrong in [Wrong::Lost, Wrong::Duplicated, Wrong::Altered, Wrong::Stuck] {
        let findings = verdict
            .findings
            .iter()
            .filter(|finding| finding.wrong == wrong);
        for finding in findings.take(SHOWN) {
            line(format!("  {wrong:?}: {}", finding.text));
        }
    }
    let words = outcome.stuck.iter().chain(&outcome.strange);
    for words in words.chain(&outcome.broken).take(SHOWN) {
        line(format!("  {words}"));
    }
    if outcome.rejected > 0 {
        line(format!(
            "  {} rows without a fault are in rejected/",
            outcome.rejected
        ));
    }
    line(format!(
        "seed {seed}: lost {}, duplicated {}, altered {}, stuck {}",
        verdict.count(Wrong::Lost),
        verdict.count(Wrong::Duplicated) + outcome.rejected,
        verdict.count(Wrong::Altered) + outcome.strange.len(),
        verdict.count(Wrong::Stuck) + outcome.stuck.len(),
    ));
    text
}

/// How to repeat what failed.
pub(crate) fn repeat(seed: u64, scenario: &str, place: &Path) -> String {
    format!(
        "FAILED; logs are kept in {}\nagain, with the same story and faults: make chaos SEED={seed} SCENARIO={scenario} ...",
        place.display()
    )
}
