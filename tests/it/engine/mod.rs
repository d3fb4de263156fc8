//! A real Flogo engine, `clients/go/enginetest`, run as a process of its own.

mod example;
mod expected;
mod rows;
mod stored;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;

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

    /// Runs the app as `user`, recording to `address` with the `recorder` of that name and `words`
    /// more, to its end.
    pub(crate) async fn run(
        self,
        recorder: &str,
        user: &str,
        address: SocketAddr,
        words: &[&str],
    ) -> Ended {
        let program = tokio::task::spawn_blocking(move || self.program());
        let program = program.await.expect("the app is built");
        let mut command = Command::new(program);
        let ours = std::env::vars_os().map(|(name, _)| name);
        let ours = ours.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("FLOGO_") || name.starts_with("FLOWTRAIL_")
        });
        for name in ours {
            command.env_remove(name);
        }
        command
            .args(["--recorder", recorder, "--address", &address.to_string()])
            .args(words)
            .env("FLOGO_APP_USERNAME", user)
            .env("FLOGO_HOST_NAME", "engine-1")
            .stdin(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let output = command.kill_on_drop(true).output();
        let output = tokio::time::timeout(Duration::from_mins(2), output).await;
        let output = output.expect("it ends within two minutes");
        let output = output.expect("the app starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        let line = |line| serde_json::from_str(line).expect("a line of JSON");
        Ended {
            lines: lines.lines().map(line).collect(),
            said,
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it wrote to stdout.
    pub(crate) lines: Vec<Value>,
    /// What it wrote to stderr.
    pub(crate) said: String,
}

impl Ended {
    /// The last line: everything came as it should, and the recorder had nothing to say against it.
    #[track_caller]
    pub(crate) fn as_expected(&self) -> &Value {
        let done = self.lines.last().map(|line| &line["done"]);
        let done = done.unwrap_or_else(|| panic!("it said nothing: {}", self.said));
        assert_eq!(done["unexpected"], 0, "{}", self.said);
        assert_eq!(done["stop_error"], "", "{}", self.said);
        done
    }

    /// How many flows it says have ended, those that nobody waits for among them.
    pub(crate) fn flows(&self) -> usize {
        let ended = |line: &&Value| line["ended"].is_number();
        self.lines.iter().filter(ended).count()
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
            panic!("go cannot be run, {error}: install Go 1.24 or newer, `make test` does it")
        });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "go build: {said}");
    program
}
