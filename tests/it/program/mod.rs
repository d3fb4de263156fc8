//! The program as its users meet it: what it prints, how it ends, what it says when it cannot.

mod database;
mod embedded;

use clap::CommandFactory as _;
use flowtrail::cli::Cli;

use crate::support::{self, Run};

#[tokio::test]
async fn every_command_has_help_with_its_environment_variables() {
    async fn check(command: &clap::Command, words: Vec<String>) {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = Run::new(&arguments).end().await.done();
        for option in command
            .get_arguments()
            .filter(|option| !option.is_hide_set())
        {
            let long = option.get_long().unwrap_or_default();
            assert!(help.contains(long), "no --{long} in {arguments:?}");
            if let Some(env) = option.get_env() {
                let env = env.to_string_lossy();
                assert!(help.contains(&*env), "no {env} in {arguments:?}");
            }
        }
        for inner in command.get_subcommands() {
            let more = [words.clone(), vec![inner.get_name().to_owned()]].concat();
            Box::pin(check(inner, more)).await;
        }
    }
    check(&Cli::command(), Vec::new()).await;
    let serve = Cli::command();
    let serve = serve.find_subcommand("serve").unwrap();
    for option in serve.get_arguments() {
        let id = option.get_id();
        assert!(
            option.get_env().is_some() || id == "print_config",
            "{id} has no variable"
        );
    }
}

#[tokio::test]
async fn what_is_called_wrongly_ends_with_2() {
    for words in [
        &["serve", "--lanse", "2"][..],
        &["serve", "--linger", "5"],
        &["serve", "--tls-cert", "server.pem"],
        &["nonsense"],
        &[],
        &["apps", "enable"],
    ] {
        let ended = Run::new(words).end().await;
        assert_eq!(ended.status, Some(2), "{words:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{words:?}");
        assert!(!ended.err.is_empty(), "{words:?}");
    }
    let check = async |words: &[&str], parts: &[&str]| Run::new(words).end().await.failed(2, parts);
    for option in ["--lanes", "--workers"] {
        let sentence = format!("{option} is 0; it must be at least 1");
        check(&["serve", option, "0"], &[&sentence]).await;
    }
    check(
        &["serve", "--queue-bytes", "1MiB"],
        &["--queue-bytes", "--max-chunk-bytes"],
    )
    .await;
    check(&["check"], &["--database-url"]).await;
    check(
        &["serve", "--database-url", "postgres://:::"],
        &["database URL"],
    )
    .await;
    check(&["serve", "--log", "a=b=c"], &["log filter"]).await;
    check(
        &["demo", "--grpc-listen", "127.0.0.1:0"],
        &["--grpc-listen"],
    )
    .await;
    check(
        &["record", "nowhere.jsonl"],
        &["nowhere.jsonl", "name a readable file"],
    )
    .await;
    check(
        &["apps", "list", "--server", "nowhere"],
        &["http://host:9190"],
    )
    .await;
    let tls = [
        "serve",
        "--tls-cert",
        "/nowhere/server.pem",
        "--tls-key",
        "/nowhere/server.key",
    ];
    check(&tls, &["/nowhere/server.pem"]).await;
}

