//! What is asked for.

use flowtrail::proto::InstanceFilter;

/// Names and filters over the rows of [`super::rows`].
pub(crate) fn all(instances: usize) -> Vec<(&'static str, InstanceFilter)> {
    let text = |text: &str| Some(text.to_owned());
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    // one instance a second
    let at = |part: usize| {
        let seconds = i64::try_from(instances * part / 100).unwrap_or(i64::MAX);
        let seconds = 1_767_225_600 + seconds;
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    };
    let none = InstanceFilter::default;
    let app = || InstanceFilter {
        user: text("acme"),
        app: text("orders"),
        ..none()
    };
    vec![
        ("app", app()),
        (
            "app, version",
            InstanceFilter {
                app_version: text("1.1"),
                ..app()
            },
        ),
        (
            "app, status of 0.1 %",
            InstanceFilter {
                statuses: words(&["Failed"]),
                ..app()
            },
        ),
        (
            "app, flow",
            InstanceFilter {
                flow_name: text("flow-7"),
                ..app()
            },
        ),
        (
            "app, host",
            InstanceFilter {
                host: text("host-17"),
                ..app()
            },
        ),
        (
            "app, time range",
            InstanceFilter {
                started_from: at(30),
                started_before: at(60),
                ..app()
            },
        ),
        (
            "app, unknown flow",
            InstanceFilter {
                flow_name: text("none"),
                ..app()
            },
        ),
        (
            "app, unknown status",
            InstanceFilter {
                statuses: words(&["Cancelled"]),
                ..app()
            },
        ),
        (
            "app, version, flow, host",
            InstanceFilter {
                app_version: text("1.1"),
                flow_name: text("flow-7"),
                host: text("host-17"),
                ..app()
            },
        ),
        (
            "app, three statuses",
            InstanceFilter {
                statuses: words(&["Failed", "Created", "Started"]),
                ..app()
            },
        ),
        (
            "app, reruns of one",
            InstanceFilter {
                original_instance_id: text(&format!("{:032x}", 3)),
                ..app()
            },
        ),
        (
            "user",
            InstanceFilter {
                user: text("acme"),
                ..none()
            },
        ),
        ("nothing", none()),
        (
            "status of 0.1 %",
            InstanceFilter {
                statuses: words(&["Failed"]),
                ..none()
            },
        ),
    ]
}
