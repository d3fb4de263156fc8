//! A running engine: what it says is read line by line, and it may be frozen and killed.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Engine;
use crate::support::{Watchdog, eventually};

/// The engine of a test process that is gone goes too; `$2` tells whether `$1` is still the same program.
const KILL: &str = r#"[ "$(readlink "/proc/$1/exe")" = "$2" ] && kill -KILL "$1""#;

/// A line of the engine's stdout.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// When it was read; it was written before.
    pub(crate) at: Instant,
    /// What it says.
    pub(crate) value: Value,
}

/// What was read up to now.
#[derive(Default)]
struct Heard {
    lines: Vec<Line>,
    flows: usize,
    metrics: Value,
}

/// The app in a process of its own, killed when dropped.
pub(crate) struct Process {
    child: Child,
    heard: Arc<Mutex<Heard>>,
    reader: JoinHandle<()>,
    said: JoinHandle<String>,
    _watchdog: Watchdog,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status, none when a signal ended it.
    pub(crate) status: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) lines: Vec<Line>,
    /// What it wrote to stderr.
    pub(crate) said: String,
}

impl Engine {
    /// The app as `user`, recording to `address` with the `recorder` of that name and `words` more.
    pub(crate) async fn command(
        self,
        recorder: &str,
        user: &str,
        address: SocketAddr,
        words: &[&str],
    ) -> Command {
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
            .env("FLOGO_HOST_NAME", "engine-1");
        command
    }

    /// Starts the app like [`Engine::command`] says and returns at once.
    pub(crate) async fn start(
        self,
        recorder: &str,
        user: &str,
        address: SocketAddr,
        words: &[&str],
    ) -> Process {
        Process::start(self.command(recorder, user, address, words).await)
    }

    /// Runs it to its end.
    pub(crate) async fn run(
        self,
        recorder: &str,
        user: &str,
        address: SocketAddr,
        words: &[&str],
    ) -> Ended {
        self.start(recorder, user, address, words).await.end().await
    }
}

impl Process {
    /// Starts what [`Engine::command`] has made.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the app starts");
        let pid = child.id().to_string();
        let watchdog = Watchdog::new(KILL, &[&pid, &command.get_program().to_string_lossy()]);
        let stdout = child.stdout.take().expect("the pipe asked for above");
        let mut stderr = child.stderr.take().expect("the pipe asked for above");
        let heard = Arc::<Mutex<Heard>>::default();
        let to = Arc::clone(&heard);
        Self {
            child,
            heard,
            reader: std::thread::spawn(move || hear(stdout, &to)),
            said: std::thread::spawn(move || {
                let mut said = String::new();
                stderr.read_to_string(&mut said).expect("UTF-8");
                said
            }),
            _watchdog: watchdog,
        }
    }

    /// How many flows it says have ended.
    pub(crate) fn flows(&self) -> usize {
        self.heard(|heard| heard.flows)
    }

    /// Returns when `more` flows than now have ended; fails when they have not within a minute.
    pub(crate) async fn progress(&mut self, more: usize) {
        let goal = self.flows() + more;
        eventually("the engine runs flows", async || {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() || self.flows() >= goal,
                "it ended: {ended:?}"
            );
            self.flows() >= goal
        })
        .await;
    }

    /// One of the recorder's counts, as the last line of metrics has it.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.heard(|heard| heard.metrics[name].as_u64().unwrap_or(0))
    }

    fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it runs");
    }

    /// SIGKILL; answers with all that it had said.
    pub(crate) async fn kill9(self) -> Ended {
        self.signal(Signal::KILL);
        self.end().await
    }

    /// Waits for its end, which has to come within two minutes.
    pub(crate) async fn end(mut self) -> Ended {
        let deadline = Instant::now() + Duration::from_mins(2);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status.code();
            }
            assert!(
                Instant::now() < deadline,
                "it does not end within two minutes"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let reader = std::mem::replace(&mut self.reader, std::thread::spawn(|| ()));
        reader.join().expect("lines of JSON");
        let said = std::mem::replace(&mut self.said, std::thread::spawn(String::new));
        Ended {
            status,
            lines: std::mem::take(&mut self.heard.lock().expect("a reader that has ended").lines),
            said: said.join().expect("UTF-8"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until there are no more; a killed engine may leave half of one.
fn hear(stdout: ChildStdout, heard: &Mutex<Heard>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.flows += usize::from(value["ended"].is_number());
        if value["metrics"].is_object() {
            heard.metrics = value["metrics"].clone();
        }
        let at = Instant::now();
        heard.lines.push(Line { at, value });
    }
}

impl Ended {
    /// The last line: every flow came out as it should, and the recorder had nothing to say against
    /// being stopped.
    #[track_caller]
    pub(crate) fn as_expected(&self) -> &Value {
        assert_eq!(self.status, Some(0), "{}", self.said);
        let done = self.lines.last().map(|line| &line.value["done"]);
        let done = done.unwrap_or_else(|| panic!("it said nothing: {}", self.said));
        assert_eq!(done["unexpected"], 0, "{}", self.said);
        assert_eq!(done["stop_error"], "", "{}", self.said);
        done
    }

    /// The ends of flows: when each was read and the flow's number. Those that nobody waits for are
    /// among them.
    pub(crate) fn flows(&self) -> impl Iterator<Item = (Instant, u64)> {
        let ended = |line: &Line| Some((line.at, line.value["ended"].as_u64()?));
        self.lines.iter().filter_map(ended)
    }

    /// One of the recorder's counts in every line of metrics, the last line among them.
    pub(crate) fn metric(&self, name: &str) -> impl Iterator<Item = u64> {
        let of = move |line: &Line| {
            let metrics = [&line.value["metrics"], &line.value["done"]["metrics"]];
            metrics
                .into_iter()
                .find_map(|metrics| metrics[name].as_u64())
        };
        self.lines.iter().filter_map(of)
    }
}
