//! What `flowtrail check` finds.

use flowtrail::{
    cli::{check, output::Output},
    config::Database,
    pg::{self, Connector, Finding, Level},
};

use super::{
    connects, primary,
    server::{PASSWORD, Servers},
    settings,
};

#[tokio::test]
async fn the_check_finds_what_is_missing() {
    let servers = Servers::shared().await;
    let admin = connects(&primary(&servers, "")).await;
    let execute = async |sql: &str| admin.batch_execute(sql).await.expect(sql);
    execute("create database checked").await;
    execute("create role dave login").await;
    execute(&format!(
        "alter role dave password '{}'",
        PASSWORD.replace('\'', "''")
    ))
    .await;
    let look = async |words: &str| {
        let url = primary(&servers, &format!("dbname=checked {words}"));
        let connector = Connector::new(&url, &settings()).expect("a good URL");
        pg::check(&connector, 5).await.expect("the inquiry works")
    };
    let level = |findings: &[Finding], subject: &str| {
        let finding = findings.iter().find(|finding| finding.subject == subject);
        finding
            .unwrap_or_else(|| panic!("nothing on {subject}"))
            .level
    };

    let findings = look("").await;
    assert_eq!(level(&findings, "table steps"), Level::Failure);
    assert_eq!(level(&findings, "schema flowtrail"), Level::Failure);
    assert_eq!(level(&findings, "fsync"), Level::Warning);

    let owner = connects(&primary(&servers, "dbname=checked")).await;
    let url = primary(&servers, "dbname=checked");
    let connector = Connector::new(&url, &settings()).expect("a good URL");
    let migrated = pg::migrate::migrate(&connector, |_| ()).await;
    migrated.expect("an empty database can be migrated");
    let findings = look("").await;
    assert!(
        findings
            .iter()
            .all(|finding| finding.level < Level::Failure),
        "{findings:#?}"
    );

    execute("revoke temporary on database checked from public").await;
    let grants = "grant select, insert, update, delete on public.flowstate to dave; grant select on public.steps to dave";
    owner.batch_execute(grants).await.expect("grants");
    let findings = look("user=dave").await;
    assert_eq!(level(&findings, "temporary tables"), Level::Failure);
    assert_eq!(level(&findings, "create on database"), Level::Warning);
    assert_eq!(level(&findings, "table flowstate"), Level::Ok);
    assert_eq!(level(&findings, "schema flowtrail"), Level::Failure);
    assert_eq!(level(&findings, "trigger on appstate"), Level::Warning);
    let steps = findings
        .iter()
        .find(|finding| finding.subject == "table steps");
    let remedy = steps.and_then(|finding| finding.remedy.as_deref());
    assert_eq!(
        remedy,
        Some("grant insert, update, delete on public.steps to the role")
    );

    let url = primary(&servers, "port=1");
    let called = check::Args {
        database: Database {
            database_url: Some(url.clone()),
            ..settings()
        },
        lanes: 2,
        data_dir: "flowtrail-data".into(),
        output: Output::Json,
    };
    let error = check::run(called).await;
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.contains("1 of 1 findings"), "{error}");
    let away = Connector::new(&url, &settings()).expect("a good URL");
    let findings = pg::check(&away, 5).await.expect("a finding");
    assert_eq!(level(&findings, "connection"), Level::Failure);
    let standby = format!(
        "hostaddr=127.0.0.1 dbname=postgres port={}",
        servers.standby.port
    );
    let findings = look(&standby).await;
    assert_eq!(level(&findings, "writes"), Level::Failure);
}
