//! What Linux says of this process, under the names that Prometheus' own client libraries use, read
//! when it is asked for. What cannot be read is left out.

use std::{fmt, fs, path::Path, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// Registers the state of this process.
pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(State));
}

#[derive(Debug)]
struct State;

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = Stat::read("self") {
            let cpu = ConstCounter::new(stat.cpu.as_secs_f64());
            let (name, help) = ("process_cpu_seconds", "Time on a CPU, user and system");
            let metric = encoder.encode_descriptor(name, help, None, cpu.metric_type())?;
            cpu.encode(metric)?;
            gauge(
                &mut encoder,
                "process_resident_memory_bytes",
                "Memory it has",
                stat.resident_bytes,
            )?;
            gauge(
                &mut encoder,
                "process_virtual_memory_bytes",
                "Addresses it has",
                stat.virtual_bytes,
            )?;
            if let Some(boot) = boot() {
                let start = boot + stat.started;
                gauge(
                    &mut encoder,
                    "process_start_time_seconds",
                    "When it started, since 1970",
                    start.as_secs_f64(),
                )?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // one of them is the directory that is being read
            let open = open.count().saturating_sub(1) as u64;
            gauge(
                &mut encoder,
                "process_open_fds",
                "File descriptors that are open",
                open,
            )?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(
                &mut encoder,
                "process_max_fds",
                "File descriptors that may be open",
                most,
            )?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

/// What `/proc/<pid>/stat` says of a process (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
pub struct Stat {
    /// Its program.
    pub name: String,
    /// The process that started it.
    pub parent: u32,
    /// Time on a CPU, user and system.
    pub cpu: Duration,
    /// The same of its children that have ended.
    pub ended_cpu: Duration,
    /// Since the machine started.
    started: Duration,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Stat {
    /// Of the process with this id, or of `self`; none where there is none, or no `/proc`.
    pub fn read(pid: &str) -> Option<Self> {
        let stat = Path::new("/proc").join(pid).join("stat");
        Self::parse(&fs::read_to_string(stat).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, with whatever is in it.
        let (name, text) = text.rsplit_once(')')?;
        let (_, name) = name.split_once('(')?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            parent: field(4)?.try_into().ok()?,
            cpu: ticks(field(14)? + field(15)?),
            ended_cpu: ticks(field(16)? + field(17)?),
            started: ticks(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }
}

/// So many of the kernel's clock ticks, usually hundredths of a second.
fn ticks(number: u64) -> Duration {
    Duration::from_millis(number.saturating_mul(1000) / clock_ticks_per_second())
}

/// When the machine started, since 1970, to the second.
fn boot() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let numbers: Vec<String> = (4..=52).map(|field| (field * 100).to_string()).collect();
        let line = format!("7 (a) b (c) S {}\n", numbers.join(" "));
        let expected = Stat {
            name: "a) b (c".to_owned(),
            parent: 400,
            cpu: ticks(2900),
            ended_cpu: ticks(3300),
            started: ticks(2200),
            virtual_bytes: 2300,
            resident_bytes: 2400 * page_size() as u64,
        };
        assert_eq!(Stat::parse(&line), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1 2"), None);
    }
}
