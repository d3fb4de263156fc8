//! `--flogo-config`: what the file says stands under flags and variables, as defaults do.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ArgMatches, Command, CommandFactory as _, parser::ValueSource};

use super::{Cli, Usage};
use crate::config::{Database, FlogoConfig};

/// Options that mean the same thing: when one of them is given, the file says nothing about any.
const TOGETHER: [&[&str]; 2] = [
    &["database_url", "database_url_file"],
    &["tls_cert", "tls_key"],
];

/// The program's command with the file's words as its defaults, and what `words` say under it. A
/// line that cannot be understood ends the process with clap's words and status 2.
///
/// # Errors
/// [`Usage`] when the file is wrong, or names no database and nothing else does.
pub fn matches(words: impl IntoIterator<Item = OsString>) -> anyhow::Result<(Command, ArgMatches)> {
    let words: Vec<OsString> = words.into_iter().collect();
    let understand = |command: &Command| {
        let matches = command.clone().try_get_matches_from(&words);
        matches.unwrap_or_else(|error| error.exit())
    };
    let command = Cli::command();
    let matches = understand(&command);
    let (mut names, mut given) = (Vec::new(), &matches);
    while let Some((name, inner)) = given.subcommand() {
        names.push(name);
        given = inner;
    }
    let path = given.try_get_one::<PathBuf>("flogo_config");
    let Ok(Some(path)) = path else {
        return Ok((command, matches));
    };
    let file = read(path)?;
    let given_by_hand = |id: &str| {
        let known = given.try_contains_id(id).is_ok();
        let source = known.then(|| given.value_source(id)).flatten();
        matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    if let Some(problem) = file.no_database()
        && !TOGETHER[0].iter().any(|id| given_by_hand(id))
    {
        return Err(Usage::error(format!(
            "--flogo-config {}: {problem}, and history is kept in PostgreSQL; describe a database \
             there with `\"type\": \"postgres\"`, give --database-url, or leave --flogo-config out \
             for the embedded PostgreSQL",
            path.display()
        )));
    }
    let data_dir = given.try_get_one::<PathBuf>("data_dir");
    let data_dir = data_dir.ok().flatten().map_or(Path::new(""), |dir| dir);
    let mut options = file.options(data_dir);
    options.retain(|(id, _)| {
        let group = TOGETHER.iter().find(|group| group.contains(id));
        !group.is_some_and(|group| group.iter().any(|id| given_by_hand(id)))
    });
    let change = |mut command: Command| {
        for (id, value) in options {
            if command.get_arguments().any(|option| option.get_id() == id) {
                command = command.mut_arg(id, |option| option.default_value(value));
            }
        }
        command
    };
    let command = within(command, &names, Box::new(change));
    let matches = understand(&command);
    Ok((command, matches))
}

/// The command with a change of the one that `names` lead to.
fn within(
    command: Command,
    names: &[&str],
    change: Box<dyn FnOnce(Command) -> Command + '_>,
) -> Command {
    match names {
        [] => change(command),
        [name, inner @ ..] => {
            command.mut_subcommand(name, |command| within(command, inner, change))
        }
    }
}

/// What the file says.
///
/// # Errors
/// [`Usage`] that names the key and what it must be.
pub fn read(path: &Path) -> anyhow::Result<FlogoConfig> {
    FlogoConfig::read(path).map_err(|problem| {
        let path = path.display();
        Usage::error(format!("--flogo-config {path}: {problem}"))
    })
}

/// Says what is to be said about the file and makes ready what it brings along, if one was given.
///
/// # Errors
/// As [`read`], and when a certificate that stands inside it cannot be put under `data_dir`.
pub fn apply(
    database: &Database,
    data_dir: &Path,
    mut say: impl FnMut(&str),
) -> anyhow::Result<()> {
    let Some(path) = &database.flogo_config else {
        return Ok(());
    };
    let file = read(path)?;
    for note in file.notes() {
        say(&format!("--flogo-config: {note}"));
    }
    file.write_certificates(data_dir)
        .context("a certificate of --flogo-config cannot be put under --data-dir")
}
