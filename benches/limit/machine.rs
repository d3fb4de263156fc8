//! What it was measured on.

use std::{fmt::Write as _, fs};

use crate::rig::Service;

/// The machine, the versions and PostgreSQL's settings, as Markdown.
pub(crate) async fn describe(service: &Service) -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let client = service.pool.get().await?;
    let version: String = client.query_one("show server_version", &[]).await?.get(0);
    let mut text = format!(
        "| | |\n| --- | --- |\n| processor | {cores} cores of {} |\n| memory | {} |\n| system | Linux {} |\n\
         | flowtrail | {} |\n| PostgreSQL | {version} |\n",
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        env!("CARGO_PKG_VERSION"),
    );
    let settings = "select name, pg_catalog.current_setting(name) from pg_catalog.unnest(array['fsync', 'full_page_writes',
        'synchronous_commit', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'wal_compression', 'wal_buffers']) name";
    for row in client.query(settings, &[]).await? {
        let (name, value): (&str, &str) = (row.get(0), row.get(1));
        writeln!(text, "| `{name}` | {value} |")?;
    }
    Ok(text)
}

/// What stands behind the first `name :` of a file.
fn line(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_once(':'));
    line.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}
