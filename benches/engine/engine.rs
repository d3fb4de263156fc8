//! The real engine, built from source and run as a process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

/// Tasks of the flow `ten`.
pub(crate) const TASKS: u8 = 10;
/// The longest that a round may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// The app, recording to one server.
pub(crate) struct Engine {
    program: PathBuf,
    address: SocketAddr,
    concurrency: usize,
}

/// What a process of the engine does.
pub(crate) struct Run {
    pub(crate) recorder: &'static str,
    /// `key=value` for the recorder.
    pub(crate) settings: &'static [&'static str],
    pub(crate) flows: usize,
}

impl Engine {
    /// Builds the app with the newest Flogo modules, as `go build` does it for everybody.
    pub(crate) fn build(address: SocketAddr, concurrency: usize) -> anyhow::Result<Self> {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("enginetest-bench");
        let output = std::process::Command::new("go")
            .current_dir(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/clients/go/enginetest"
            ))
            .args(["build", "-buildvcs=false", "-o"])
            .args([program.as_os_str(), ".".as_ref()])
            .stdin(Stdio::null())
            .output()
            .context("go cannot be run: install Go 1.24 or newer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "go build: {said}");
        Ok(Self {
            program,
            address,
            concurrency,
        })
    }

    /// Runs flows to their ends and answers with the seconds from the first flow's start until the
    /// engine has stopped, which it does when its recorder has every answer.
    pub(crate) async fn run(&self, run: &Run) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        // nothing of this shell's makes one side faster
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("FLOGO_")
                || text.starts_with("FLOWTRAIL_")
                || ["GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG"].contains(&&*text)
            {
                command.env_remove(&name);
            }
        }
        command
            .args(["--scenario", "ten", "--quiet", "--recorder", run.recorder])
            .args(["--address", &self.address.to_string()])
            .args(["--flows", &run.flows.to_string()])
            .args(["--concurrency", &self.concurrency.to_string()]);
        for setting in run.settings {
            command.args(["--setting", setting]);
        }
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output.with_context(|| format!("{}: no end", run.recorder))??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", run.recorder);
        let line: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}: no line of JSON: {said}", run.recorder))?;
        let done = &line["done"];
        ensure!(
            done["flows"] == run.flows && done["unexpected"] == 0 && done["stop_error"] == "",
            "{}: {done}: {said}",
            run.recorder
        );
        let seconds = |name: &str| {
            let seconds = done[name].as_f64();
            seconds.with_context(|| format!("{}: no {name}: {done}", run.recorder))
        };
        Ok(seconds("seconds")? + seconds("stop_seconds")?)
    }
}
