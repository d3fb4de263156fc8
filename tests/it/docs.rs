//! What the pages say is what the program does.

use std::{collections::BTreeSet, fmt::Write as _};

use clap::Parser as _;
use flowtrail::cli::Cli;

use crate::support::{self, Stream, hello, http, step};

/// The lines of a page's code blocks, those that end in a backslash joined with the next.
fn code(page: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let (text, more) = line
                .strip_suffix('\\')
                .map_or((line, false), |text| (text, true));
            match lines.last_mut().filter(|_| goes_on) {
                Some(last) => *last += text,
                None => lines.push(text.to_owned()),
            }
            goes_on = more;
        }
    }
    lines
}

/// The words of a shell's line, up to a comment; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (None, '#' | '|' | '>') => break,
            _ => words.last_mut().expect("at least one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_line_of_a_page_is_understood() {
    let pages = [
        ("README.md", include_str!("../../README.md")),
        ("CONTRIBUTING.md", include_str!("../../CONTRIBUTING.md")),
        (
            "docs/durability.md",
            include_str!("../../docs/durability.md"),
        ),
        ("docs/migrating.md", include_str!("../../docs/migrating.md")),
        (
            "clients/go/example/README.md",
            include_str!("../../clients/go/example/README.md"),
        ),
    ];
    let mut found = 0;
    for (page, text) in pages {
        for line in code(text) {
            let words = words(&line);
            if words.first().is_none_or(|word| word != "flowtrail") {
                continue;
            }
            found += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{page}: {line}: {error}");
            }
        }
    }
    assert!(found >= 8, "{found} command lines were found");
}

#[test]
fn every_target_of_make_that_a_page_names_is_there() {
    let makefile = include_str!("../../Makefile");
    for page in [
        include_str!("../../README.md"),
        include_str!("../../CONTRIBUTING.md"),
    ] {
        for line in code(page) {
            if let [make, target, ..] = &words(&line)[..]
                && make == "make"
            {
                assert!(makefile.contains(&format!("\n{target}: ## ")), "{line}");
            }
        }
    }
    assert!(include_str!("../../.ci/run").contains("make test"));
}

/// Dashboards and alarms name metrics: a change here is a change for their owners.
#[tokio::test]
async fn the_metrics_are_those_of_the_list() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    // a refused row and a refused stream, since what never happened is not shown
    let odd = "alter table public.steps add check (stepid <> '13')";
    database.client().await.batch_execute(odd).await.unwrap();
    stream.chunk([step("i", 0), step("i", 13)]).await;
    stream.finish().await;
    let mut rude = Stream::open(service.local_addr()).await;
    rude.chunk([]).await;
    rude.next().await.expect_err("no hello");
    let (_, text) = http(service.local_addr(), "/metrics")
        .await
        .expect("it answers");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut list = String::new();
    for line in types.collect::<BTreeSet<_>>() {
        let _ = writeln!(list, "{line}");
    }
    let expected = include_str!("../fixtures/metrics.txt");
    assert_eq!(
        list, expected,
        "tests/fixtures/metrics.txt is no longer what /metrics says"
    );
    service.stop().await.unwrap();
}
