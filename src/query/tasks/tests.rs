use super::*;

fn json(step: &str) -> String {
    let content = Content::parse(step).expect("a step");
    serde_json::to_string(&tasks(&content).expect("tasks")).expect("JSON")
}

#[test]
fn the_end_of_a_call_is_shown_as_the_recorded_service_shows_it() {
    let call = r#"{"id":2,"flowChanges":{"0":{"flowURI":"res://flow:intake","taskId":"price","tasks":
        {"price":{"change":1,"status":30,"input":{"qty":50}}}},"1":{"newFlow":true,"flowURI":
        "res://flow:pricing","taskId":"calc","status":100,"attrs":{"qty":50},"tasks":{"calc":{"change":1,"status":20}}}}}"#;
    let end = r#"{"id":5,"flowChanges":{"0":{"flowURI":"res://flow:intake","taskId":"price",
        "attrs":{"_A.price.total":125},"tasks":{"price":{"change":2,"status":40,"input":{"qty":50}},
        "big":{"change":1,"status":20},"small":{"change":2,"status":50}},"links":{
        "7":{"change":2,"status":1,"from":"price","to":"small"},"1":{"change":2,"status":0,"from":"","to":""},
        "3":{"change":1,"status":2,"from":"price","to":"big"}}}}}"#;
    let read = |step| tasks(&Content::parse(step).expect("a step")).expect("tasks");
    let both = read(call);
    assert!(is_call(&both));
    assert_eq!((&*both[0].id, both[0].subflow_id), ("price", 0));
    assert_eq!((&*both[1].id, both[1].subflow_id), ("", 1));
    assert!(both[1].new_subflow && both[1].start_task && !both[0].new_subflow);
    assert_eq!(of_call(both.clone(), None).len(), 2);
    let shown = serde_json::to_string(&of_call(both, Some(read(end)))).expect("JSON");
    assert_eq!(
        shown,
        r#"[{"id":"price","stepId":2,"subflowId":0,"input":{"qty":50},"output":{"total":125},"links":[{"from":"price","to":"big","toTaskStutus":"Started","fromTaskStutus":"Completed","status":"ture"},{"from":"price","to":"small","toTaskStutus":"Skipped","fromTaskStutus":"Completed","status":"false"}],"status":"Completed","flow_status":"Created","startTask":false,"newSubflow":false,"flowname":"res://flow:intake"}]"#
    );
}

#[test]
fn of_two_flows_the_lower_ones_are_taken_and_a_subflow_that_goes_on_comes_first() {
    let shown = json(
        r#"{"flowChanges":{"10":{"taskId":"ten"},"0":{"taskId":"main"},"2":{"taskId":"two","status":500}}}"#,
    );
    assert_eq!(
        shown,
        r#"[{"id":"two","stepId":0,"subflowId":2,"status":"","flow_status":"Completed","startTask":false,"newSubflow":false,"flowname":""},{"id":"main","stepId":0,"subflowId":0,"status":"","flow_status":"Created","startTask":false,"newSubflow":false,"flowname":""}]"#
    );
    assert_eq!(
        json(r#"{"flowChanges":{},"queueChanges":{"1":{"taskId":"t"}}}"#),
        "[]"
    );
}

#[test]
fn what_was_returned_stands_in_for_an_input_and_numbers_stay_as_sent() {
    let shown = json(
        r#"{"flowChanges":{"0":{"taskId":"t","returnData":{"r":1.0},"attrs":{"_A.t":1e2,"_A..x":2,"_A.t.a.b":3},
            "tasks":{"t":{"status":40,"input":{}}}}}}"#,
    );
    assert!(
        shown.contains(r#""input":{"r":1.0},"output":{".x":2,"a.b":3,"t":1e2},"status":"#),
        "{shown}"
    );
}

#[test]
fn links_are_known_by_words() {
    for (status, sent, word) in [
        (0, "unknow", "unknown"),
        (1, "false", "false"),
        (2, "ture", "true"),
        (3, "skipped", "skipped"),
    ] {
        let status = LinkStatus::of(status);
        assert_eq!(
            serde_json::to_value(status).expect("JSON"),
            serde_json::json!(sent)
        );
        assert_eq!(status.word(), word);
    }
}
