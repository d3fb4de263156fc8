use proptest::prelude::*;

use super::*;

fn drain(turns: &mut Turns<char, u32>) -> Vec<u32> {
    std::iter::from_fn(|| turns.pop().map(|(_, item)| item)).collect()
}

#[test]
fn one_key_is_a_plain_queue() {
    let mut turns = Turns::default();
    for item in 0..100 {
        turns.push(&'a', TURN_BYTES / 3, item);
    }
    assert!(!turns.several());
    assert_eq!(drain(&mut turns), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_quiet_key_waits_for_one_turn_of_a_busy_one() {
    let mut turns = Turns::default();
    for item in 0..100 {
        turns.push(&'b', TURN_BYTES / 2, item);
    }
    assert_eq!(turns.pop(), Some((Some('b'), 0)));
    turns.push(&'q', 10, 1_000);
    assert!(turns.several());
    let items = drain(&mut turns);
    let at = items.iter().position(|item| *item == 1_000);
    assert_eq!(at, Some(1));
}

#[test]
fn turns_are_of_bytes_whatever_the_size_of_items() {
    let mut turns = Turns::default();
    for item in 0..40 {
        turns.push(&'l', TURN_BYTES * 4, item);
    }
    for item in 0..4_000 {
        turns.push(&'s', TURN_BYTES / 10, 1_000 + item);
    }
    let first: Vec<_> = std::iter::from_fn(|| turns.pop()).take(500).collect();
    let large = first.iter().filter(|(key, _)| *key == Some('l')).count();
    assert!((10..=14).contains(&large), "{large} large of 500");
}

#[derive(Clone, Debug)]
enum Deed {
    Push(char, usize),
    Behind,
    Pop,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => (prop::sample::select(vec!['a', 'b', 'c']), 0..TURN_BYTES * 3)
            .prop_map(|(key, bytes)| Deed::Push(key, bytes)),
        1 => Just(Deed::Behind),
        4 => Just(Deed::Pop),
    ]
}

proptest! {
    /// Every item comes out once, those of a key in order, and one behind everything after all that
    /// was there before it and as soon as that is out.
    #[test]
    fn nothing_is_lost_and_order_is_kept(deeds in prop::collection::vec(deed(), 1..200)) {
        let mut turns: Turns<char, u32> = Turns::default();
        let mut waiting: Vec<(Option<char>, u32)> = Vec::new();
        let pops = deeds.len();
        let all = deeds.into_iter().chain(std::iter::repeat_n(Deed::Pop, pops));
        for (number, deed) in (0..).zip(all) {
            match deed {
                Deed::Push(key, bytes) => {
                    turns.push(&key, bytes, number);
                    waiting.push((Some(key), number));
                }
                Deed::Behind => {
                    turns.behind(number);
                    waiting.push((None, number));
                }
                Deed::Pop => {
                    let Some((key, item)) = turns.pop() else {
                        prop_assert!(waiting.is_empty());
                        continue;
                    };
                    let at = waiting.iter().position(|waits| *waits == (key, item));
                    let at = at.expect("it waits");
                    let before = &waiting[..at];
                    match key {
                        Some(_) => {
                            prop_assert!(before.iter().all(|(other, _)| *other != key));
                            let first = waiting.first().expect("one waits");
                            prop_assert!(first.0.is_some(), "what is behind nothing comes first");
                        }
                        None => prop_assert!(before.is_empty()),
                    }
                    waiting.remove(at);
                }
            }
        }
        prop_assert!(waiting.is_empty());
        prop_assert!(turns.queues.is_empty() && turns.keys.is_empty() && turns.len == 0);
    }
}
