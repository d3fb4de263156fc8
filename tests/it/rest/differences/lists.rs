//! What differs in lists, and in who may read what.

use serde_json::{Value, json};

use crate::rest::{Face, ORDERS, instance, json as parsed};

/// Instances `i1` to `iN`, each a second later than the one before.
async fn instances(face: &Face, count: u32) {
    face.sql(&format!(
        "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, status)
         select 'i' || n, 'flogo', 'orders', '1.2.0', 'f', 'vm', timestamp '2026-01-01' + n * interval '1 s', 'Completed'
         from generate_series(1, {count}) n"
    ))
    .await;
}

fn ids(list: &Value) -> Vec<&str> {
    let flows = list["FlowData"].as_array().map_or(&[][..], Vec::as_slice);
    flows
        .iter()
        .map(|flow| flow["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test]
async fn limit_alone() {
    let mut face = Face::empty().await;
    instances(&face, 5).await;
    let first = face.json(&format!("{ORDERS}&limit=2")).await;
    assert_eq!(
        (ids(&first), &first["Count"]),
        (vec!["i5", "i4"], &json!(5))
    );
    let rest = face.json(&format!("{ORDERS}&offset=3")).await;
    assert_eq!((ids(&rest), &rest["Count"]), (vec!["i2", "i1"], &json!(5)));
    let behind = face.get(&format!("{ORDERS}&offset=5&limit=2")).await.2;
    assert_eq!(behind, "{\"Count\":0,\"FlowData\":null}\n");
    face.end().await;
}

#[tokio::test]
async fn page_is_bounded() {
    let mut face = Face::empty().await;
    instances(&face, 1_001).await;
    assert_eq!(ids(&face.json(ORDERS).await).len(), 1_000);
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&limit=1000&offset=1")).await).len(),
        1_000
    );
    assert_eq!(face.get(&format!("{ORDERS}&limit=1001")).await.0, 400);
    face.end().await;
}

#[tokio::test]
async fn count_is_bounded() {
    let mut face = Face::empty().await;
    instances(&face, 10_005).await;
    assert_eq!(
        face.json(&format!("{ORDERS}&limit=1")).await["Count"],
        10_000
    );
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&limit=5&offset=10003")).await),
        ["i2", "i1"]
    );
    face.end().await;
}

#[tokio::test]
async fn equal_times_have_an_order() {
    let mut face = Face::empty().await;
    for id in ["b", "d", "a", "c"] {
        face.sql(&instance(id, 1, "Completed")).await;
    }
    let mut pages = Vec::new();
    for offset in 0..4 {
        let page = face
            .json(&format!("{ORDERS}&limit=1&offset={offset}"))
            .await;
        pages.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(pages, ["d", "c", "b", "a"]);
    face.end().await;
}

#[tokio::test]
async fn wrong_parameters() {
    let mut face = Face::empty().await;
    for (parameter, value) in [
        ("status", "completed"),
        ("limit", "ten"),
        ("offset", "-1"),
        ("interval", "soon"),
    ] {
        let (status, _, body) = face.get(&format!("{ORDERS}&{parameter}={value}")).await;
        assert_eq!(status, 400, "{parameter}");
        assert!(body.starts_with(parameter), "{body}");
    }
    face.end().await;
}

#[tokio::test]
async fn interval_in_utc() {
    let mut face = Face::empty().await;
    let name = face.database.name.clone();
    face.sql(&format!(
        "alter database {name} set timezone = 'Asia/Tokyo'"
    ))
    .await;
    for (id, minutes) in [("now", 30), ("before", 90)] {
        face.sql(&instance(id, 1, "Completed")).await;
        face.sql(&format!(
            "update public.flowstate set starttime = now() at time zone 'UTC' - {minutes} * interval '1 min'
             where flowinstanceid = '{id}'"
        ))
        .await;
    }
    let hour = face.json(&format!("{ORDERS}&interval=1%20hour")).await;
    assert_eq!(ids(&hour), ["now"]);
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&interval=2%20hours")).await),
        ["now", "before"]
    );
    face.end().await;
}

#[tokio::test]
async fn values_are_values() {
    let mut face = Face::empty().await;
    let quoted = format!("/v1/instances?app={}&version=1.2.0", "o'x");
    assert_eq!(
        face.get(&quoted).await.2,
        "{\"Count\":0,\"FlowData\":null}\n"
    );
    face.end().await;
}

#[tokio::test]
async fn tenants_apart() {
    let mut face = Face::recorded().await;
    let id = "c30c853e25cfcefe2d2d4994eaa3b28a";
    for rest in [
        "details",
        "status",
        "attempts",
        "rerun",
        "steps",
        "steps/tasks",
        "steps/status",
        "step/1/taskdata",
        "snapshot",
        "snapshot/1",
        "failedtask",
    ] {
        let path = format!("/v1/instances/{id}/{rest}");
        let (status, _, body) = face.get_as(Some("other"), &path).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(
            parsed(&body)["message"],
            format!("instance {id} is not stored")
        );
        assert_eq!(face.get_as(Some("flogo"), &path).await.0, 200, "{path}");
        let anybody = if rest == "details" { 401 } else { 200 };
        assert_eq!(face.get_as(None, &path).await.0, anybody, "{path}");
    }
    face.end().await;
}

#[tokio::test]
async fn names_in_order() {
    let mut face = Face::recorded().await;
    let flows = face.json("/v1/flows?app=orders&version=1.2.0").await;
    assert_eq!(
        flows,
        json!(["branchy", "fails", "handled", "order", "parallel"])
    );
    face.end().await;
}
