//! Methods, paths and origins, whatever the route.

use flowtrail::rest::paths::PATHS;
use tonic::Code;

use super::Face;
use crate::support::{Answer, Program, Rest, Stream, hello, http};

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .1
        .get(name)
        .map(|value| value.to_str().expect("text"))
}

#[tokio::test]
async fn an_unknown_path_is_404_in_text() {
    let mut face = Face::empty().await;
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/instances/i/nothing",
        "/v2/health",
        "/%ff",
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS", "PATCH"] {
            let answer = face.rest.request(method, path, &[], b"").await;
            assert_eq!(answer.0, 404, "{method} {path}");
            assert_eq!(
                header(&answer, "content-type"),
                Some("text/plain; charset=utf-8")
            );
            assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
            assert_eq!(header(&answer, "vary"), Some("origin"));
            if method != "HEAD" {
                assert_eq!(answer.2, "404 page not found\n", "{method} {path}");
            }
        }
    }
    face.end().await;
}

#[tokio::test]
async fn a_wrong_method_is_405_and_names_the_right_ones() {
    let mut face = Face::empty().await;
    for (method, path, allow) in [
        ("POST", "/v1/health", "GET, OPTIONS"),
        ("HEAD", "/v1/health", "GET, OPTIONS"),
        ("PUT", "/v1/instances", "GET, OPTIONS"),
        ("TRACE", "/v1/flows", "GET, OPTIONS"),
        ("HEAD", "/v1/instances/i/steps", "GET, OPTIONS"),
        (
            "PATCH",
            "/v1/app/state/orders",
            "DELETE, GET, OPTIONS, POST",
        ),
        ("BREW", "/v1/app/state/orders", "DELETE, GET, OPTIONS, POST"),
    ] {
        let answer = face.rest.request(method, path, &[], b"").await;
        assert_eq!(answer.0, 405, "{method} {path}");
        assert_eq!(header(&answer, "allow"), Some(allow), "{method} {path}");
        assert_eq!(header(&answer, "vary"), Some("origin"));
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/plain; charset=utf-8")
        );
        if method != "HEAD" {
            assert_eq!(answer.2, "Method Not Allowed\n", "{method} {path}");
        }
        let answer = face.rest.request("OPTIONS", path, &[], b"").await;
        assert_eq!(answer.0, 200, "OPTIONS {path}");
        assert_eq!(header(&answer, "allow"), Some(allow), "OPTIONS {path}");
        assert_eq!(answer.2, "");
    }
    face.end().await;
}

#[tokio::test]
async fn slashes_and_letters_are_corrected_by_a_redirect() {
    let mut face = Face::empty().await;
    for (method, path, status, location) in [
        ("GET", "/v1/HEALTH", 301, "/v1/health"),
        ("GET", "/v1/health/?a=b&c", 301, "/v1/health?a=b&c"),
        (
            "GET",
            "//v1//Instances/A%2fB%20/Steps/",
            301,
            "/v1/instances/A%2fB%20/steps",
        ),
        ("POST", "/V1/app/State/Orders", 307, "/v1/app/state/Orders"),
        (
            "DELETE",
            "/v1/app/state/orders/",
            307,
            "/v1/app/state/orders",
        ),
    ] {
        let answer = face.rest.request(method, path, &[], b"").await;
        assert_eq!(answer.0, status, "{method} {path}");
        assert_eq!(
            header(&answer, "location"),
            Some(location),
            "{method} {path}"
        );
        assert_eq!(header(&answer, "vary"), Some("origin"));
        if status == 301 {
            let link = location.replace('&', "&amp;");
            assert_eq!(
                answer.2,
                format!("<a href=\"{link}\">Moved Permanently</a>.\n\n")
            );
            assert_eq!(
                header(&answer, "content-type"),
                Some("text/html; charset=utf-8")
            );
        }
    }
    face.end().await;
}

#[tokio::test]
async fn a_body_that_no_route_reads_does_not_end_the_connection() {
    let mut face = Face::empty().await;
    let user = [("username", "acme")];
    for (method, path, status) in [
        ("POST", "/v1/health", 405),
        ("POST", "/v1/nothing", 404),
        ("POST", "/V1/app/state/orders", 307),
        ("POST", "/v1/app/state/orders", 200),
        ("GET", "/v1/health", 200),
    ] {
        for _ in 0..20 {
            let answer = face
                .rest
                .request(method, path, &user, &[b'x'; 10_000])
                .await;
            assert_eq!(answer.0, status, "{method} {path}");
            assert_eq!(header(&answer, "connection"), None, "{method} {path}");
        }
    }
    assert_eq!(face.rest.connections, 1);
    let answer = face
        .rest
        .request("POST", "/v1/health", &[], &vec![b'x'; 1 << 20])
        .await;
    assert_eq!(
        (answer.0, header(&answer, "connection")),
        (405, Some("close"))
    );
    face.end().await;
}

