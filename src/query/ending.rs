//! Whether a step ends its instance's flow.

use crate::event::flogo::{Content, FlowChange};

/// Whether a step's content ends the main flow; none when it is not a step of Flogo's.
pub(super) fn ends_flow(content: &[u8]) -> Option<bool> {
    let content = Content::parse(str::from_utf8(content).ok()?).ok()?;
    if content.changes.is_empty() && content.queue.is_empty() {
        return None;
    }
    let main = content.changes.get(&0);
    Some(main.is_some_and(|main| main.status >= FlowChange::ENDED))
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
