//! The rules of the source tree that no compiler checks: who imports whom, where a protocol's crate
//! may be named, how long a file is, that every SQL file is used.

mod source;

use std::{fmt::Write, fs};

use source::{Source, files, root, sources};

/// A slice and the slices it may import; itself always. Who is not here sees everything, and may be
/// seen only by `lib`, `main` and [`WIRING`].
const IMPORTS: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("status", &[]),
    ("lifecycle", &[]),
    ("config", &[]),
    ("proto", &[]),
    ("rest", &["status"]),
    ("pg", &["config"]),
    (
        "control",
        &[
            "pg",
            "config",
            "lifecycle",
            "status",
            "proto",
            "event",
            "rest",
        ],
    ),
    (
        "ingest",
        &[
            "event",
            "pg",
            "control",
            "lifecycle",
            "status",
            "config",
            "proto",
            "rest",
        ],
    ),
    (
        "query",
        &[
            "pg",
            "config",
            "lifecycle",
            "status",
            "proto",
            "event",
            "rest",
        ],
    ),
    ("ops", &["config", "lifecycle", "status", "proto"]),
    ("server", &["config", "lifecycle", "status"]),
];

/// Wiring: sees everything. `cli` drives `app`, nobody else does.
const WIRING: &[&str] = &["cli", "app", "lib", "main"];

/// What a slice may take from another that it may import only in part.
const PARTS: &[(&str, &str, &[&str])] = &[("ingest", "control", &["Toggles"])];

/// A crate and the files that may name it: a path, or a folder ending in `/`.
const CRATES: &[(&str, &[&str])] = &[
    (
        "tonic",
        &[
            "*/grpc.rs",
            "ingest/grpc/",
            "query/grpc/",
            "server/",
            "status.rs",
            "proto.rs",
            "app.rs",
            "cli/",
        ],
    ),
    (
        "axum",
        &[
            "*/rest.rs",
            "rest.rs",
            "rest/",
            "ingest/rest/",
            "query/rest/",
            "server/",
            "ops/",
            "app.rs",
            "app/",
        ],
    ),
    (
        "tokio_postgres",
        &[
            "pg/",
            "ingest/lane/",
            "ingest/cut.rs",
            "ingest/erase.rs",
            "ingest/owners.rs",
            "ingest/skipped.rs",
            "ingest/sweep.rs",
            "cli/load/",
            "control/listen.rs",
            "control/store.rs",
            "control/error.rs",
            "query/",
        ],
    ),
    ("postgres_protocol", &["pg/direct.rs", "pg/direct/"]),
];

const MOST_LINES: usize = 400;

/// Fails with one line for every breach.
fn no_breach(breaches: &[String], rule: &str) {
    let mut text = format!("{rule}:\n");
    for breach in breaches {
        writeln!(text, "  {breach}").expect("a text grows");
    }
    assert!(breaches.is_empty(), "{text}");
}

/// The paths below `crate::` (in the program: `flowtrail::`) that the code names, with their lines:
/// `crate::{pg::Pool, proto}` names `pg::Pool` and `proto`.
fn own_paths(source: &Source) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let code: Vec<(usize, &str)> = source.code().collect();
    let prefixes: &[&str] = match source.path.as_str() {
        "main.rs" => &["crate::", "flowtrail::"],
        _ => &["crate::"],
    };
    for (at, (line, text)) in code.iter().enumerate() {
        for prefix in prefixes {
            for (offset, _) in text.match_indices(prefix) {
                let before = text[..offset].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                    continue;
                }
                let rest = &text[offset + prefix.len()..];
                let below = code[at + 1..].iter().map(|&(line, text)| (line, text));
                expand(*line, rest, below, &mut paths);
            }
        }
    }
    paths
}