/// Or a redirect would lead nowhere, and the page of routes would lie.
#[tokio::test]
async fn every_path_of_the_list_is_a_route_and_on_the_page() {
    let mut face = Face::empty().await;
    let page = include_str!("../../../docs/flow-state.md");
    for (method, path) in PATHS {
        let asked = path.replace('*', "1");
        let answer = face.rest.request("OPTIONS", &asked, &[], b"").await;
        assert_eq!(answer.0, 200, "{method} {path}");
        let allowed = header(&answer, "allow").expect("methods");
        assert!(allowed.contains(method), "{method} {path}: {allowed}");
        let mut parts = page
            .lines()
            .filter(|line| line.starts_with(&format!("| {method} | `/v1/")));
        let listed = |line: &str| {
            let shown = line.split('`').nth(1).expect("a path");
            let shown = shown.split('?').next().expect("a path");
            let plain = shown
                .split('/')
                .map(|part| if part.starts_with('{') { "*" } else { part });
            plain.collect::<Vec<_>>().join("/") == *path
        };
        let line = parts.find(|line| listed(line));
        let line =
            line.unwrap_or_else(|| panic!("docs/flow-state.md does not list {method} {path}"));
        let needed = match line.split(" | ").nth(2) {
            Some("yes") => true,
            Some("no") => false,
            other => panic!("{method} {path}: {other:?}"),
        };
        let (status, _, _) = face.rest.request(method, &asked, &[], b"").await;
        assert_eq!(status == 401, needed, "{method} {path} without a username");
    }
    face.end().await;
}

#[tokio::test]
async fn other_routes_of_the_port_are_as_they_were() {
    let face = Face::empty().await;
    let address = face.service.local_addr();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(
            http(address, path).await.expect("an answer").0,
            200,
            "{path}"
        );
    }
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    stream.chunk([crate::support::start("i", 1)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
    for path in [
        "/nothing.v1.Nobody/Nothing",
        "/flowtrail.v1.Recorder/Nothing",
    ] {
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = client.unary(tonic::Request::new(()), path, codec).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    }
    face.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_on_a_door_of_its_own_leaves_rest_the_main_one() {
    let database = crate::support::database().await;
    let flags = [
        "--database-url",
        &database.url,
        "--grpc-listen",
        "127.0.0.1:0",
    ];
    let mut program = Program::serve(&flags).await;
    let mut rest = Rest::new(program.address);
    assert_eq!(rest.request("GET", "/v1/health", &[], b"").await.0, 200);
    assert_eq!(rest.request("GET", "/nothing", &[], b"").await.0, 404);
    let grpc = [("content-type", "application/grpc")];
    let path = "/flowtrail.v1.Recorder/Record";
    let (status, headers, _) = rest.request("POST", path, &grpc, b"").await;
    assert_eq!(
        (status, headers["grpc-status"].to_str().unwrap()),
        (200, "12")
    );
    assert_eq!(program.terminate().await, Some(0));
}

/// A page that promises what no test holds would soon be wrong.
#[test]
fn every_difference_on_the_page_has_its_test() {
    let page = include_str!("../../../docs/flow-state.md");
    let sources = [
        include_str!("differences.rs"),
        include_str!("differences/failures.rs"),
        include_str!("differences/lists.rs"),
        include_str!("differences/replay.rs"),
        include_str!("health.rs"),
        include_str!("manners.rs"),
        include_str!("recording.rs"),
        include_str!("wrong.rs"),
        include_str!("../delete.rs"),
        include_str!("../live.rs"),
        include_str!("../pending.rs"),
        include_str!("../recorder/errors.rs"),
        include_str!("../recorder/waits.rs"),
    ];
    let (_, rows) = page.split_once("## What differs").expect("the section");
    let rows = rows.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| !line.starts_with("| What |") && !line.starts_with("| ---"));
    let mut named = 0;
    for row in rows {
        let column = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .expect("a column");
        let tests = column.split('`').skip(1).step_by(2);
        let before = named;
        for test in tests {
            let function = format!("async fn {test}() {{");
            assert!(
                sources.iter().any(|source| source.contains(&function)),
                "{test}"
            );
            named += 1;
        }
        assert!(named > before, "no test: {row}");
    }
    assert!(named > 40, "{named} tests are named");
    // and the other way round
    let differences = [
        include_str!("differences.rs"),
        include_str!("differences/failures.rs"),
        include_str!("differences/lists.rs"),
        include_str!("differences/replay.rs"),
        include_str!("recording.rs"),
    ];
    for line in differences.into_iter().flat_map(str::lines) {
        let test = line
            .strip_prefix("async fn ")
            .and_then(|line| line.strip_suffix("() {"));
        if let Some(test) = test {
            assert!(
                page.contains(&format!("`{test}`")),
                "docs/flow-state.md does not have {test}"
            );
        }
    }
}

#[tokio::test]
async fn cors_lets_a_page_of_any_origin_ask_with_a_username() {
    let mut face = Face::empty().await;
    let headers = [
        ("origin", "https://page.example"),
        ("access-control-request-method", "GET"),
        (
            "access-control-request-headers",
            "username,async-calling,content-type",
        ),
    ];
    for path in [
        "/v1/health",
        "/v1/instances/i/steps",
        "/v1/app/state/orders",
    ] {
        let answer = face.rest.request("OPTIONS", path, &headers, b"").await;
        assert_eq!((answer.0, &*answer.2), (204, ""), "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        let methods = header(&answer, "access-control-allow-methods").expect("methods");
        for method in ["GET", "POST", "DELETE", "PUT", "OPTIONS"] {
            assert!(methods.contains(method), "{methods}");
        }
        let allowed = header(&answer, "access-control-allow-headers").expect("headers");
        for name in ["username", "async-calling", "content-type"] {
            assert!(allowed.contains(name), "{allowed}");
        }
        assert_eq!(header(&answer, "vary"), Some("origin"));
        // a browser refuses both together
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    }
    let answer = face
        .rest
        .request(
            "GET",
            "/v1/health",
            &[("origin", "https://page.example")],
            b"",
        )
        .await;
    assert_eq!(answer.0, 200);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    assert_eq!(header(&answer, "vary"), Some("origin"));
    face.end().await;
}
