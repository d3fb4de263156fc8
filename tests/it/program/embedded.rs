//! With the embedded PostgreSQL.

use crate::support::{DataDir, Program, Run, eventually};

#[tokio::test]
async fn the_demo_shows_what_it_stored_every_time() {
    let dir = DataDir::new("data");
    let text = dir.text();
    for _ in 0..2 {
        let words = [
            "demo",
            "--once",
            "--flows",
            "200",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            &text,
        ];
        let out = Run::new(&words).end().await.done();
        let rows = out
            .lines()
            .skip_while(|line| !line.starts_with("FLOWSTATE_ROWS"))
            .nth(1);
        let rows = rows.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        assert!(rows.is_some_and(|rows| rows >= 200), "{out}");
        assert!(out.contains("Its steps:"), "{out}");
    }
    assert!(!dir.path.join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_data_directory_in_use_is_named_with_its_user() {
    let dir = DataDir::new("data");
    let mut program = Program::serve(&["--data-dir", &dir.text()]).await;
    let serve = Run::new(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &dir.text(),
    ]);
    let pid = format!("process {}", program.pid());
    serve
        .end()
        .await
        .failed(1, &[&dir.text(), &pid, "choose another --data-dir"]);
    assert!(program.ready().await, "the first one goes on");
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn programs_that_are_not_there_are_one_line_with_the_remedy() {
    let dir = DataDir::new("data");
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--pg-bin",
        "/nonexistent",
        "--data-dir",
        &dir.text(),
    ];
    Run::new(&words)
        .end()
        .await
        .failed(1, &["/nonexistent", "--pg-bin"]);
    assert!(!dir.path.exists(), "nothing was made");
}

#[tokio::test]
async fn a_start_that_is_interrupted_leaves_no_server_behind() {
    let dir = DataDir::new("data");
    let mut program = Program::start(&["--data-dir", &dir.text()]);
    let pid = dir.path.join("postgres/data/postmaster.pid");
    eventually("server", async || pid.exists()).await;
    assert_eq!(program.terminate().await, Some(0));
    assert!(!pid.exists(), "the server was stopped");
}
