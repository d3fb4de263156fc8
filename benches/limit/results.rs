//! What is written down.

use std::fmt::Write as _;

use crate::{
    copy::Way,
    rates::Rounds,
    reading::{Reading, Times},
    rig::Report,
};

/// Everything that was measured.
pub(crate) struct Results {
    pub(crate) machine: String,
    pub(crate) pairs: usize,
    pub(crate) rows: usize,
    /// By payload: the rates of all ways of raw COPY.
    pub(crate) ways: Vec<(&'static str, Vec<(Way, f64)>)>,
    pub(crate) sides: Vec<Side>,
    pub(crate) cpu: Rounds,
    pub(crate) steps_cpu: Rounds,
    pub(crate) memory: Rounds,
    pub(crate) half: Latency,
    pub(crate) presence: [Side; 2],
    pub(crate) reading: Reading,
    pub(crate) instances: i64,
}

/// Rates of one side, and what part of the limit they are.
pub(crate) struct Side {
    name: String,
    rates: Rounds,
    ratios: Option<Rounds>,
}

/// Times to the ack, in ms, of several runs.
#[derive(Default)]
pub(crate) struct Latency {
    rates: Rounds,
    p50: Rounds,
    p99: Rounds,
}

impl Latency {
    pub(crate) fn add(&mut self, report: &Report) -> anyhow::Result<()> {
        self.rates.add(report.figure("events_per_second")?);
        self.p50.add(report.figure("ack_p50_ms")?);
        self.p99.add(report.figure("ack_p99_ms")?);
        Ok(())
    }
}

impl Side {
    /// What others are compared with.
    pub(crate) fn limit(name: &str, rates: &Rounds) -> Self {
        Self {
            name: name.to_owned(),
            rates: rates.clone(),
            ratios: None,
        }
    }

    /// Compared, round by round, with `limit`.
    pub(crate) fn new(name: &str, rates: &Rounds, limit: &Rounds) -> Self {
        Self {
            name: name.to_owned(),
            rates: rates.clone(),
            ratios: Some(rates.ratios(limit)),
        }
    }

    pub(crate) fn line(&self) -> String {
        let ratio = self.ratios.as_ref();
        let ratio = ratio.map_or_else(|| "1".to_owned(), |ratios| ratios.show(2));
        format!("| {} | {} | {ratio} |\n", self.name, self.rates.show(0))
    }
}

impl Results {
    pub(crate) fn text(&self) -> String {
        self.write().unwrap_or_default()
    }

    fn write(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::from(
            "# Results of `make bench`\n\nThe numbers of one run on one machine; client, server and PostgreSQL share its cores.\n\n",
        );
        writeln!(text, "{}", self.machine)?;
        writeln!(
            text,
            "## Rates\n\nRows or events a second and the part of the limit: medians of {} rounds of each side in turn (least to \
             most).\nThe limit is raw COPY of the same steps, encoded beforehand, in the best of the ways below.\n{} rows a round, fewer where they are larger.\n\n| | events/s | of the limit |\n| --- | ---: | ---: |",
            self.pairs, self.rows
        )?;
        for side in &self.sides {
            text.push_str(&side.line());
        }
        writeln!(
            text,
            "\nThe server took {} µs of CPU for an event of whole flows, {} for steps alone, and held at most {} MB.\n",
            self.cpu.show(2),
            self.steps_cpu.show(2),
            self.memory.spread()[2]
        )?;
        let Latency { rates, p50, p99 } = &self.half;
        writeln!(
            text,
            "## Time to the ack\n\nAt half the rate of whole flows just before each run, {} events/s, in ms, medians of {} runs (least to most): {} at p50, {} at p99.\n",
            rates.show(0),
            rates.0.len(),
            p50.show(1),
            p99.show(1),
        )?;
        text.push_str(
            "## Beside a large table\n\n| | events/s | of empty tables |\n| --- | ---: | ---: |\n",
        );
        for side in &self.presence {
            text.push_str(&side.line());
        }
        writeln!(
            text,
            "\n## Reading\n\nAmong {} instances, over gRPC, in ms.\n\n| | p50 | p99 |\n| --- | ---: | ---: |",
            self.instances
        )?;
        for (name, Times { p50, p99 }) in [
            ("page of 50, by app, flow and status", &self.reading.page),
            ("all steps of an instance with 1,000", &self.reading.steps),
            ("its snapshot", &self.reading.snapshot),
        ] {
            writeln!(text, "| {name} | {p50:.1} | {p99:.1} |")?;
        }
        text.push_str("\n## Ways of raw COPY\n\nMedians of three rounds.\n\n| payload | connections | rows a transaction | rows/s |\n| --- | ---: | ---: | ---: |\n");
        for (payload, ways) in &self.ways {
            for (Way { connections, batch }, rate) in ways {
                writeln!(text, "| {payload} | {connections} | {batch} | {rate:.0} |")?;
            }
        }
        Ok(text)
    }
}
