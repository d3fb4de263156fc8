use std::cell::RefCell;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::*;
use crate::ingest::ticket::Lost;

const PATIENCE: Duration = Duration::from_secs(1);

/// Parts are to be spread among so many from now on.
fn spread_among(intake: &Intake, lanes: usize) {
    while intake.spread().among() > lanes {
        intake.spread().wrote(0, 0, 1.0);
    }
    while intake.spread().among() < lanes {
        intake.spread().came(1 << 30);
        intake.spread().went(1 << 30);
    }
}

/// Submits one row of `instance`, `text`, placed among `among` lanes.
fn submit_among(intake: &Intake, among: usize, instance: &str, text: &str) -> Receipt {
    let holder = Holder::app(Arc::new(App {
        user: "acme".to_owned(),
        app: instance.to_owned(),
    }));
    let mut loads: Vec<_> = (0..among).map(|_| Load::default()).collect();
    loads[lane_of(instance, among)].steps = Rows {
        bytes: text.to_owned().into(),
        marks: vec![Mark {
            end: u32::try_from(text.len()).expect("small"),
            index: 0,
            complete_only: false,
        }],
    };
    let permit = intake.budget().room_now(&holder, 100).expect("room");
    let receipt = intake.submit(loads, false, Outcome::default(), permit, None);
    receipt.expect("lanes")
}

fn submit(intake: &Intake, instance: &str, text: &str) -> Receipt {
    submit_among(intake, intake.spread().among(), instance, text)
}

/// An instance whose lane is `lane` among two.
fn of_lane(lane: usize) -> String {
    let mut names = (0..).map(|number| format!("i{number}"));
    let name = names.find(|name| lane_of(name, 2) == lane);
    name.expect("one of many")
}

fn text(part: Option<&Part>) -> Option<&str> {
    part.map(|part| std::str::from_utf8(&part.steps.bytes).expect("text"))
}

async fn waits(inbox: &mut Inbox) -> bool {
    timeout(PATIENCE, inbox.recv()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_part_in_another_lane_than_before_waits_for_what_was_before() {
    let (intake, mut inboxes) = queue(2, 1 << 20);
    let (mut other, mut first) = (inboxes.remove(1), inboxes.remove(0));
    let (here, moved) = (of_lane(0), of_lane(1));
    let _receipts = [
        submit(&intake, &here, "one"),
        submit(&intake, &moved, "start"),
    ];
    spread_among(&intake, 1);
    // another app, which does not come before either
    let _later = [
        submit(&intake, &moved, "end"),
        submit(&intake, "x", "another app"),
    ];
    assert_eq!(text(first.recv().await.as_ref()), Some("one"));
    assert!(first.try_recv().is_none(), "not in the same batch");
    assert!(first.more().await.is_none(), "nor later");
    assert!(waits(&mut first).await);
    let start = other.recv().await;
    assert_eq!(text(start.as_ref()), Some("start"));
    assert!(waits(&mut first).await, "it is not written yet");
    assert!(waits(&mut other).await, "it is, and nothing else comes");
    assert_eq!(text(first.recv().await.as_ref()), Some("end"));
    assert_eq!(text(first.recv().await.as_ref()), Some("another app"));

    // the other one comes back, behind whatever the first one has
    spread_among(&intake, 2);
    let _back = submit(&intake, &moved, "again");
    assert!(waits(&mut first).await);
    assert_eq!(text(other.recv().await.as_ref()), Some("again"));
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_so_in_the_lane_of_before() {
    let (intake, mut inboxes) = queue(2, 1 << 20);
    let (mut other, mut first) = (inboxes.remove(1), inboxes.remove(0));
    let moved = of_lane(1);
    let mut receipt = submit(&intake, &moved, "start");
    spread_among(&intake, 1);
    let settled = async {
        let settled = intake.settled(&moved, PATIENCE * 100).await;
        let written = timeout(Duration::ZERO, receipt.answer()).await;
        assert!(written.expect("answered before").is_ok());
        settled
    };
    let lanes = async {
        let answered = async {
            let part = first.recv().await.expect("what settled waits for");
            part.share.settle(Outcome::default());
        };
        let written = async {
            let part = other.recv().await.expect("the start");
            sleep(PATIENCE * 10).await;
            part.share.settle(Outcome::default());
            assert!(waits(&mut other).await);
        };
        tokio::join!(answered, written);
    };
    let (settled, ()) = tokio::join!(settled, lanes);
    assert_eq!(settled, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_gone_holds_nobody_up() {
    let (intake, mut inboxes) = queue(2, 1 << 20);
    let (other, mut first) = (inboxes.remove(1), inboxes.remove(0));
    let moved = of_lane(1);
    let mut lost = submit(&intake, &moved, "start");
    spread_among(&intake, 1);
    let _receipt = submit(&intake, &moved, "end");
    assert!(waits(&mut first).await);
    drop(other);
    assert_eq!(text(first.recv().await.as_ref()), Some("end"));
    assert_eq!(lost.answer().await, Err(Lost));
    spread_among(&intake, 2);
    let _here = submit(&intake, &of_lane(0), "one");
    assert_eq!(text(first.recv().await.as_ref()), Some("one"));
    drop(intake);
    assert!(first.recv().await.is_none());
}

/// Writes whole batches, and notes each part when its batch is written.
async fn lane(mut inbox: Inbox, seed: u64, written: &RefCell<Vec<String>>) {
    let mut chance = fastrand::Rng::with_seed(seed);
    while let Some(part) = inbox.recv().await {
        let mut batch = vec![part];
        while chance.u8(..) > 60
            && let Ok(Some(part)) = timeout(Duration::from_millis(2), inbox.more()).await
        {
            batch.push(part);
        }
        sleep(Duration::from_millis(chance.u64(..20))).await;
        for part in batch {
            let text = text(Some(&part)).expect("a part");
            written.borrow_mut().push(text.to_owned());
            part.share.settle(Outcome::default());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_instance_is_written_in_its_order_however_lanes_come_and_go() {
    const LANES: usize = 4;
    for seed in 0..20 {
        let (intake, inboxes) = queue(LANES, 1 << 20);
        let written = RefCell::default();
        let lanes = inboxes.into_iter().zip(seed..);
        let lanes = lanes.map(|(inbox, seed)| lane(inbox, seed, &written));
        let submitting = async {
            let mut chance = fastrand::Rng::with_seed(seed);
            let mut receipts = Vec::new();
            for number in 0..1_000 {
                let instance = format!("i{}", chance.u8(..20));
                // what is read before a change is placed by what held then
                let among = intake.spread().among();
                if chance.u8(..) < 10 {
                    spread_among(&intake, chance.usize(1..=LANES));
                }
                let text = format!("{instance} {number:04}");
                receipts.push(submit_among(&intake, among, &instance, &text));
                if chance.bool() {
                    sleep(Duration::from_millis(chance.u64(..4))).await;
                }
            }
            drop(intake);
        };
        tokio::join!(submitting, join_all(lanes));
        let mut written = written.into_inner();
        assert_eq!(written.len(), 1_000);
        let number = |text: &String| text.split(' ').nth(1).map(str::to_owned);
        assert!(!written.is_sorted_by_key(number), "lanes do not wait");
        written.sort_by_key(|text| text.split(' ').next().map(str::to_owned));
        assert!(written.is_sorted(), "seed {seed}");
    }
}
