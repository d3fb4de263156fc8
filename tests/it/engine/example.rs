//! The example app, with the commands of its page: what they say and what is stored then.

use std::{
    fmt::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio_postgres::Client;

use crate::support::{self, Watchdog, eventually, free_address, http};

const PAGE: &str = include_str!("../../../clients/go/example/README.md");
const APP: &str = include_str!("../../../clients/go/example/flogo.json");
/// Where the page says the app is.
const PORT: &str = "8088";

/// The code blocks of the page, in order.
fn blocks() -> Vec<String> {
    let parts = PAGE.split("```");
    let inside = parts.skip(1).step_by(2);
    inside
        .map(|block| block.strip_prefix("sh\n").expect("shell").to_owned())
        .collect()
}

/// A shell as a reader of the page has it: in the repository, with `flowtrail` on its path, but with
/// other ports and a database of its own.
struct Shell {
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("FLOGO_") || name.starts_with("FLOWTRAIL_")
        });
        for name in ours {
            command.env_remove(name);
        }
        command
            // a shell that lets Ctrl-C end what it runs, and tells how that ended
            .args([
                "-c",
                &format!("trap : INT\nPATH=\"$PROGRAMS:$PATH\"\n{script}"),
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Starts a block that goes on until it is told to stop, and prints into the file `out`.
    fn start(&self, block: &str, out: &Path) -> Started {
        let mut command = self.command(block);
        let file = std::fs::File::create(out).expect("a file");
        command
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let child = command.process_group(0).spawn().expect("a shell");
        let group = child.id().to_string();
        Started {
            _watchdog: Watchdog::new(r#"kill -s KILL -- "-$1" 2>/dev/null"#, &[&group]),
            child,
            out: out.to_owned(),
        }
    }

    /// Runs a line and answers with what it prints.
    async fn run(&self, line: &str) -> String {
        let mut command = tokio::process::Command::from(self.command(line));
        let output = command.kill_on_drop(true).output();
        let output = tokio::time::timeout(Duration::from_mins(2), output).await;
        let output = output.expect("it ends within two minutes");
        let output = output.expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{line}: {said}; is what it runs installed?"
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// A block that runs.
struct Started {
    _watchdog: Watchdog,
    child: Child,
    out: PathBuf,
}

impl Started {
    async fn until(&mut self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        eventually(what, async || {
            let ended = self.child.try_wait().expect("a child");
            assert_eq!(ended, None, "it ended before: {what}: {}", self.said());
            holds().await
        })
        .await;
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.out).expect("UTF-8")
    }

    /// Ctrl-C; answers with the exit status.
    async fn interrupt(&mut self) -> Option<i32> {
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::INT).expect("it runs");
        eventually("it ends", async || {
            self.child.try_wait().expect("a child").is_some()
        })
        .await;
        self.child.wait().expect("a child").code()
    }
}

/// The rows of the two instances, a line each.
async fn rows(client: &Client) -> String {
    let flows = "select flowname, status, appname, appversion, convert_from(flowinput, 'UTF8'),
        convert_from(flowoutput, 'UTF8') from public.flowstate order by starttime";
    let steps = "select f.flowname, s.stepid, s.flowname, s.subflowid, s.taskname, s.status
        from public.steps s join public.flowstate f using (flowinstanceid)
        order by f.starttime, s.stepid::int";
    let mut text = String::new();
    for query in [flows, steps] {
        for row in client.query(query, &[]).await.unwrap() {
            let columns: Vec<&str> = (0..row.len()).map(|column| row.get(column)).collect();
            writeln!(text, "{}", columns.join(" ")).unwrap();
        }
    }
    text
}

const ROWS: &str = r#"order Completed shop 1.0.0 {"article":"lamp","pieces":3} {"total":37.5}
refund Failed shop 1.0.0 {"order":"A-17"} {}
order 0 order 0 accept Started
order 1 order 0 accept Completed
order 2 order 0 price Waiting
order 3 price 1 multiply Completed
order 4 order 0 price Completed
order 5 order 0 confirm Completed
refund 0 refund 0 search Started
refund 1 refund 0 search Completed
refund 2 refund 0 refuse Failed
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_recorded_as_its_page_says() {
    let database = support::database().await;
    let (server, app) = (free_address(), free_address());
    let port = app.port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("flogo.json");
    assert_eq!(APP.matches(PORT).count(), 1);
    std::fs::write(&config, APP.replace(PORT, &port)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_flowtrail")).parent().unwrap();
    let shell = Shell {
        variables: vec![
            ("PROGRAMS", programs.display().to_string()),
            ("GOFLAGS", "-buildvcs=false".to_owned()),
            ("FLOWTRAIL_LISTEN", server.to_string()),
            ("FLOWTRAIL_DATABASE_URL", database.url.clone()),
            ("FLOWTRAIL_SERVER", format!("http://{server}")),
            ("FLOWTRAIL_RECORDER_ADDRESSES", server.to_string()),
            ("FLOGO_CONFIG_PATH", config.display().to_string()),
        ],
    };
    // by itself too, as somebody has it who copies it
    let program = directory.path().join("example");
    let build = format!(
        "cd clients/go/example && GOWORK=off go build -o '{}' .",
        program.display()
    );
    shell.run(&build).await;

    let [serve, run, requests, lists, details] = blocks().try_into().expect("five blocks");
    let mut serving = shell.start(&serve, &directory.path().join("server.log"));
    let ready = async || {
        let answer = http(server, "/readyz").await;
        answer.is_some_and(|(status, _)| status == 200)
    };
    serving.until("the server is ready", ready).await;
    let mut running = shell.start(&run, &directory.path().join("app.log"));
    let answers = async || http(app, "/").await.is_some();
    running.until("the app answers", answers).await;

    let mut answers = Vec::new();
    for line in requests.lines() {
        answers.push(shell.run(&line.replace(PORT, &port)).await);
    }
    let [order, refund] = &answers[..] else {
        panic!("two requests: {answers:?}");
    };
    let (order, refund) = (order.trim(), refund.trim());
    assert_eq!((order, refund), ("37.5", "there is no such order"));
    assert!(PAGE.contains(&format!("They answer `{order}` and `{refund}`.")));

    let client = database.client().await;
    eventually("both instances are stored to their ends", async || {
        rows(&client).await == ROWS
    })
    .await;
    let [all, failed] = lists.lines().collect::<Vec<_>>()[..] else {
        panic!("two lists: {lists}");
    };
    let all = shell.run(all).await;
    assert!(
        all.contains("order   Completed") && all.contains("refund  Failed"),
        "{all}"
    );
    let failed = shell.run(failed).await;
    assert!(
        !failed.contains("order") && failed.contains("refund  Failed"),
        "{failed}"
    );
    let id = |flow: &str| {
        let line = all.lines().find(|line| line.contains(flow));
        let id = line.and_then(|line| line.split(' ').next());
        id.expect("an instance").to_owned()
    };
    let mut said = String::new();
    for line in details.lines() {
        let words = line.split(' ');
        let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|c| c.is_ascii_hexdigit());
        let example = words.clone().find(is_id).expect("an id");
        said += &shell.run(&line.replace(example, &id("refund"))).await;
    }
    assert!(
        said.contains("refuse  Failed") && said.contains("A-17"),
        "{said}"
    );
    // the engine said what activities returned
    let price = format!("flowtrail step {} 4", id("order"));
    let price = shell.run(&price).await;
    assert!(
        price.contains("_A.price.total") && price.contains("37.5"),
        "{price}"
    );

    // go run answers 1 to every Ctrl-C
    running.interrupt().await;
    let said = running.said();
    assert!(said.contains("flowtrail: Stopped"), "{said}");
    assert_eq!(serving.interrupt().await, Some(0));
}
