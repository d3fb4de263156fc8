//! Requests that are wrong, or that look like SQL: never a 500, never what they meant to do.

use super::{Face, ORDERS, instance, json};
use crate::support::count;

const HEX: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
];

#[tokio::test]
async fn a_wrong_parameter_of_a_list_is_named_in_a_400() {
    let mut face = Face::empty().await;
    let long = "x".repeat(513);
    for (path, sentence) in [
        ("/v1/instances", "Please provide app name"),
        ("/v1/instances?app=&app=orders", "Please provide app name"),
        ("/v1/instances?app=orders", "Please provide app version"),
        ("/v1/flows?version=1", "Please provide app name"),
        (
            "/v1/flows?app=orders&version=",
            "Please provide app version",
        ),
        ("&limit=1001", "limit is `1001`; send 1 to 1000"),
        ("&limit=-1", "limit is `-1`; "),
        ("&limit=0", "limit is `0`; "),
        ("&limit=ten", "limit is `ten`; "),
        ("&limit=99999999999999999999", "limit is "),
        ("&offset=-1&limit=1", "offset is `-1`; "),
        ("&offset=1.5&limit=1", "offset is `1.5`; "),
        ("&offset=4294967296&limit=1", "offset is "),
        (
            "&status=completed",
            "status is `completed`; send one of Created, ",
        ),
        ("&status=%27%20or%201", "status is "),
        ("&interval=soon", "interval "),
        ("&interval=-1%20hour", "interval "),
        ("&interval=99999999999%20years", "interval "),
        (
            "&interval=1%20hour%27%3B%20drop%20table%20steps",
            "interval ",
        ),
        ("&startTime=lately&endTime=2026-01-01", "startTime "),
        ("&startTime=2026-01-01&endTime=2026-13-01", "endTime "),
        ("&flow=a%00b", "flow holds a NUL character; remove it"),
        (
            &format!("&host={long}"),
            "host has 513 bytes; send at most 512",
        ),
        (
            &format!("&flowinstanceid={long}"),
            "flowinstanceid has 513 bytes",
        ),
    ] {
        let path = match path.strip_prefix('&') {
            Some(more) => format!("{ORDERS}&{more}"),
            None => path.to_owned(),
        };
        let (status, headers, body) = face.get(&path).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(
            body.starts_with(sentence) && body.ends_with('\n'),
            "{path}: {body}"
        );
    }
    for path in [
        ORDERS,
        "/v1/flows",
        "/v1/apps/a/versions",
        "/v1/instances/i/details",
    ] {
        for user in [None, Some("")] {
            let (status, _, body) = face.get_as(user, path).await;
            assert_eq!(status, 401, "{path}");
            assert_eq!(body, "unauthorized, please provide user information\n");
        }
    }
    face.end().await;
}

#[tokio::test]
async fn a_wrong_part_of_a_path_is_400_and_an_unknown_one_404() {
    let mut face = Face::empty().await;
    face.sql(&instance("i", 1, "Completed")).await;
    for (path, sentence) in [
        ("/v1/instances/i/status?attempt=0", "attempt is `0`; "),
        ("/v1/instances/i/status?attempt=-1", "attempt is `-1`; "),
        ("/v1/instances/i/steps?attempt=x", "attempt is `x`; "),
        (
            "/v1/instances/i/steps/tasks?attempt=99999999999",
            "attempt is ",
        ),
        ("/v1/instances/i/rerun?from=0", "from is `0`; "),
        ("/v1/instances/i/rerun?from=x", "from is `x`; "),
        ("/v1/instances/i/snapshot/x", "invalid stepId: x"),
        ("/v1/instances/i/snapshot/-1", "invalid stepId: -1"),
        ("/v1/instances/i/snapshot/1.5", "invalid stepId: 1.5"),
        ("/v1/instances/i/step/x/taskdata", "invalid stepId: x"),
        ("/v1/instances/i/step/-1/taskdata", "invalid stepId: -1"),
        ("/v1/instances/a%00b/status", "the instance id holds a NUL"),
        (
            "/v1/instances/%00/snapshot/1",
            "the instance id holds a NUL",
        ),
        ("/v1/instances/%ff/steps", "the path is not UTF-8"),
        ("/v1/instances/i/step/%ff/taskdata", "the path is not UTF-8"),
    ] {
        let message = face.refused(400, path).await;
        assert!(message.starts_with(sentence), "{path}: {message}");
    }
    let long = format!("/v1/instances/{}/steps", "x".repeat(2_000));
    for path in [
        "/v1/instances/a%2Fb/status",
        "/v1/instances/..%2F..%2Fi/status",
        "/v1/instances/i/status?attempt=2",
        "/v1/instances/i/step/4294967295/taskdata",
        "/v1/instances/nobody/details",
        &long,
    ] {
        face.refused(404, path).await;
    }
    face.end().await;
}

