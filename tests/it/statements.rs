//! Every statement of `sql/` fits the schema: PostgreSQL prepares it on a migrated database.

use std::{fs, path::Path};

use crate::support;

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let database = support::database().await;
    let client = database.client().await;
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    for stage in ["stage_steps", "stage_flows"] {
        let statement = fs::read_to_string(sql.join(format!("ingest/{stage}.sql"))).unwrap();
        client.batch_execute(&statement).await.unwrap();
    }
    let mut prepared = 0;
    for folder in ["check", "control", "demo", "ingest", "load", "query"] {
        for file in fs::read_dir(sql.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let statement = fs::read_to_string(&path).unwrap();
            if let Err(error) = client.prepare(&statement).await {
                panic!("{}: {error:?}", path.display());
            }
            prepared += 1;
        }
    }
    assert!(prepared > 60, "{prepared} statements were found");
}