#[tokio::test]
async fn the_configuration_is_shown_with_its_origins_and_without_secrets() {
    let url = "postgresql://u:very-secret@127.0.0.1/d";
    let run =
        Run::new(&["serve", "--print-config", "--lanes", "3"]).env("FLOWTRAIL_DATABASE_URL", url);
    std::fs::write(
        run.directory().join(".env"),
        "FLOWTRAIL_LINGER=5ms\nFLOWTRAIL_LANES=7\n",
    )
    .unwrap();
    let out = run.end().await.done();
    let has = |line: &str| {
        assert!(
            out.lines().any(|found| found == line),
            "no {line} in\n{out}"
        );
    };
    has("FLOWTRAIL_LANES=3  # command line");
    has("FLOWTRAIL_LINGER=5ms  # environment");
    has("FLOWTRAIL_DATABASE_URL=(hidden)  # environment");
    has("FLOWTRAIL_LISTEN=127.0.0.1:9190  # default");
    has("FLOWTRAIL_GRPC_LISTEN=  # not set");
    let found = |name: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(name));
        let (number, origin) = line.and_then(|line| line.split_once("  # ")).unwrap();
        assert_eq!(origin, "found on this machine", "{name}");
        number.parse::<usize>().unwrap()
    };
    assert!((4..=16).contains(&found("FLOWTRAIL_POOL_SIZE=")), "{out}");
    assert!(found("FLOWTRAIL_WORKERS=") >= 1, "{out}");
    let queue = found("FLOWTRAIL_QUEUE_BYTES=");
    assert!((64 << 20..=1 << 30).contains(&queue), "{out}");
    assert!(!out.contains("very-secret"), "{out}");
}

#[tokio::test]
async fn larger_chunks_get_a_larger_queue_unless_one_is_given() {
    let words = ["serve", "--print-config", "--max-chunk-bytes", "64MiB"];
    let out = Run::new(&words).end().await.done();
    let line = out
        .lines()
        .find_map(|line| line.strip_prefix("FLOWTRAIL_QUEUE_BYTES="));
    let (number, _) = line.and_then(|line| line.split_once(' ')).unwrap();
    assert!(number.parse::<usize>().unwrap() >= 256 << 20, "{out}");
    let words = [&words[..], &["--queue-bytes", "128MiB"]].concat();
    let ended = Run::new(&words).end().await;
    ended.failed(2, &["--queue-bytes", "four times"]);
}

#[tokio::test]
async fn help_says_how_defaults_are_found() {
    let out = Run::new(&["serve", "--help"]).end().await.done();
    let words: Vec<&str> = out.split_whitespace().collect();
    let out = words.join(" ");
    for words in [
        "[default: one for two cores] [env: FLOWTRAIL_WORKERS=]",
        "[default: one a core, 2 to 8] [env: FLOWTRAIL_LANES=]",
        "[default: two a core, 4 to 16] [env: FLOWTRAIL_POOL_SIZE=]",
        "at most 128MiB on two cores] [env: FLOWTRAIL_QUEUE_BYTES=]",
    ] {
        assert!(out.contains(words), "no {words} in {out}");
    }
}

#[tokio::test]
async fn a_broken_env_file_is_named_without_what_it_holds() {
    let run = Run::new(&["check"]);
    std::fs::write(
        run.directory().join(".env"),
        "FLOWTRAIL_DATABASE_URL='very-secret\n",
    )
    .unwrap();
    let ended = run.end().await;
    assert!(!ended.err.contains("very-secret"), "{}", ended.err);
    ended.failed(2, &[".env", "NAME=value"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    for words in [
        &["completions", "bash"][..],
        &["migrate", "--print"],
        &["serve", "--print-config"],
        &["serve", "--help"],
    ] {
        let ended = Run::new(words).end_unread().await;
        assert_eq!((ended.status, &ended.err[..]), (Some(0), ""), "{words:?}");
    }
    let script = Run::new(&["completions", "bash"]).end().await.done();
    assert!(script.contains("complete -F _flowtrail"), "{script}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Run::new(&["serve", "--listen", &address]).end().await;
    ended.failed(1, &[&address, "choose another port"]);
    let ended = Run::new(&["apps", "list", "--server", "http://127.0.0.1:1"])
        .end()
        .await;
    ended.failed(1, &["flowtrail serve"]);
}

/// Serves on a free port: it must fail before it is ready.
fn serve(database_url: &str) -> Run {
    Run::new(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        database_url,
    ])
}

/// `url` for another role.
fn as_role(database: &support::TestDatabase, role: &str) -> String {
    let separator = if database.url.contains('?') { '&' } else { '?' };
    format!("{}{separator}options=-c%20role%3D{role}", database.url)
}
