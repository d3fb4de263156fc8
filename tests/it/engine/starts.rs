//! How an engine starts: not at all with wrong settings, and as usual without a server.

use super::{
    Engine,
    history::{self, TEN},
    process::Process,
};
use crate::support::{self, Program, free_address};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_fail_the_start_and_are_named() {
    for (setting, named) in [
        ("budget=plenty", "budget"),
        ("onFull=explode", "onFull"),
        ("adresses=localhost:9190", "adresses"),
    ] {
        let words = ["--setting", setting];
        let ended = Engine::Newest
            .run("flowtrail", "acme", free_address(), &words)
            .await;
        assert_eq!(ended.status, Some(1), "{setting}");
        assert!(
            ended.said.contains(&format!("setting \"{named}\"")),
            "{setting}: {}",
            ended.said
        );
        assert!(ended.lines.is_empty(), "{setting}: {:?}", ended.lines);
    }
    let variable = "FLOWTRAIL_RECORDER_FLUSH_TIME";
    let mut command = Engine::Newest
        .command("flowtrail", "acme", free_address(), &[])
        .await;
    command.env(variable, "soon");
    let ended = Process::start(command).end().await;
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.said.contains(variable) && ended.said.contains("flushTime"),
        "{}",
        ended.said
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_flows_run_and_their_history_comes_when_it_does() {
    const FLOWS: u64 = 500;
    let database = support::database().await;
    let address = free_address();
    let flows = FLOWS.to_string();
    let words = [
        "--scenario",
        TEN,
        "--flows",
        &flows,
        "--setting",
        "stopTimeout=1m",
    ];
    let mut engine = Engine::Newest
        .start("flowtrail", "acme", address, &words)
        .await;
    engine.progress(usize::try_from(FLOWS).unwrap()).await;
    let listen = address.to_string();
    let flags = ["--listen", &listen, "--database-url", &database.url];
    let mut program = Program::serve_on(address, &flags).await;
    let ended = engine.end().await;
    let done = ended.as_expected();
    assert_eq!(
        (&done["flows"], &done["failed"]),
        (&FLOWS.into(), &0.into())
    );
    history::complete(&database.client().await, "acme", FLOWS).await;
    assert_eq!(program.terminate().await, Some(0));
}
