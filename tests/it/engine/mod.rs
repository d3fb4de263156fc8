//! A real Flogo engine, `clients/go/enginetest`, run as a process of its own: what it records over REST
//! and as our recorder does it, and what becomes of that when a process fails.

mod example;
mod expected;
mod faults;
mod history;
mod process;
mod rerun;
mod rows;
mod starts;
mod stored;
mod switched;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The Go modules the engine is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    /// The newest flow module with its own subflow activity.
    Newest,
    /// An older flow module, for which no subflow activity is published.
    Old,
}

impl Engine {
    /// The app, built once in this process.
    fn program(self) -> &'static Path {
        static NEWEST: OnceLock<PathBuf> = OnceLock::new();
        static OLD: OnceLock<PathBuf> = OnceLock::new();
        match self {
            Self::Newest => NEWEST.get_or_init(|| build("newest", &[], "")),
            Self::Old => {
                let flags = ["-tags", "ownsubflow", "-modfile=go.old.mod"];
                OLD.get_or_init(|| build("old", &flags, "off"))
            }
        }
    }
}

fn build(name: &str, flags: &[&str], workspace: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("enginetest-{name}"));
    let output = Command::new("go")
        .current_dir(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/clients/go/enginetest"
        ))
        .args(["build", "-buildvcs=false"])
        .args(flags)
        .arg("-o")
        .args([program.as_os_str(), ".".as_ref()])
        .env("GOWORK", workspace)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("go cannot be run, {error}: install Go 1.24 or newer, https://go.dev/dl")
        });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "go build: {said}");
    program
}