/// Takes apart what follows a prefix; a brace may close some lines below.
fn expand<'a>(
    line: usize,
    rest: &'a str,
    below: impl Iterator<Item = (usize, &'a str)>,
    paths: &mut Vec<(usize, String)>,
) {
    if !rest.starts_with('{') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '{'));
        paths.push((line, rest[..end.unwrap_or(rest.len())].to_owned()));
        return;
    }
    let (mut depth, mut item, mut item_line) = (0, String::new(), line);
    for (line, text) in std::iter::once((line, rest)).chain(below) {
        for c in text.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            let splits = depth == 0 || (depth == 1 && (c == '{' || c == ','));
            if !splits {
                if item.is_empty() {
                    item_line = line;
                }
                item.extend((!c.is_whitespace()).then_some(c));
                continue;
            }
            if !item.is_empty() {
                paths.push((item_line, std::mem::take(&mut item)));
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[test]
fn slices_import_only_what_they_may() {
    let mut breaches = Vec::new();
    for source in sources() {
        let slice = source.slice();
        let allowed = IMPORTS.iter().find(|(name, _)| *name == slice);
        if allowed.is_none() && !WIRING.contains(&slice) {
            breaches.push(format!(
                "src/{}: `{slice}` is no slice; give it a line in IMPORTS",
                source.path
            ));
        }
        for (line, path) in own_paths(&source) {
            let mut parts = path.split("::");
            let target = parts.next().unwrap_or_default();
            let is_module =
                IMPORTS.iter().any(|(name, _)| *name == target) || WIRING.contains(&target);
            if target == slice || !is_module {
                continue;
            }
            let place = format!("src/{}:{line}", source.path);
            match allowed {
                Some((_, targets)) if !targets.contains(&target) => breaches.push(format!(
                    "{place}: `{slice}` may import {}, not `{target}`",
                    if targets.is_empty() {
                        "nothing of ours".to_owned()
                    } else {
                        targets.join(", ")
                    }
                )),
                None if slice == "app" && target == "cli" => {
                    breaches.push(format!("{place}: only `main` and `cli` may import `cli`"));
                }
                _ => {}
            }
            let part = PARTS
                .iter()
                .find(|(from, to, _)| *from == slice && *to == target);
            if let Some((_, _, names)) = part {
                let named = path.trim_start_matches(target);
                if !names.iter().any(|name| named.contains(name)) {
                    breaches.push(format!(
                        "{place}: of `{target}`, `{slice}` may import only {}, not `{path}`",
                        names.join(", ")
                    ));
                }
            }
        }
    }
    no_breach(&breaches, "the import map of ARCHITECTURE.md is broken");
}

#[test]
fn crates_of_an_edge_stay_at_that_edge() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (name, places) in CRATES {
            let allowed = places.iter().any(|place| match place.strip_prefix('*') {
                Some(end) => source.path.ends_with(end),
                None if place.ends_with('/') => source.path.starts_with(place),
                None => source.path == *place,
            });
            if allowed {
                continue;
            }
            for (line, text) in source.code() {
                if names_crate(text, name) {
                    breaches.push(format!(
                        "src/{}:{line}: `{name}` may be named only in {}",
                        source.path,
                        places.join(", ")
                    ));
                }
            }
        }
    }
    no_breach(
        &breaches,
        "a protocol or the database leaks out of its edge",
    );
}

/// Whether the code names something of this crate; `tonic_health::` is not `tonic::`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && (after.starts_with("::")
                || (code.trim_start().starts_with("use ") && after.starts_with(';')))
    })
}

#[test]
fn no_file_is_too_long() {
    let breaches: Vec<_> = sources()
        .iter()
        .map(|source| (&source.path, source.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| {
            format!("src/{path}: {lines} lines, {MOST_LINES} at most; find its seam")
        })
        .collect();
    no_breach(&breaches, "a file wants a seam");
}

#[test]
fn every_sql_file_is_named_and_used() {
    let mut breaches = Vec::new();
    let code: String = sources().into_iter().map(|source| source.text).collect();
    let folder = root().join("sql");
    for path in files(&folder, "sql") {
        let name = path.strip_prefix(&folder).expect("under sql");
        let name = name.to_str().expect("a plain name").replace('\\', "/");
        let text = fs::read_to_string(&path).expect("an SQL file");
        let plain = name.trim_end_matches(".sql").replace("__", " ");
        let header = text
            .strip_prefix("-- ")
            .and_then(|rest| rest.split_once(':'))
            .is_some_and(|(named, _)| plain == named || plain.ends_with(&format!("/{named}")));
        if !header {
            breaches.push(format!(
                "sql/{name}:1: has to begin with `-- {plain}:` and say what it does"
            ));
        }
        // Written out, or put together by a macro `sql!` for the files of one folder.
        let (place, stem) = plain.rsplit_once('/').unwrap_or_default();
        let used = code.contains(&format!("sql/{name}\""))
            || (code.contains(&format!("sql/{place}/\", $name"))
                && code.contains(&format!("sql!(\"{stem}\")")));
        if !used {
            breaches.push(format!(
                "sql/{name}: no include_str! of it in src/; use or remove it"
            ));
        }
    }
    no_breach(&breaches, "an SQL file is not what it seems");
}

#[test]
fn the_rules_see_what_they_are_about() {
    let source = Source {
        path: "pg/pool.rs".to_owned(),
        text: "use crate::{\n    config::Database, // crate::cli\n    proto::{Ack, Chunk},\n    app,\n};\n\
               fn f(s: crate::status::Code) {} // crate::ingest\n"
            .to_owned(),
    };
    let paths = own_paths(&source);
    let expected = [
        (2, "config::Database"),
        (3, "proto::{Ack,Chunk}"),
        (4, "app"),
        (6, "status::Code"),
    ];
    assert_eq!(paths, expected.map(|(line, path)| (line, path.to_owned())));
    assert!(names_crate("use tonic::Status;", "tonic"));
    assert!(names_crate("    let x: tonic::Code = y;", "tonic"));
    assert!(!names_crate("use tonic_health::pb;", "tonic"));
}
