//! The breaking suite: real-shaped flows from several clients while database, server, line and disks
//! are broken in random order; then every acknowledged event is compared with the tables.
//!
//! `make chaos` runs it. Without `run` it does nothing, as `cargo test` starts it too; what
//! `make test` wants of it is in `tests/it/durability`, with the same parts.
//!
//! ```text
//! load     clients and what they know      rig      server, database, disks
//! faults   what goes wrong                 checker  every acknowledged event, byte by byte
//! run      the schedule                    report   what is said at the end
//! ```
#![expect(clippy::print_stderr, reason = "what it says is what it is for")]

mod checker;
mod faults;
mod load;
mod outage;
mod report;
mod rig;
mod run;
#[path = "../it/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "what the other tests stand on"
)]
mod support;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use self::{
    load::Plan,
    rig::{Parts, Rig},
};

/// Load, faults in random order, and a check of every acknowledged event
#[derive(Parser, Clone, Debug)]
#[command(name = "chaos")]
struct Options {
    /// How long faults are injected, 60s; how long the database is away, 5m
    #[arg(long, value_parser = flowtrail::config::duration)]
    duration: Option<Duration>,
    /// What decides on flows, faults and their order; random if not given
    #[arg(long)]
    seed: Option<u64>,
    /// What happens
    #[arg(long, value_enum, default_value_t = Scenario::Mix)]
    scenario: Scenario,
    /// gRPC streams
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Events a second of all streams together: 3,000, while the database is away 20,000
    #[arg(long)]
    rate: Option<f64>,
    /// Without a spool
    #[arg(long)]
    no_spool: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Every fault, in random order
    Mix,
    /// PostgreSQL away under full load, as long as the duration
    Outage,
}

/// Bytes of the database's disk for each event that is sent, its share of what is dead included.
const BYTES_AN_EVENT: f64 = 4096.0;

impl Options {
    fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.scenario {
            Scenario::Mix => 3_000.0,
            Scenario::Outage => 20_000.0,
        })
    }

    fn duration(&self) -> Duration {
        self.duration.unwrap_or(match self.scenario {
            Scenario::Mix => Duration::from_mins(1),
            Scenario::Outage => Duration::from_mins(5),
        })
    }
}

fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args().collect();
    if words.get(1).is_none_or(|word| word != "run") {
        eprintln!("the breaking suite: `make chaos` runs it");
        return ExitCode::SUCCESS;
    }
    words.remove(1);
    let options = Options::parse_from(words);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("threads");
    if runtime.block_on(play(&options)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether everything was as it should be.
async fn play(options: &Options) -> bool {
    let seed = options
        .seed
        .unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let place = PathBuf::from(format!(
        "/tmp/flowtrail-chaos-{seed}-{}",
        std::process::id()
    ));
    eprintln!("seed {seed}; logs in {}", place.display());
    let mut rig = match Rig::start(place.clone(), &parts(options)).await {
        Ok(rig) => rig,
        Err(words) => {
            eprintln!("{words}");
            return false;
        }
    };
    let tell = |words: &str| eprintln!("{words}");
    let outcome = match options.scenario {
        Scenario::Mix => {
            if let Err(words) = &rig.site.disk {
                tell(&format!(
                    "PostgreSQL has no disk of its own to fill ({words}); it says 53100 instead"
                ));
            }
            if let Err(words) = &rig.disk {
                tell(&format!(
                    "the spool has no disk of its own ({words}): it is not filled, and power is not cut"
                ));
            }
            let plan = Plan {
                seed,
                streams: options.clients,
                posts: 2,
                toggled: true,
                rate: options.rate(),
                lean: false,
            };
            run::mix(&mut rig, &plan, options.duration(), tell).await
        }
        Scenario::Outage => {
            let plan = Plan {
                seed,
                streams: options.clients,
                posts: 0,
                toggled: false,
                rate: options.rate(),
                lean: true,
            };
            outage::play(&mut rig, &plan, options.duration(), true, tell).await
        }
    };
    let failed = outcome.failed();
    if failed {
        rig.site.keep_logs(&place);
    }
    drop(rig);
    eprint!("{}", report::summary(&outcome, seed));
    if failed {
        let scenario = options.scenario.to_possible_value().expect("a name");
        eprintln!("{}", report::repeat(seed, scenario.get_name(), &place));
    } else {
        let _ = std::fs::remove_dir_all(&place);
    }
    !failed
}

/// What the scenario stands on.
fn parts(options: &Options) -> Parts {
    let mut flags: Vec<String> = Vec::new();
    flags.extend(options.no_spool.then(|| "--no-spool".to_owned()));
    if options.scenario == Scenario::Outage {
        return Parts {
            standby: false,
            database_disk: None,
            spool_disk: None,
            flags,
        };
    }
    // what is slow because it waits is not worth waiting for here
    let short = [
        ["--statement-timeout", "5s"],
        ["--connect-timeout", "3s"],
        ["--spool-after", "1s"],
    ];
    flags.extend(short.concat().into_iter().map(str::to_owned));
    let events = options.rate() * options.duration().as_secs_f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size of a disk"
    )]
    let rows = (events * BYTES_AN_EVENT) as u64;
    Parts {
        standby: true,
        // it is full when a fault fills it, not before
        database_disk: Some((4 << 30) + rows),
        spool_disk: Some(1 << 30),
        flags,
    }
}
