//! Whatever comes from outside, any bytes at all: they are read, or refused in a sentence; nothing
//! panics, hangs or grows.
//!
//! A target is a function over bytes. It is given the files of `tests/fixtures/fuzz/NAME` first, then
//! what chance makes of them and chance alone. An input that failed once belongs there as a file.
//! `PROPTEST_CASES=1000000 cargo test --test it fuzz` looks longer.

mod bodies;
mod events;
mod texts;

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

/// Cases of a target unless `PROPTEST_CASES` asks for more.
const CASES: u32 = 2_000;
/// An input that takes longer than this hangs.
const HANG: Duration = Duration::from_mins(1);

fn config() -> Config {
    let default = Config::default();
    Config {
        cases: default.cases.max(CASES),
        // what failed becomes a file of the corpus, or a test
        failure_persistence: None,
        ..default
    }
}

/// A change of an input.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    /// A stretch of it, once more and often.
    Repeat(Index, Index, usize),
    /// A stretch of another input.
    Splice(Index, Index, Index),
    Cut(Index),
}

fn edit(words: &'static [&'static str]) -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let odd = prop::sample::select(&[0, 1, 0x0a, b'"', b'{', b'}', 0x7f, 0x80, 0xc3, 0xff][..]);
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..12),
        prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
    ];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), odd).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), piece).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), at()).prop_map(|(at, end)| Edit::Remove(at, end)),
        (at(), at(), 2..40_usize).prop_map(|(at, end, times)| Edit::Repeat(at, end, times)),
        (at(), at(), at()).prop_map(|(at, of, from)| Edit::Splice(at, of, from)),
        at().prop_map(Edit::Cut),
    ]
}

impl Edit {
    fn make(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
        let stretch = |at: &Index, end: &Index, input: &[u8]| {
            let (a, b) = (place(at, input), place(end, input));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Flip(at, bit) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] ^= 1 << bit;
            }
            Self::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Self::Flip(..) | Self::Set(..) => {}
            Self::Insert(at, bytes) => {
                let at = place(at, input);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, end) => drop(input.drain(stretch(at, end, input))),
            Self::Repeat(at, end, times) => {
                let stretch = stretch(at, end, input);
                // enough to be deep or long, and not to be slow
                let times = (*times).min((64 << 10) / stretch.len().max(1));
                let more = input[stretch.clone()].repeat(times);
                input.splice(stretch.end..stretch.end, more);
            }
            Self::Splice(at, of, from) => {
                let of = &seeds[of.index(seeds.len())];
                let (at, from) = (place(at, input), place(from, of));
                input.splice(at..at, of[from..].iter().copied());
            }
            Self::Cut(at) => input.truncate(place(at, input)),
        }
    }
}

/// The checked-in inputs of a target with the names of their files.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/fuzz")
        .join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no seeds", folder.display());
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

/// Gives `target` the corpus of `name` with `more` seeds, and what is made of them with `words` that
/// mean something to it.
fn fuzz(
    name: &str,
    more: Vec<Vec<u8>>,
    words: &'static [&'static str],
    target: fn(&[u8]) -> Result<(), TestCaseError>,
) {
    let now = Arc::new(Mutex::new(Vec::new()));
    let (ended, end) = mpsc::channel();
    let noted = Arc::clone(&now);
    let corpus = corpus(name);
    let tries = thread::spawn(move || {
        let failure = tries(&corpus, more, words, |input| {
            input.clone_into(&mut noted.lock().unwrap_or_else(PoisonError::into_inner));
            let _ = ended.send(());
            target(input)
        });
        drop(ended);
        failure
    });
    loop {
        match end.recv_timeout(HANG) {
            Ok(()) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let input = now.lock().unwrap_or_else(PoisonError::into_inner);
                panic!("{name} hangs on {}", shown(&input));
            }
        }
    }
    if let Some(failure) = tries.join().expect("failures are caught") {
        panic!("{name}: {failure}");
    }
}

