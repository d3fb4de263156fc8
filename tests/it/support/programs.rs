//! PostgreSQL's client programs.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use flowtrail::pg::embedded::Binaries;

use super::cluster::blocking;

/// Runs a script with `psql`; its messages when it fails.
pub(crate) async fn psql(url: &str, variables: &[&str], script: String) -> Result<(), String> {
    let mut command = program("psql");
    command.args(["-X", "-d", url, "-f", "-"]);
    for variable in variables {
        command.args(["-v", variable]);
    }
    let output = blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("psql can be run");
        let mut pipe = child.stdin.take().expect("the pipe asked for above");
        let _ = pipe.write_all(script.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("psql can be waited for")
    })
    .await;
    let said = |output: &Output| {
        [&output.stdout, &output.stderr]
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .concat()
    };
    match said(&output) {
        said if output.status.success() && said.is_empty() => Ok(()),
        said => Err(said),
    }
}

/// Every definition in a database, or those `only` asks for, as `pg_dump` writes them.
pub(crate) async fn dump(url: &str, only: &[&str]) -> String {
    let mut command = program("pg_dump");
    command.args(["-s", "-d", url]).args(only);
    let output = blocking(move || command.output().expect("pg_dump can be run")).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    // these lines carry a random word
    let lines = text.lines().filter(|line| !line.contains("restrict"));
    lines.collect::<Vec<_>>().join("\n")
}

fn program(name: &str) -> Command {
    let binaries = Binaries::find(None, None)
        .unwrap_or_else(|_| panic!("no PostgreSQL programs: apt-get install postgresql"));
    let mut command = Command::new(binaries.program(name));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
