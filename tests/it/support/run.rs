//! Commands of the program, run to their end.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::cluster::blocking;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `flowtrail` with `words`, in a directory of its own and an environment without options of ours.
pub(crate) struct Run {
    command: Command,
    directory: PathBuf,
    temporary: tempfile::TempDir,
}

impl Run {
    pub(crate) fn new(words: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("/tmp is writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowtrail"));
        command.args(words).current_dir(temporary.path());
        command.stdin(Stdio::null()).env("NO_COLOR", "1");
        let ours = std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("FLOWTRAIL_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        Self {
            command,
            directory: temporary.path().to_owned(),
            temporary,
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Where it runs.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its end, and the directory it ran in.
    pub(crate) async fn end_and_keep(self) -> (Ended, tempfile::TempDir) {
        let Self {
            command, temporary, ..
        } = self;
        (end(command).await, temporary)
    }

    /// Its end, which has to come within two minutes.
    pub(crate) async fn end(self) -> Ended {
        self.end_and_keep().await.0
    }
    /// Its end when who reads its output goes away after the first byte.
    pub(crate) async fn end_unread(mut self) -> Ended {
        blocking(move || {
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = self.command.spawn().expect("the program starts");
            let mut first = [0];
            let mut stdout = child.stdout.take().expect("the pipe asked for above");
            stdout.read_exact(&mut first).expect("it says something");
            drop(stdout);
            let output = child.wait_with_output().expect("it ends");
            Ended {
                status: output.status.code(),
                out: String::from_utf8_lossy(&first).into_owned(),
                err: String::from_utf8_lossy(&output.stderr).into_owned(),
            }
        })
        .await
    }
}

async fn end(command: Command) -> Ended {
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_mins(2), output).await;
    let output = output
        .expect("it ends within two minutes")
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        status: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Ended {
    /// It did what it was asked; answers with its output.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.err);
        self.out
    }

    /// It ended with `status`, and besides log lines said one line, with all of `parts` in it.
    #[track_caller]
    pub(crate) fn failed(self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{}", self.err);
        let logged = |line: &str| line.starts_with("20") && line.contains('Z');
        let said: Vec<_> = self.err.lines().filter(|line| !logged(line)).collect();
        let [line] = said[..] else {
            panic!("not one line: {said:#?}");
        };
        assert!(line.starts_with("flowtrail: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
    }
}