/// Tries everything; answers with what failed first.
fn tries(
    corpus: &[(PathBuf, Vec<u8>)],
    more: Vec<Vec<u8>>,
    words: &'static [&'static str],
    target: impl Fn(&[u8]) -> Result<(), TestCaseError>,
) -> Option<String> {
    let target = |input: &[u8]| {
        let tried = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
        tried.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(TestCaseError::fail(format!("it panics: {said:?}")))
        })
    };
    for (path, input) in corpus {
        if let Err(failure) = target(input) {
            return Some(format!("{}: {failure}", path.display()));
        }
    }
    let seeds: Vec<_> = corpus.iter().map(|(_, input)| input.clone()).collect();
    let seeds: Vec<_> = seeds.into_iter().chain(more).collect();
    let mut runner = TestRunner::new(config());
    let edits = (any::<Index>(), prop::collection::vec(edit(words), 0..6));
    let strategy = prop_oneof![
        8 => edits.prop_map(|(seed, edits)| (Some(seed), edits, Vec::new())),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| (None, Vec::new(), bytes)),
        1 => prop::collection::vec(prop::sample::select(words), 0..20)
            .prop_map(|words| (None, Vec::new(), words.concat().into_bytes())),
    ];
    let input = |(seed, edits, bytes): &(Option<Index>, Vec<Edit>, Vec<u8>)| {
        let mut input = seed.map_or_else(
            || bytes.clone(),
            |seed| seeds[seed.index(seeds.len())].clone(),
        );
        for edit in edits {
            edit.make(&mut input, &seeds);
        }
        input
    };
    match runner.run(&strategy, |case| target(&input(&case))) {
        Ok(()) => None,
        Err(TestError::Fail(reason, case)) => Some(format!(
            "{reason}\n  of {}\n  keep it as a file of tests/fixtures/fuzz",
            shown(&input(&case))
        )),
        Err(TestError::Abort(reason)) => Some(reason.to_string()),
    }
}

/// An input in letters, shortened in its middle.
fn shown(input: &[u8]) -> String {
    const ENDS: usize = 600;
    if input.len() <= 2 * ENDS {
        return format!("b\"{}\"", input.escape_ascii());
    }
    let (begin, end) = (&input[..ENDS], &input[input.len() - ENDS..]);
    format!(
        "b\"{}\" ... {} bytes ... b\"{}\"",
        begin.escape_ascii(),
        input.len() - 2 * ENDS,
        end.escape_ascii()
    )
}

/// A refusal has to be short whatever the input is, as it goes into answers and logs, and on one line.
fn sentence(text: &str) -> Result<(), TestCaseError> {
    prop_assert!(!text.is_empty());
    prop_assert!(text.len() <= 1_000, "{} bytes: {text:.200}...", text.len());
    prop_assert!(!text.contains('\n'), "{text}");
    Ok(())
}

/// A target that fails has to be seen to.
#[test]
fn a_panic_and_a_failure_are_found() {
    let corpus = vec![(PathBuf::from("seed"), b"seed".to_vec())];
    let failing = |when: fn(&[u8]) -> Result<(), TestCaseError>| {
        tries(&corpus, Vec::new(), &["word"], when).unwrap_or_default()
    };
    let panics = failing(|input| {
        assert!(!input.contains(&b'w'), "no such letter");
        Ok(())
    });
    assert!(panics.contains("it panics"), "{panics}");
    assert!(panics.contains("no such letter"), "{panics}");
    let fails = failing(|input| {
        prop_assert!(input.len() < 9);
        Ok(())
    });
    assert!(fails.contains("keep it as a file"), "{fails}");
    let known = failing(|_| Err(TestCaseError::fail("always")));
    assert!(
        known.starts_with("seed: ") && known.ends_with("always"),
        "{known}"
    );
    assert_eq!(failing(|_| Ok(())), "");
}
