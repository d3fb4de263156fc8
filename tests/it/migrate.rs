//! The schema: made, upgraded in place, printed.

use flowtrail::pg::migrate::{self, State};

use crate::support;

#[tokio::test]
async fn an_empty_database_gets_the_schema_once() {
    let database = support::empty_database().await;
    let client = database.client().await;
    assert_eq!(migrate::state(&client).await.unwrap(), State::Empty);

    let mut told = Vec::new();
    let first = migrate::migrate(&database.connector(), |line| told.push(line.to_owned()))
        .await
        .unwrap();
    assert_eq!(first.state, State::Current);
    assert_eq!(first.applied, told);
    assert_eq!(
        first.applied,
        [
            "migration 1 public_tables",
            "migration 2 own_schema",
            "migration 3 toggle_trigger",
            "index flowtrail_flowstate_by_app",
            "index flowtrail_flowstate_by_original",
        ]
    );
    assert_eq!(migrate::state(&client).await.unwrap(), State::Current);

    let second = migrate::migrate(&database.connector(), |line| panic!("{line}"))
        .await
        .unwrap();
    assert_eq!(second.applied, [""; 0]);
}
