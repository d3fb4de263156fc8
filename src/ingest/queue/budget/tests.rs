use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::task::noop_waker_ref;
use proptest::prelude::*;

use super::*;
use crate::event::App;

fn holder(name: &str) -> Holder {
    Holder::app(Arc::new(App {
        user: "acme".to_owned(),
        app: name.to_owned(),
    }))
}

type Room<'a> = Pin<Box<dyn Future<Output = Permit> + 'a>>;

/// One that asks for room; it has asked once it was polled.
fn ask<'a>(budget: &'a Budget, holder: &'a Holder, bytes: usize) -> Room<'a> {
    let mut room: Room<'a> = Box::pin(budget.room(holder, bytes));
    let now = poll(&mut room);
    match now {
        Some(permit) => Box::pin(std::future::ready(permit)),
        None => room,
    }
}

fn poll(room: &mut Room<'_>) -> Option<Permit> {
    match room
        .as_mut()
        .poll(&mut Context::from_waker(noop_waker_ref()))
    {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

fn granted(room: &mut Room<'_>) -> Permit {
    poll(room).expect("room")
}

#[test]
fn alone_a_holder_may_have_all() {
    let (budget, busy) = (Budget::new(100), holder("busy"));
    let all: Vec<_> = (0..10)
        .map(|_| granted(&mut ask(&budget, &busy, 10)))
        .collect();
    assert_eq!(budget.held_bytes(), 100);
    assert!(!budget.is_full());
    let mut more = ask(&budget, &busy, 10);
    assert!(poll(&mut more).is_none());
    assert!(budget.is_full());
    drop(all);
    assert_eq!(granted(&mut more).bytes, 10);
    assert_eq!(budget.held_bytes(), 0, "it was dropped");
    assert_eq!(budget.accounts().of.len(), 0);
}

#[test]
fn while_another_waits_a_holder_gets_no_more_than_half() {
    let (budget, busy, quiet) = (Budget::new(100), holder("busy"), holder("quiet"));
    let mut held: Vec<_> = (0..10)
        .map(|_| granted(&mut ask(&budget, &busy, 10)))
        .collect();
    let mut first: Vec<_> = (0..10).map(|_| ask(&budget, &busy, 10)).collect();
    let mut second: Vec<_> = (0..10).map(|_| ask(&budget, &quiet, 10)).collect();
    let mut own = Vec::new();
    for _ in 0..5 {
        held.pop();
        assert!(first.iter_mut().all(|room| poll(room).is_none()));
        own.push(granted(&mut second.remove(0)));
    }
    // both have half: what one gives back it gets again
    held.pop();
    assert!(second.iter_mut().all(|room| poll(room).is_none()));
    held.push(granted(&mut first.remove(0)));
    own.pop();
    assert!(first.iter_mut().all(|room| poll(room).is_none()));
    own.push(granted(&mut second.remove(0)));
    // nobody else waits any more
    second.clear();
    drop(own);
    let more = first.iter_mut().filter_map(poll).collect::<Vec<_>>();
    assert_eq!(more.len(), 5);
    assert_eq!(budget.held_bytes(), 100);
}

#[test]
fn room_that_one_may_not_have_is_for_who_comes() {
    let (budget, busy, quiet) = (Budget::new(100), holder("busy"), holder("quiet"));
    let _held = granted(&mut ask(&budget, &busy, 90));
    let mut large = ask(&budget, &busy, 40);
    assert!(poll(&mut large).is_none());
    assert_eq!(granted(&mut ask(&budget, &quiet, 10)).bytes, 10);
    assert!(poll(&mut large).is_none());
}

#[test]
fn holders_are_served_in_turns_and_each_in_order() {
    let budget = Budget::new(10);
    let (one, two) = (holder("one"), holder("two"));
    let mut all = Some(granted(&mut ask(&budget, &holder("all"), 10)));
    let mut waiting: Vec<_> = [(&one, 1), (&one, 2), (&one, 3), (&two, 4), (&two, 5)]
        .into_iter()
        .map(|(holder, name)| (name, ask(&budget, holder, 10)))
        .collect();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        all.take();
        let next = waiting
            .iter_mut()
            .position(|(_, room)| match poll(room) {
                Some(permit) => {
                    all = Some(permit);
                    true
                }
                None => false,
            })
            .expect("somebody is served");
        order.push(waiting.remove(next).0);
    }
    assert_eq!(order, [1, 4, 2, 5, 3]);
}

#[test]
fn small_ones_do_not_starve_a_large_one() {
    let (budget, small, large) = (Budget::new(100), holder("small"), holder("large"));
    let held: Vec<_> = (0..9)
        .map(|_| granted(&mut ask(&budget, &small, 10)))
        .collect();
    let mut whole = ask(&budget, &large, 1_000);
    let mut more = ask(&budget, &small, 10);
    drop(held);
    let whole = granted(&mut whole);
    assert_eq!(whole.bytes, 100, "all there is");
    assert!(poll(&mut more).is_none());
    drop(whole);
    granted(&mut more);
}

#[test]
fn who_stops_waiting_leaves_nothing_and_lets_the_next_pass() {
    let (budget, one, two) = (Budget::new(100), holder("one"), holder("two"));
    let held = granted(&mut ask(&budget, &one, 60));
    let large = ask(&budget, &two, 90);
    let mut small = ask(&budget, &one, 40);
    assert!(poll(&mut small).is_none());
    drop(large);
    let small = granted(&mut small);
    // one that was given room and never took it
    let mut gone = ask(&budget, &two, 100);
    assert!(poll(&mut gone).is_none());
    drop((held, small));
    assert_eq!(budget.held_bytes(), 100);
    drop(gone);
    assert_eq!(budget.held_bytes(), 0);
    let accounts = budget.accounts();
    assert!(accounts.of.is_empty() && accounts.turns.is_empty());
}

#[test]
fn room_changes_hands_and_shrinks() {
    let (budget, known) = (Budget::new(100), holder("known"));
    let mut permit = budget.room_now(&Holder::unnamed(), 80).expect("room");
    assert!(budget.room_now(&known, 30).is_none());
    permit.hand_to(known.clone());
    permit.shrink_to(70);
    permit.shrink_to(90);
    assert_eq!(budget.held_bytes(), 70);
    let accounts = budget.accounts();
    assert_eq!(accounts.of.len(), 1);
    assert_eq!(accounts.of[&known].held, 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_room_whoever_gives_up() {
    let budget = Budget::new(1_000);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64_usize {
        let (budget, holder) = (budget.clone(), holder(["a", "b", "c"][task % 3]));
        tasks.spawn(async move {
            for round in 0..200_usize {
                let bytes = 1 + (task * 37 + round * 101) % 700;
                let patience = std::time::Duration::from_micros((round % 7) as u64 * 20);
                if task % 4 == 0 {
                    let permit = tokio::time::timeout(patience, budget.room(&holder, bytes)).await;
                    drop(permit);
                } else {
                    let mut permit = budget.room(&holder, bytes).await;
                    assert!(budget.held_bytes() <= 1_000);
                    permit.shrink_to(bytes / 2);
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let all = tokio::time::timeout(std::time::Duration::from_mins(1), tasks.join_all());
    all.await.expect("nobody waits for ever");
    assert_eq!(budget.held_bytes(), 0);
    assert!(!budget.is_full());
}

#[derive(Clone, Debug)]
enum Deed {
    Ask(usize, usize),
    Leave(usize),
    GiveBack(usize),
    Shrink(usize, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_usize, 1..130_usize).prop_map(|(holder, bytes)| Deed::Ask(holder, bytes)),
        1 => (0..100_usize).prop_map(Deed::Leave),
        3 => (0..100_usize).prop_map(Deed::GiveBack),
        1 => (0..100_usize, 0..130_usize).prop_map(|(at, bytes)| Deed::Shrink(at, bytes)),
    ]
}

proptest! {
    /// Whatever happens: the books agree with the permits, the limit and the half hold, and not
    /// everybody waits who could have room.
    #[test]
    fn the_books_are_right(deeds in prop::collection::vec(deed(), 1..80)) {
        const LIMIT: usize = 100;
        let budget = Budget::new(LIMIT);
        let holders = ["a", "b", "c"].map(holder);
        let mut waiting: Vec<(usize, usize, Room<'_>)> = Vec::new();
        let mut held: Vec<(usize, Permit)> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Ask(of, bytes) => {
                    let room = Box::pin(budget.room(&holders[of], bytes));
                    waiting.push((of, bytes.min(LIMIT), room));
                }
                Deed::Leave(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    drop(waiting.remove(at));
                }
                Deed::GiveBack(at) if !held.is_empty() => {
                    let at = at % held.len();
                    held.remove(at);
                }
                Deed::Shrink(at, bytes) if !held.is_empty() => {
                    let at = at % held.len();
                    held[at].1.shrink_to(bytes);
                }
                _ => {}
            }
            let (served, still): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .map(|(of, bytes, mut room)| (of, bytes, poll(&mut room), room))
                .partition(|(.., permit, _)| permit.is_some());
            let others_wait = |of| still.iter().any(|(by, ..)| *by != of);
            let own = |held: &[(usize, Permit)], of| -> usize {
                let own = held.iter().filter(|(by, _)| *by == of);
                own.map(|(_, permit)| permit.bytes).sum()
            };
            for (of, bytes, permit, _) in served {
                let before = own(&held, of);
                let fair = before == 0 || before + bytes <= LIMIT / 2 || !others_wait(of);
                prop_assert!(fair, "{of} has {before} and got {bytes}");
                held.push((of, permit.expect("partitioned by it")));
            }
            let sum: usize = held.iter().map(|(_, permit)| permit.bytes).sum();
            prop_assert_eq!(budget.held_bytes(), sum);
            prop_assert!(sum <= LIMIT);
            let mut wanted: Vec<_> = (0..3)
                .filter_map(|of| still.iter().find(|(by, ..)| *by == of))
                .filter(|(of, bytes, ..)| {
                    let has = own(&held, *of);
                    has == 0 || has + bytes <= LIMIT / 2 || !others_wait(*of)
                })
                .map(|(_, bytes, ..)| *bytes)
                .collect();
            wanted.sort_unstable();
            prop_assert!(wanted.last().is_none_or(|most| *most > LIMIT - sum), "all could have room");
            waiting = still.into_iter().map(|(of, bytes, _, room)| (of, bytes, room)).collect();
        }
        drop(waiting);
        prop_assert!(!budget.is_full());
        drop(held);
        prop_assert_eq!(budget.held_bytes(), 0);
        prop_assert!(budget.accounts().of.is_empty());
    }
}
