//! Routes 14 to 16.

use super::Face;
use crate::support::{Stream, count, hello, start};

#[tokio::test]
async fn a_toggle_is_read_and_set_and_in_force_at_once() {
    let mut face = Face::empty().await;
    let path = "/v1/app/state/orders";
    let acme = [("username", "acme")];
    assert_eq!(face.get_as(Some("acme"), path).await.2, "\"\"\n");
    for (method, answer, recorded) in [
        ("DELETE", "\"false\"\n", 0),
        ("POST", "\"true\"\n", 1),
        ("DELETE", "\"false\"\n", 1),
    ] {
        let (status, headers, body) = face.rest.request(method, path, &acme, b"{}").await;
        assert_eq!((status, &*body), (200, ""));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(face.get_as(Some("acme"), path).await.2, answer);
        let (mut stream, _) = Stream::greet(face.service.local_addr(), hello("orders")).await;
        stream.chunk([start(method, 1)]).await;
        stream.finish().await;
        let stored = "select count(*) from public.flowstate";
        assert_eq!(count(&face.database, stored).await, recorded, "{method}");
    }
    assert_eq!(face.get_as(Some("other"), path).await.2, "\"\"\n");
    face.end().await;
}

#[tokio::test]
async fn a_toggle_needs_a_tenant_and_a_name_that_can_be_stored() {
    let mut face = Face::empty().await;
    for method in ["GET", "POST", "DELETE"] {
        let unnamed = [("username", "")];
        for headers in [&[][..], &unnamed] {
            let answer = face
                .rest
                .request(method, "/v1/app/state/orders", headers, b"")
                .await;
            assert_eq!(answer.0, 401, "{method}");
            assert_eq!(answer.2, "unauthorized, please provide user information\n");
        }
        let user = [("username", "acme")];
        let long = format!("/v1/app/state/{}", "x".repeat(513));
        for path in ["/v1/app/state/a%00b", "/v1/app/state/%ff", &long] {
            let answer = face.rest.request(method, path, &user, b"").await;
            assert_eq!(answer.0, 400, "{method} {path}");
            assert_eq!(answer.1["content-type"], "text/plain; charset=utf-8");
            assert!(answer.2.contains("app's name"), "{}", answer.2);
        }
        let long = "x".repeat(513);
        let user = [("username", long.as_str())];
        let answer = face
            .rest
            .request(method, "/v1/app/state/orders", &user, b"")
            .await;
        assert_eq!(answer.0, 400, "{method}");
        assert!(
            answer.2.starts_with("username has 513 bytes"),
            "{}",
            answer.2
        );
    }
    face.end().await;
}
