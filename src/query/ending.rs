//! Whether a step ends its instance's flow: a light look into what the engine posted.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Status of a flow from which on it has ended (contract 2.6).
const ENDED: i64 = 500;

/// Whether a step's content ends the main flow; none when it is not a step of Flogo's.
pub(super) fn ends_flow(content: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Posted<'a> {
        #[serde(rename = "flowChanges", borrow)]
        changes: Option<Changes<'a>>,
        #[serde(rename = "queueChanges", borrow)]
        queue: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Changes<'a> {
        #[serde(rename = "0", borrow)]
        main: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Main {
        status: Option<i64>,
    }
    let posted: Posted<'_> = serde_json::from_slice(content).ok()?;
    if posted.changes.is_none() && posted.queue.is_none() {
        return None;
    }
    let Some(main) = posted.changes.and_then(|changes| changes.main) else {
        return Some(false);
    };
    let main: Main = serde_json::from_str(main.get()).ok()?;
    Some(main.status.is_some_and(|status| status >= ENDED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ends_the_main_flow_is_known() {
        let check = |content: &str, expected: Option<bool>| {
            assert_eq!(ends_flow(content.as_bytes()), expected, "{content}");
        };
        check(
            r#"{"id":7,"flowChanges":{"0":{"status":500,"x":[{}]}}}"#,
            Some(true),
        );
        check(
            r#"{"flowChanges":{"0":{"status":700},"1":{"status":0}}}"#,
            Some(true),
        );
        check(r#"{"flowChanges":{"0":{"status":0}}}"#, Some(false));
        check(r#"{"flowChanges":{"0":{"status":100}}}"#, Some(false));
        check(r#"{"flowChanges":{"1":{"status":500}}}"#, Some(false));
        check(r#"{"flowChanges":{},"queueChanges":{"1":{}}}"#, Some(false));
        check(
            r#"{"flowChanges":null,"queueChanges":{"1":{}}}"#,
            Some(false),
        );
        for other in [
            "",
            "{}",
            "[]",
            "7",
            "\u{1}",
            r#"{"flowChanges":{"0":7}}"#,
            r#"{"flowChanges":7}"#,
        ] {
            check(other, None);
        }
    }
}
