//! A `config.json` of the engines' own state service, taken as it is.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use flowtrail::config::FlogoConfig;
use serde_json::{Value, json};
use tokio_postgres::config::Host;

use crate::support::{self, Program, Run, Stream, TestDatabase, free_address, hello, step};

/// What the service needs to reach `database`, as its own sample has it.
fn config(database: &TestDatabase) -> Value {
    let url: tokio_postgres::Config = database.url.parse().unwrap();
    let host = match &url.get_hosts()[0] {
        Host::Tcp(host) => host.clone(),
        Host::Unix(directory) => directory.display().to_string(),
    };
    let password = url.get_password().unwrap_or_default();
    json!({
        "exposeRecorder": true,
        "port": "9190",
        "persistence": {
            "type": "postgres",
            "name": "history",
            "description": "",
            "host": host,
            "port": url.get_ports().first().unwrap_or(&5432).to_string(),
            "databaseName": database.name,
            "user": url.get_user().unwrap_or_default(),
            "password": String::from_utf8_lossy(password),
            "maxopenconnection": "0",
            "maxidleconnection": "2",
            "connmaxlifetime": "0",
            "maxconnectattempts": "3",
            "connectionretrydelay": "5",
            "tlsEnable": false,
            "tlsMode": "VerifyCA",
            "cacert": "", "clientcert": "", "clientkey": ""
        }
    })
}

/// `words` with `config` in a file of the directory they run in.
fn with(config: &Value, words: &[&str]) -> Run {
    let run = Run::new(&[words, &["--flogo-config", "config.json"]].concat());
    fs::write(run.directory().join("config.json"), config.to_string()).unwrap();
    run
}

/// The lines of `serve --print-config`.
async fn printed(config: &Value, more: &[&str]) -> String {
    let words = [&["serve", "--print-config"], more].concat();
    with(config, &words).end().await.done()
}

