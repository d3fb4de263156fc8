//! The body of a snapshot (contract, section 1.3). Nothing of it is kept: what it says follows from
//! the steps. So it is only read as Go would read it.

use super::json::{self, Invalid, Object, Read};

/// Reads the body of a snapshot.
///
/// # Errors
/// [`Invalid`] with the field that Go's decoder would not take.
pub fn check_snapshot(body: &str) -> Result<(), Invalid> {
    let body = json::body(body)?;
    let snapshot = Object::of(&body)?;
    flow(snapshot)?;
    let [id, queue, subflows] = snapshot.fields(["id", "workQueue", "subflows"])?;
    id.word()?;
    queue.list(|item| {
        let [id, subflow, task] = item.fields(["id", "subflowId", "taskId"])?;
        id.integer()?;
        subflow.integer()?;
        task.word()
    })?;
    subflows.list(|subflow| {
        flow(subflow)?;
        let [id, task] = subflow.fields(["id", "taskId"])?;
        id.integer()?;
        task.word()
    })?;
    Ok(())
}

/// What a flow and its subflows have in common.
fn flow(flow: Object<'_, '_>) -> Read<()> {
    let [uri, status, attrs, tasks, links] =
        flow.fields(["flowURI", "status", "attrs", "tasks", "links"])?;
    uri.word()?;
    status.integer()?;
    attrs.payload()?;
    tasks.list(|task| {
        let [id, status] = task.fields(["id", "status"])?;
        id.word()?;
        status.integer()
    })?;
    links.list(|link| {
        let [id, status] = link.fields(["id", "status"])?;
        id.integer()?;
        status.integer()
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<(), String> {
        check_snapshot(body).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn a_snapshot_is_what_go_takes() {
        for body in [
            "null",
            "{}",
            r#"{"flowURI":"res://flow:a","status":100,"attrs":{"a":1},"tasks":[{"id":"t","status":20}],
                "links":[{"id":3,"status":2}],"id":"i","workQueue":[{"id":1,"subflowId":0,"taskId":"t"}],
                "subflows":[{"flowURI":"u","status":100,"attrs":null,"id":1,"taskId":"t"}],"x":[]}"#,
            r#"{"TASKS":[null,{}],"links":null}"#,
        ] {
            assert_eq!(check(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        for (body, expected) in [
            ("", "the body is empty"),
            ("{", "not JSON"),
            (r#"{"status":"1"}"#, "status: has to be a whole"),
            (r#"{"attrs":[]}"#, "attrs: has to be an object"),
            (r#"{"tasks":{}}"#, "tasks: has to be an array"),
            (r#"{"tasks":[7]}"#, "tasks.0: has to be an object"),
            (r#"{"links":[{},{"id":"1"}]}"#, "links.1.id: has to be"),
            (
                r#"{"subflows":[{"tasks":[{"id":1}]}]}"#,
                "subflows.0.tasks.0.id: has to be a text",
            ),
            (r#"{"workQueue":[{"taskId":1}]}"#, "workQueue.0.taskId: has"),
        ] {
            let found = check(body).expect_err(body);
            assert!(found.starts_with(expected), "{body}: {found}");
        }
    }
}
