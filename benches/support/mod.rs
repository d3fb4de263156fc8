//! What the benches have in common: a server in this process, over the embedded PostgreSQL with its
//! durable defaults, and numbers from the environment.

mod number;

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use clap::Parser as _;
use flowtrail::{
    app::{self, Running},
    config::Config,
};

pub(crate) use number::number;

#[derive(clap::Parser)]
struct Options {
    #[command(flatten)]
    config: Config,
}

/// Starts a server on a free port, lets `measure` use it, and stops it; its data is gone afterwards.
pub(crate) async fn with_server(
    measure: impl AsyncFnOnce(&Running) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new()
        .prefix("flowtrail-bench-")
        .tempdir()?;
    // PostgreSQL runs under an account of its own when we are root
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    let data = directory.path().join("data");
    let words = ["serve", "--listen", "127.0.0.1:0", "--data-dir"];
    let words = words
        .into_iter()
        .map(Into::into)
        .chain([data.into_os_string()]);
    let service = app::start(Options::try_parse_from(words)?.config).await?;
    let measured = measure(&service).await;
    service.stop().await?;
    measured
}
