//! The body of a flow's start and end.

use super::{
    Time,
    json::{self, Invalid, Object},
};

/// What an engine posts when a flow starts and when it ends.
///
/// The contract, section 1.3. Texts that were not sent are empty, times that were not sent are
/// [`Time::ZERO`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowState<'a> {
    /// `user_id`, the tenant.
    pub user: String,
    /// `app_name`.
    pub app: String,
    /// `app_version`.
    pub version: String,
    /// `host_id`, the app instance.
    pub host: String,
    /// `flow_name`.
    pub flow_name: String,
    /// `flow_instance_id`.
    pub instance_id: String,
    /// `flow_inputs`, a JSON object in the bytes it came with; none for `null`.
    pub inputs: Option<&'a str>,
    /// `flow_outputs`, as `inputs`.
    pub outputs: Option<&'a str>,
    /// `flow_stats`, a word such as `Created` or `Completed`.
    pub status: String,
    /// `rerun_count`; engines always send 0.
    pub rerun_count: i32,
    /// `start_time`.
    pub start_time: Time,
    /// `end_time`; at a start it is about the start time.
    pub end_time: Time,
    /// `original_instance_id`: what this instance repeats, empty when it is no rerun.
    pub original_instance_id: String,
}

impl<'a> FlowState<'a> {
    /// Reads the body of a start or an end.
    ///
    /// # Errors
    /// [`Invalid`] with the field that Go's decoder would not take.
    pub fn parse(body: &'a str) -> Result<Self, Invalid> {
        let body = json::body(body)?;
        let [
            user,
            app,
            version,
            host,
            flow_name,
            instance,
            inputs,
            outputs,
            status,
            rerun_count,
            start,
            end,
            original,
        ] = Object::of(&body)?.fields([
            "user_id",
            "app_name",
            "app_version",
            "host_id",
            "flow_name",
            "flow_instance_id",
            "flow_inputs",
            "flow_outputs",
            "flow_stats",
            "rerun_count",
            "start_time",
            "end_time",
            "original_instance_id",
        ])?;
        Ok(Self {
            user: user.text()?,
            app: app.text()?,
            version: version.text()?,
            host: host.text()?,
            flow_name: flow_name.text()?,
            instance_id: instance.text()?,
            inputs: inputs.payload()?,
            outputs: outputs.payload()?,
            status: status.text()?,
            rerun_count: rerun_count.count()?,
            start_time: start.time()?,
            end_time: end.time()?,
            original_instance_id: original.text()?,
        })
    }

    /// What a start stores as flowinput: `{}` when the flow has none (contract, section 1.4).
    pub fn flow_input(&self) -> &'a str {
        self.inputs.unwrap_or("{}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::flogo::readable;

    #[test]
    fn keys_match_in_any_case_and_unknown_ones_are_ignored() {
        let state = FlowState::parse(
            r#" {"Flow_Instance_ID":"i1","USER_ID":"u","app_name":"a","x":[1],"user_id":null,
                "flow_inputs": {"b":1.0, "a":"<"},"flow_outputs":null,
                "start_time":"2026-11-20T20:00:36.7+01:00"} "#,
        )
        .expect("a start");
        assert_eq!((&*state.instance_id, &*state.user), ("i1", "u"));
        assert_eq!(state.inputs, Some(r#"{"b":1.0, "a":"<"}"#));
        assert_eq!(state.outputs, None);
        assert_eq!(
            (state.start_time.seconds, state.start_time.nanos),
            (1_795_201_236, 700_000_000)
        );
        assert!(state.end_time.is_zero());
    }

    #[test]
    fn a_body_of_null_is_an_empty_state() {
        let state = FlowState::parse("null").expect("a state");
        assert_eq!(state, FlowState::parse("{}").expect("a state"));
        assert_eq!(state.flow_input(), "{}");
    }

    #[test]
    fn bytes_that_are_no_character_are_replaced() {
        let body = readable(b"{\"user_id\":\"\xff\",\"flow_inputs\":{\"a\":\"\xff\"}}");
        let state = FlowState::parse(&body).expect("a state");
        assert_eq!(state.user, "\u{fffd}");
        assert_eq!(state.inputs, Some("{\"a\":\"\u{fffd}\"}"));
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        let check = |body: &str, expected: &str| {
            let error = FlowState::parse(body).expect_err(body).to_string();
            assert!(error.starts_with(expected), "{body}: {error}");
        };
        check("", "the body is empty");
        check("{} x", "not JSON");
        check("{", "not JSON");
        check("[]", "has to be an object, is []");
        check(r#"{"user_id":7}"#, "user_id: has to be a text, is 7");
        check(r#"{"rerun_count":1.0}"#, "rerun_count: has to be a whole");
        check(r#"{"rerun_count":"1"}"#, "rerun_count: has to be a whole");
        check(r#"{"rerun_count":-1}"#, "rerun_count: has to be 0 to");
        check(r#"{"flow_inputs":[1]}"#, "flow_inputs: has to be an object");
        check(
            r#"{"start_time":"2026-11-20 20:00:36Z"}"#,
            "start_time: has to be a time in RFC 3339",
        );
    }
}
