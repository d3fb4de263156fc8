//! What is asked for.

use flowtrail::proto::InstanceFilter;

type Change<'a> = &'a dyn Fn(&mut InstanceFilter);

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
    let of_app: [(&str, Change<'_>); 13] = [
        ("app", &|_| ()),
        ("app, version", &|f| f.app_version = text("1.1")),
        ("app, status of 0.1 %", &|f| f.statuses = words(&["Failed"])),
        ("app, flow", &|f| f.flow_name = text("flow-7")),
        ("app, version, flow", &|f| {
            (f.app_version, f.flow_name) = (text("1.1"), text("flow-7"));
        }),
        ("app, completed", &|f| f.statuses = words(&["Completed"])),
        ("app, host", &|f| f.host = text("host-17")),
        ("app, time range", &|f| {
            (f.started_from, f.started_before) = (at(30), at(60));
        }),
        ("app, unknown flow", &|f| f.flow_name = text("none")),
        ("app, unknown status", &|f| {
            f.statuses = words(&["Cancelled"]);
        }),
        ("app, version, flow, host", &|f| {
            (f.app_version, f.flow_name) = (text("1.1"), text("flow-7"));
            f.host = text("host-17");
        }),
        ("app, three statuses", &|f| {
            f.statuses = words(&["Failed", "Created", "Started"]);
        }),
        ("app, reruns of one", &|f| {
            f.original_instance_id = text(&format!("{:032x}", 3));
        }),
    ];
    let anywhere: [(&str, Change<'_>); 4] = [
        ("user", &|f| f.user = text("acme")),
        ("nothing", &|_| ()),
        ("flow", &|f| f.flow_name = text("flow-7")),
        ("status of 0.1 %", &|f| f.statuses = words(&["Failed"])),
    ];
    let known = InstanceFilter {
        user: text("acme"),
        app: text("orders"),
        ..InstanceFilter::default()
    };
    let filter = |from: &InstanceFilter, change: Change<'_>| {
        let mut filter = from.clone();
        change(&mut filter);
        filter
    };
    let of_app = of_app.map(|(name, change)| (name, filter(&known, change)));
    let anywhere =
        anywhere.map(|(name, change)| (name, filter(&InstanceFilter::default(), change)));
    of_app.into_iter().chain(anywhere).collect()
}
