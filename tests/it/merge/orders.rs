//! Every order of a few small worlds, each event in a transaction of its own.

use futures_util::future::join_all;

use super::{
    Writers,
    event::{End, Source, Start, Step, Time, What},
    runtime,
    world::{Act, Report, World, sources},
};

fn start(at: Time, status: &str) -> What {
    start_of(at, status, None)
}

fn start_of(at: Time, status: &str, original: Option<&str>) -> What {
    let [source, _] = sources();
    let start = Start {
        at,
        flow: Some("main".into()),
        parent: None,
        original: original.map(str::to_owned),
        input: Some("in".into()),
        misc: None,
        status: Some(status.into()),
        ended_at: Some(at),
    };
    What::Start(source, start)
}

/// The same event from the other host.
fn elsewhere(what: What) -> What {
    let [_, other]: [Source; 2] = sources();
    match what {
        What::Start(_, start) => What::Start(other, start),
        What::End(_, end) => What::End(other, end),
        What::Step(step) => What::Step(step),
    }
}

fn end(at: Option<Time>, ended_at: Time, status: &str) -> What {
    let [source, _] = sources();
    let end = End {
        at,
        ended_at,
        status: Some(status.into()),
        output: Some(format!("out at {ended_at}")),
        flow: Some("main".into()),
    };
    What::End(source, end)
}

fn step(number: i32, at: Time, data: &str) -> What {
    What::Step(Step {
        number,
        at,
        ended_at: Some(at + 1),
        data: Some(data.into()),
        task: None,
        status: None,
        rerun: None,
    })
}

/// The reports of each order of `events`, which are numbers of instances and what they report.
fn orders(events: &[(usize, What)], writers: usize) -> Vec<Vec<Report>> {
    let report = |(instance, what): &(usize, What), writer| Report {
        instance: *instance,
        what: what.clone(),
        writer,
        twice: false,
        closes: true,
        resent: false,
    };
    let orders = permutations(events.len()).into_iter().enumerate();
    let reports = orders.map(|(number, order)| {
        let events = order.into_iter().map(|at| &events[at]);
        events
            .map(|event| report(event, number % writers))
            .collect()
    });
    reports.collect()
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last);
    let inserted = shorter.into_iter().flat_map(|order| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    });
    inserted.collect()
}

/// Worlds whose orders have something to get wrong.
fn worlds() -> Vec<(&'static str, Vec<(usize, What)>)> {
    let of = |what: Vec<What>| what.into_iter().map(|what| (0, what)).collect();
    vec![
        (
            "a flow with two steps",
            of(vec![
                start(10, "Created"),
                step(0, 10, "a"),
                step(1, 11, "b"),
                end(Some(10), 12, "Completed"),
            ]),
        ),
        (
            "a start and an end",
            of(vec![start(10, "Created"), end(Some(10), 12, "Completed")]),
        ),
        (
            "a pause, two ends and one that names no attempt",
            of(vec![
                start(10, "Created"),
                end(Some(10), 15, "Waiting"),
                end(Some(10), 12, "Completed"),
                end(Some(10), 13, "Failed"),
                end(None, 14, "Cancelled"),
            ]),
        ),
        (
            "a rerun in place that begins anew",
            of(vec![
                start(10, "Created"),
                start(20, "Created"),
                step(0, 11, "old"),
                step(0, 21, "new"),
            ]),
        ),
        (
            "a rerun in place that goes on",
            of(vec![
                start(10, "Created"),
                start(20, "Started"),
                step(1, 11, "old"),
                step(1, 21, "new"),
            ]),
        ),
        (
            "starts of one attempt that contradict each other",
            of(vec![
                start(5, "Created"),
                start(10, "Created"),
                elsewhere(start(10, "Started")),
                end(Some(10), 12, "Completed"),
                step(0, 7, "old"),
            ]),
        ),
        (
            "ends without starts",
            of(vec![
                end(Some(10), 12, "Completed"),
                elsewhere(end(Some(10), 12, "Completed")),
                end(None, 30, "Waiting"),
                end(Some(20), 22, "Waiting"),
            ]),
        ),
        (
            "records of one step",
            of(vec![
                step(0, 10, "a"),
                step(0, 10, "b"),
                step(0, 12, "c"),
                step(0, 11, "d"),
            ]),
        ),
        (
            "a rerun that names two originals, one of which ends first",
            vec![
                (0, start(10, "Created")),
                (1, end(Some(10), 12, "Completed")),
                (2, start_of(20, "Created", Some("0"))),
                (2, start_of(30, "Created", Some("1"))),
                (2, elsewhere(start(30, "Created"))),
            ],
        ),
    ]
}

#[test]
fn every_order_of_single_events_gives_the_rows_of_the_model() {
    const WRITERS: usize = 4;
    let runtime = runtime();
    runtime.block_on(async {
        let writers = Writers::start(WRITERS, &["--batch-rows", "1", "--lanes", "1"]).await;
        let mut case = 0;
        for (name, events) in worlds() {
            let orders = orders(&events, WRITERS);
            let cases = || (case..).zip(&orders);
            let played = cases().map(async |(case, reports)| {
                for report in reports {
                    writers.deliver(case, &[report]).await.unwrap();
                }
            });
            join_all(played).await;
            let histories = cases().flat_map(|(case, reports)| {
                let acts = reports.iter().cloned().map(Act::Report).collect();
                let world = World {
                    deleted: None,
                    acts,
                };
                world.histories(case)
            });
            if let Err(difference) = writers.compare(&histories.collect()).await {
                let wrong = |case: usize| difference.contains(&format!("\"case-{case}-"));
                let (_, reports) = cases().find(|(case, _)| wrong(*case)).unwrap();
                panic!("{name}, in this order among others: {reports:#?}\n{difference}");
            }
            case += orders.len();
        }
        writers.judge().await;
        writers.stop().await;
    });
}

/// As another instance, `by` numbers further, and so its original.
fn shifted(instance: usize, what: &What, by: usize) -> (usize, What) {
    let mut what = what.clone();
    if let What::Start(_, start) = &mut what {
        let original = start.original.as_ref();
        start.original = original.map(|number| (number.parse::<usize>().unwrap() + by).to_string());
    }
    (instance + by, what)
}

/// What is too early for one statement of a writer may be too late for its next.
#[test]
fn events_of_an_instance_that_reach_two_writers_at_once_find_each_other() {
    let runtime = runtime();
    runtime.block_on(async {
        let writers = Writers::start(2, &["--batch-rows", "1", "--lanes", "1"]).await;
        for (name, events) in worlds() {
            // the fewer events, the narrower the moment in which they meet
            let copies = 2_400 / events.len().pow(3);
            let acts = (0..copies).flat_map(|copy| {
                let events = events.iter().enumerate();
                events.map(move |(at, (instance, what))| {
                    let (instance, what) = shifted(*instance, what, copy * 3);
                    Act::Report(Report {
                        instance,
                        what,
                        writer: (at + copy) % 2,
                        twice: false,
                        closes: true,
                        resent: false,
                    })
                })
            });
            let world = World {
                deleted: None,
                acts: acts.collect(),
            };
            let checked = writers.check(&world).await;
            assert!(checked.is_ok(), "{name}: {checked:?}");
        }
        writers.judge().await;
        writers.stop().await;
    });
}