/// Whatever stands in a parameter, a part of a path or the header is a value.
#[tokio::test]
async fn text_that_looks_like_sql_is_a_value() {
    let mut face = Face::empty().await;
    face.sql(&instance("i", 1, "Completed")).await;
    let texts = [
        "' or '1'='1",
        "'; drop table public.flowstate; --",
        "x' union select null from pg_catalog.pg_roles --",
        "$1",
        "\\'",
        "%",
        "\"; select pg_sleep(60)",
        "i') or ('1'='1",
        "größe 🚚",
    ];
    for text in texts {
        let odd = encode(text);
        for path in [
            format!("/v1/instances?app={odd}&version=1.2.0"),
            format!("/v1/instances?app=orders&version={odd}"),
            format!("{ORDERS}&host={odd}"),
            format!("{ORDERS}&flow={odd}"),
            format!("{ORDERS}&flowinstanceid={odd}"),
        ] {
            assert_eq!(face.json(&path).await["Count"], 0, "{path}");
        }
        for name in ["status", "limit", "offset"] {
            let path = format!("{ORDERS}&{name}={odd}");
            assert_eq!(face.get(&path).await.0, 400, "{path}");
        }
        // PostgreSQL reads `$1` as the interval 1
        for times in [
            format!("interval={odd}"),
            format!("startTime={odd}&endTime={odd}"),
        ] {
            let status = face.get(&format!("{ORDERS}&{times}")).await.0;
            assert!(status == 400 || text == "$1", "{times}: {status}");
        }
        for path in [
            format!("/v1/flows?app={odd}&version=1.2.0"),
            format!("/v1/flows?app=orders&version={odd}"),
            format!("/v1/flows?app=orders&version=1.2.0&host={odd}"),
            format!("/v1/apps/{odd}/versions"),
            format!("/v1/instances/{odd}/steps/status"),
        ] {
            assert!(face.get(&path).await.2.starts_with("[]"), "{path}");
        }
        assert_eq!(face.get(&format!("/v1/app/state/{odd}")).await.2, "\"\"\n");
        for rest in [
            "details",
            "status",
            "steps",
            "steps/tasks",
            "step/1/taskdata",
            "snapshot",
            "snapshot/1",
            "attempts",
            "rerun",
        ] {
            face.refused(404, &format!("/v1/instances/{odd}/{rest}"))
                .await;
        }
        for part in ["snapshot/", "step/"] {
            let more = if part == "step/" { "/taskdata" } else { "" };
            face.refused(400, &format!("/v1/instances/i/{part}{odd}{more}"))
                .await;
        }
        face.refused(
            404,
            &format!("/v1/instances/i/step/1/taskdata?taskName={odd}"),
        )
        .await;
        for name in ["app", "version", "host"] {
            face.refused(404, &format!("/v1/instances/i/details?{name}={odd}"))
                .await;
        }
        let as_user = face.get_as(Some(text), ORDERS).await;
        assert_eq!(json(&as_user.2)["Count"], 0, "{text}");
        assert_eq!(
            face.get_as(Some(text), "/v1/instances/i/status").await.0,
            404
        );
    }
    assert_eq!(
        count(&face.database, "select count(*) from public.flowstate").await,
        1
    );
    face.end().await;
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        encoded.push('%');
        encoded.push(HEX[usize::from(byte >> 4)]);
        encoded.push(HEX[usize::from(byte & 15)]);
        encoded
    })
}
