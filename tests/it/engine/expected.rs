//! What the rows of the engine's flows have to be, whoever recorded them.

/// The name with everything in it.
const UNICODE: &str = "Grüße \u{2028} <&> 🚚";
/// A text with everything in it, as Go writes it in JSON.
const TEXT: &str = "\"Grüße, 日本語 \\u2028\\u2029 \\u003c\\u0026\\u003e \\\"\\\\/ \\t\\r\\n 🚚 \
    e\u{301} \\u0001\u{7f}\u{feff}\"";
/// One of everything that JSON has, and numbers that do not survive a float.
const VALUES: &str = concat!(
    r#"{"deep":{"a":{"b":"c"}},"empty":"","huge":1.7976931348623157e+308,"large":9007199254740993,"#,
    r#""list":[1,"2",3.5,[null]],"minus":-0.5,"none":[],"nothing":{},"null":null,"small":5e-324,"#,
    r#""third":0.3333333333333333,"true":true}"#
);

/// Task and status of each step; those of subflows begin with the subflow's name and id. A subflow that
/// fails leaves a step without any change but that of the queue.
const STEPS: [(&str, &str); 17] = [
    (
        "succeeds",
        "note Started, note Completed, values Completed, answer Completed",
    ),
    ("fails", "note Started, note Completed, break Failed"),
    (
        "recovers",
        "note Started, note Completed, break Failed, catch Completed, answer Completed",
    ),
    (
        "detours",
        "note Started, note Completed, break Failed, detour Completed, answer Completed",
    ),
    (
        "branches odd",
        "note Started, note Completed, odd Completed, answer_odd Completed",
    ),
    (
        "branches even",
        "note Started, note Completed, even Completed, answer_even Completed",
    ),
    (
        "loops",
        "each Started, each , each , each , each Completed, \
         again , again , again , again Completed, answer Completed",
    ),
    (
        "forks",
        "fork Started, fork Completed, right Completed, middle Completed, left Completed, \
         join Completed, answer Completed",
    ),
    (
        "nests",
        "outer Started, outer Waiting, outer/1: before Completed, outer/1: inner Waiting, \
         inner/2: deep Completed, inner/2: answer Completed, \
         outer/1: inner Completed, outer/1: answer Completed, \
         outer Completed, after Completed, answer Completed",
    ),
    (
        "inherits",
        "note Started, note Completed, child Waiting, breaks/1: lift Completed, \
         breaks/1: drop Failed, /0: child , child Failed",
    ),
    (
        "rescues",
        "note Started, note Completed, child Waiting, breaks/1: lift Completed, \
         breaks/1: drop Failed, /0: child , child Failed, catch Completed, answer Completed",
    ),
    (
        "posts",
        "write Started, write Completed, send Completed, answer Completed",
    ),
    (
        "notice",
        "read Started, read Completed, file Completed, answer Completed",
    ),
    ("carries", "load Started, load Completed, answer Completed"),
    (
        UNICODE,
        "größe Started, größe Completed, 検品 <&> 🚚 Completed, answer Completed",
    ),
    (
        "ten",
        "step1 Started, step1 Completed, step2 Completed, step3 Completed, step4 Completed, \
         step5 Completed, step6 Completed, step7 Completed, step8 Completed, step9 Completed, \
         answer Completed",
    ),
    (
        "dawdles",
        "wait1 Started, wait1 Completed, wait2 Completed, wait3 Completed, wait4 Completed, \
         wait5 Completed, answer Completed",
    ),
];

/// A MiB, and a byte for each backslash.
pub(super) fn cargo() -> String {
    "0123456789abcde\\n".repeat(1 << 16)
}

/// The status of `flow`.
pub(super) fn status(flow: &str) -> &'static str {
    let fails = ["fails", "inherits"].contains(&flow);
    if fails { "Failed" } else { "Completed" }
}

/// Flow, subflow id, task and status of each step of `flow` run with `number`.
pub(super) fn steps(flow: &str, number: u64) -> Vec<[&str; 4]> {
    let branch = ["branches even", "branches odd"][usize::from(number % 2 == 1)];
    let name = if flow == "branches" { branch } else { flow };
    let found = STEPS.iter().find(|(known, _)| *known == name);
    let (_, steps) = found.unwrap_or_else(|| panic!("no flow of that name: {flow}"));
    let row = |step| {
        let (place, step) = str::split_once(step, ": ").unwrap_or(("", step));
        let (flow, id) = place.split_once('/').unwrap_or((flow, "0"));
        let (task, status) = step.rsplit_once(' ').expect("a task and a status");
        [flow, id, task, status]
    };
    steps.split(", ").map(row).collect()
}

/// The input of `flow` run with `number`.
pub(super) fn input(flow: &str, number: u64) -> String {
    match flow {
        "succeeds" => format!(r#"{{"number":{number},"values":{VALUES}}}"#),
        "loops" => format!(r#"{{"number":{number},"parcels":["a","b","c"]}}"#),
        "carries" => format!(r#"{{"cargo":"{}","number":{number}}}"#, cargo()),
        UNICODE => format!(r#"{{"number":{number},"text":{TEXT}}}"#),
        _ => format!(r#"{{"number":{number}}}"#),
    }
}

/// The output of `flow` run with `number`.
pub(super) fn output(flow: &str, number: u64) -> String {
    let answer = match flow {
        "fails" | "inherits" => return "{}".to_owned(),
        "succeeds" => return format!(r#"{{"answer":{VALUES},"count":7}}"#),
        "recovers" => r#""the shelf is empty""#.to_owned(),
        "detours" => r#""the road is closed""#.to_owned(),
        "branches" => [r#""even""#, r#""odd""#][usize::from(number % 2 == 1)].to_owned(),
        "loops" => "3".to_owned(),
        "forks" => r#"{"left":"left","middle":"middle","right":"right"}"#.to_owned(),
        "nests" => (2 * number).to_string(),
        "rescues" => r#""the box fell""#.to_owned(),
        "posts" => r#""sent""#.to_owned(),
        "notice" => r#""filed""#.to_owned(),
        "carries" => format!("\"{}\"", cargo()),
        UNICODE => TEXT.to_owned(),
        _ => panic!("no flow of that name: {flow}"),
    };
    format!(r#"{{"answer":{answer}}}"#)
}
