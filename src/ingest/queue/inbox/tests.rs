use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::{
    event::App,
    ingest::{
        queue::{self, Intake, Load, Mark, Rows, Unsettled},
        ticket::{Lost, Outcome, Receipt},
    },
};

const PATIENCE: Duration = Duration::from_secs(1);

fn app(name: &str) -> Holder {
    Holder::app(Arc::new(App {
        user: "acme".to_owned(),
        app: name.to_owned(),
    }))
}

/// One lane.
fn open() -> (Intake, Inbox) {
    let (intake, mut inboxes) = queue::queue(1, 1 << 20);
    (intake, inboxes.remove(0))
}

/// Submits a part of one row whose bytes are `name`.
fn submit(intake: &Intake, holder: &Holder, name: &'static str) -> Receipt {
    let mark = Mark {
        end: u32::try_from(name.len()).unwrap_or(u32::MAX),
        index: 0,
        complete_only: false,
    };
    let load = Load {
        steps: Rows {
            bytes: name.into(),
            marks: vec![mark],
        },
        ..Load::default()
    };
    let permit = intake.budget().room_now(holder, 100).expect("room");
    let receipt = intake.submit(vec![load], false, Outcome::default(), permit, None);
    receipt.expect("a lane")
}

fn name(part: Option<&Part>) -> Option<&[u8]> {
    part.map(|part| &part.steps.bytes[..])
}

#[tokio::test]
async fn an_inbox_ends_when_every_intake_is_gone_and_it_is_empty() {
    let (intake, mut inbox) = open();
    let other = intake.clone();
    let mut receipt = submit(&intake, &app("a"), "one");
    drop(intake);
    assert_eq!(name(inbox.recv().await.as_ref()), Some(&b"one"[..]));
    assert_eq!(receipt.answer().await, Err(Lost), "it was dropped");
    assert!(inbox.try_recv().is_none());
    let last = submit(&other, &app("a"), "two");
    drop(other);
    assert_eq!(name(inbox.recv().await.as_ref()), Some(&b"two"[..]));
    assert!(inbox.recv().await.is_none());
    drop(last);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_part_gets_it_and_learns_of_the_end() {
    let (intake, mut inbox) = open();
    let early = tokio::time::timeout(PATIENCE, inbox.recv()).await;
    assert!(early.is_err(), "nothing is there");
    let waiting = async {
        let first = inbox.recv().await;
        let end = inbox.recv().await;
        (first, end)
    };
    let later = async {
        tokio::time::sleep(PATIENCE).await;
        let receipt = submit(&intake, &app("a"), "one");
        tokio::time::sleep(PATIENCE).await;
        drop(intake);
        receipt
    };
    let ((first, end), _receipt) = tokio::join!(waiting, later);
    assert_eq!(name(first.as_ref()), Some(&b"one"[..]));
    assert!(end.is_none());
}

#[tokio::test]
async fn a_lane_that_is_gone_loses_what_waits_and_takes_nothing() {
    let (intake, inbox) = open();
    let mut receipt = submit(&intake, &app("a"), "one");
    drop(inbox);
    assert_eq!(receipt.answer().await, Err(Lost));
    assert_eq!(intake.budget().held_bytes(), 0);
    let permit = intake.budget().nothing();
    let registered = Load {
        registration: Some(queue::Registration {
            user: "acme".to_owned(),
            app: "a".to_owned(),
            version: String::new(),
        }),
        ..Load::default()
    };
    let late = intake.submit(vec![registered], false, Outcome::default(), permit, None);
    assert_eq!(late.err(), Some(Closed));
    assert_eq!(intake.settled("i", PATIENCE).await, Err(Unsettled));
}

#[tokio::test]
async fn apps_take_turns() {
    let (intake, mut inbox) = open();
    let (busy, quiet) = (app("busy"), app("quiet"));
    let large: &'static str = Box::leak("x".repeat(200_000).into_boxed_str());
    let mut receipts: Vec<_> = (0..5).map(|_| submit(&intake, &busy, large)).collect();
    receipts.push(submit(&intake, &quiet, "start"));
    receipts.push(submit(&intake, &quiet, "end"));
    let mut order = Vec::new();
    while let Some(part) = inbox.try_recv() {
        order.push(part.steps.bytes.len());
    }
    assert_eq!(order, [200_000, 5, 3, 200_000, 200_000, 200_000, 200_000]);
}

#[tokio::test(start_paused = true)]
async fn settled_waits_for_whatever_was_there_before() {
    let (intake, mut inbox) = open();
    let mut receipts = vec![
        submit(&intake, &app("a"), "one"),
        submit(&intake, &app("b"), "two"),
    ];
    let answer = intake.settled("i", PATIENCE * 100);
    let lane = async {
        tokio::time::sleep(PATIENCE).await;
        // comes later, and need not be waited for
        receipts.push(submit(&intake, &app("c"), "three"));
        let mut names = Vec::new();
        while let Some(part) = inbox.try_recv() {
            names.push(name(Some(&part)).map(<[u8]>::to_vec));
            tokio::time::sleep(PATIENCE).await;
            part.share.settle(Outcome::default());
        }
        let order: [&[u8]; 4] = [b"one", b"two", b"", b"three"];
        assert_eq!(names, order.map(|name| Some(name.to_vec())));
    };
    let (settled, ()) = tokio::join!(answer, lane);
    assert_eq!(settled, Ok(()));
    let unread = intake.settled("i", PATIENCE).await;
    assert_eq!(unread, Err(Unsettled));
}

#[tokio::test(start_paused = true)]
async fn batches_are_short_while_apps_share_a_lane_and_a_while_after() {
    let (intake, mut inbox) = open();
    let (busy, quiet) = (app("busy"), app("quiet"));
    for _ in 0..3 {
        let _ = submit(&intake, &busy, "x");
    }
    inbox.try_recv();
    assert_eq!(inbox.fair(1_000), 1_000);
    let _ = submit(&intake, &quiet, "q");
    inbox.try_recv();
    assert_eq!(inbox.fair(1_000), 250, "two wait");
    while inbox.try_recv().is_some() {}
    advance(COMPANY / 2).await;
    assert_eq!(inbox.fair(1_000), 250);
    advance(COMPANY).await;
    assert_eq!(inbox.fair(1_000), 1_000);
    // alone in the queue, but in a row
    let _ = submit(&intake, &busy, "x");
    inbox.try_recv();
    assert_eq!(inbox.fair(1_000), 250, "after the quiet one");
}