#[tokio::test]
async fn the_file_alone_is_enough_to_check_migrate_and_serve() {
    let database = support::empty_database().await;
    let client = database.client().await;
    let role = format!("{}_role", database.name);
    let password = r#"a b 'c' \d "e" ${x} %20@/:?"#;
    let sql = format!(
        "create role {role} login superuser password '{}'",
        password.replace('\'', "''")
    );
    client.batch_execute(&sql).await.unwrap();
    let mut config = config(&database);
    config["persistence"]["user"] = json!(role);
    config["persistence"]["password"] = json!(password);
    let address = free_address();
    config["port"] = json!(address.port());

    let checked = with(&config, &["check"]).end().await;
    assert!(
        checked.out.contains("run `flowtrail migrate`"),
        "{checked:?}"
    );
    let migrated = with(&config, &["migrate"]).end().await;
    assert!(
        migrated.err.contains("the schema is current"),
        "{migrated:?}"
    );
    migrated.done();

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    fs::write(&file, config.to_string()).unwrap();
    let flags = ["--flogo-config", &file.display().to_string()];
    let mut program = Program::serve_on(address, &flags).await;
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    stream.chunk([step("i", 0)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    assert_eq!(program.terminate().await, Some(0));
    let said = program.said();
    assert!(
        said.contains("keys without a meaning here: persistence.maxidle"),
        "{said}"
    );
    assert!(!said.contains(password), "{said}");
    client
        .batch_execute(&format!("drop owned by {role}; drop role {role}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn flags_and_variables_win_over_the_file() {
    let database = support::database().await;
    let mut config = config(&database);
    config["port"] = json!(9777);
    config["persistence"]["maxopenconnection"] = json!("7");
    let has = |out: &str, line: &str| {
        assert!(
            out.lines().any(|found| found == line),
            "no {line} in\n{out}"
        );
    };
    let out = printed(&config, &[]).await;
    has(&out, "FLOWTRAIL_LISTEN=0.0.0.0:9777  # --flogo-config");
    has(&out, "FLOWTRAIL_POOL_SIZE=7  # --flogo-config");
    has(&out, "FLOWTRAIL_EXPOSE_RECORDER=true  # --flogo-config");
    has(&out, "FLOWTRAIL_STREAMING_STEP=false  # --flogo-config");
    has(&out, "FLOWTRAIL_DATABASE_URL=(hidden)  # --flogo-config");
    has(&out, "FLOWTRAIL_BATCH_ROWS=10000  # default");
    has(&out, "FLOWTRAIL_FLOGO_CONFIG=config.json  # command line");

    let out = printed(&config, &["--pool-size", "9", "--listen", "127.0.0.1:1"]).await;
    has(&out, "FLOWTRAIL_LISTEN=127.0.0.1:1  # command line");
    has(&out, "FLOWTRAIL_POOL_SIZE=9  # command line");

    let run = with(&config, &["serve", "--print-config"]);
    let env = "FLOWTRAIL_DATABASE_URL_FILE=url\nFLOWTRAIL_POOL_SIZE=3\n";
    fs::write(run.directory().join(".env"), env).unwrap();
    let out = run.end().await.done();
    has(&out, "FLOWTRAIL_POOL_SIZE=3  # environment");
    has(&out, "FLOWTRAIL_DATABASE_URL_FILE=url  # environment");
    has(&out, "FLOWTRAIL_DATABASE_URL=  # not set");

    let memory = json!({"port": 9190, "persistence": {"type": "memory"}});
    let given = ["check", "--database-url", &database.url];
    with(&memory, &given).end().await.done();
}

#[tokio::test]
async fn keys_that_are_not_known_are_named_once() {
    let database = support::database().await;
    let mut config = config(&database);
    config["exposeRecoder"] = json!(true);
    config["persistence"]["Host"] = json!("elsewhere");
    config["persistence"]["sslmode"] = json!("require");
    let ended = with(&config, &["check"]).end().await;
    let named = "keys that are not known are left out: exposeRecoder, persistence.Host, persistence.sslmode";
    assert_eq!(ended.err.matches(named).count(), 1, "{}", ended.err);
    ended.done();
}

#[tokio::test]
async fn what_cannot_be_meant_is_named_with_what_it_must_be() {
    let database = support::database().await;
    let good = config(&database);
    for (place, value, said) in [
        (
            "/port",
            json!("http"),
            "port must be a number from 1 to 65535",
        ),
        ("/port", json!(0), "port must be a number"),
        ("/port", json!([9190]), "port must be a number"),
        (
            "/exposeRecorder",
            json!(1),
            "exposeRecorder is a number; it must be true or false",
        ),
        ("/enableTLS", json!(true), "certFile is missing"),
        (
            "/persistence",
            json!([]),
            "persistence is a list; it must be an object",
        ),
        (
            "/persistence/type",
            json!("dynamodb"),
            "persistence.type must be `postgres`",
        ),
        (
            "/persistence/host",
            json!(""),
            "persistence.host is missing",
        ),
        (
            "/persistence/port",
            json!("70000"),
            "persistence.port must be a number",
        ),
        (
            "/persistence/user",
            json!(null),
            "persistence.user is missing",
        ),
        (
            "/persistence/password",
            json!(4711),
            "persistence.password is a number; it must be a text",
        ),
        (
            "/persistence/maxopenconnection",
            json!("many"),
            "persistence.maxopenconnection must be a whole number",
        ),
        (
            "/persistence/tlsEnable",
            json!(true),
            "persistence.cacert is missing",
        ),
        (
            "/persistence/type",
            json!("memory"),
            "history is kept in PostgreSQL",
        ),
        ("/persistence", json!({}), "history is kept in PostgreSQL"),
    ] {
        let mut config = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value.clone();
        for command in [
            &["serve"][..],
            &["migrate"],
            &["check"],
            &["spool", "drain"],
        ] {
            let ended = with(&config, command).end().await;
            assert!(!ended.err.contains("4711"), "{}", ended.err);
            ended.failed(2, &["--flogo-config config.json: ", said]);
        }
    }
    let missing = Run::new(&["check", "--flogo-config", "nowhere.json"]);
    missing
        .end()
        .await
        .failed(2, &["nowhere.json", "name a readable file"]);
    let broken = Run::new(&["check", "--flogo-config", "config.json"]);
    let file = broken.directory().join("config.json");
    fs::write(file, "{\n  \"password\": \"very-secret\n}").unwrap();
    let broken = broken.end().await;
    assert!(!broken.err.contains("very-secret"), "{}", broken.err);
    broken.failed(2, &["it is no JSON; correct line 3"]);
}

#[tokio::test]
async fn certificates_inside_the_file_are_put_where_only_this_user_reads_them() {
    let database = support::database().await;
    let mut config = config(&database);
    let authority = rcgen::generate_simple_self_signed(["db.example".to_owned()]).unwrap();
    let pem = authority.cert.pem();
    let packed = |text: &str| {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(text)
    };
    let section = &mut config["persistence"];
    section["tlsEnable"] = json!(true);
    section["tlsMode"] = json!("one-way");
    section["cacert"] = json!(pem);
    section["clientcert"] = json!(packed(&pem));
    section["clientkey"] = json!(packed(&authority.signing_key.serialize_pem()));

    let run = with(&config, &["check", "--data-dir", "kept here"]);
    // That server speaks no TLS; what counts is that it was asked to.
    let (ended, directory) = run.end_and_keep().await;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(ended.out.contains("TLS"), "{}", ended.out);
    let folder = directory.path().join("kept here/flogo-config");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["cacert.pem", "clientcert.pem", "clientkey.pem"] {
        let path = folder.join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN"), "{name}: {text}");
    }
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "kept here"]);
}

#[test]
fn what_the_recorder_and_the_stream_are_told_is_off_unless_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let options = |config: Value| {
        fs::write(&file, config.to_string()).unwrap();
        let config = FlogoConfig::read(&file).unwrap();
        config.options(Path::new("data"))
    };
    let said = |name: &'static str, value: &str| (name, value.to_owned());
    assert_eq!(
        options(json!({})),
        [
            said("expose_recorder", "false"),
            said("streaming_step", "false")
        ]
    );
    let all = json!({
        "exposeRecorder": true, "streamingStep": "true", "port": "9190",
        "enableTLS": true, "certFile": "a.pem", "keyFile": "/b.pem",
        "persistence": {
            "type": "postgres", "host": "db", "port": 5433, "databaseName": "it's", "user": "u",
            "maxopenconnection": 500, "tlsEnable": true, "tlsMode": "VERIFYFULL", "cacert": "ca.pem"
        }
    });
    assert_eq!(
        options(all),
        [
            said("expose_recorder", "true"),
            said("streaming_step", "true"),
            said("listen", "0.0.0.0:9190"),
            said("tls_cert", "a.pem"),
            said("tls_key", "/b.pem"),
            said(
                "database_url",
                r"host='db' dbname='it\'s' user='u' port='5433' sslmode='verify-full' sslrootcert='ca.pem'"
            ),
            said("pool_size", "32"),
        ]
    );
}
