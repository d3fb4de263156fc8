//! Every path of the REST face, and the one that a mistaken path means.

use http::Method;

/// Method and path of every route; `*` stands for any one part. What has no `*` comes first.
pub const PATHS: &[(&str, &str)] = &[
    ("GET", "/v1/health"),
    ("GET", "/v1/flows"),
    ("GET", "/v1/apps/*/versions"),
    ("GET", "/v1/app/state/*"),
    ("POST", "/v1/app/state/*"),
    ("DELETE", "/v1/app/state/*"),
    ("GET", "/v1/stream/steps"),
    ("POST", "/v1/instances/start"),
    ("POST", "/v1/instances/end"),
    ("POST", "/v1/instances/steps"),
    ("POST", "/v1/instances/snapshot"),
    ("GET", "/v1/instances"),
    ("DELETE", "/v1/instances/*"),
    ("GET", "/v1/instances/*/details"),
    ("GET", "/v1/instances/*/status"),
    ("GET", "/v1/instances/*/failedtask"),
    ("GET", "/v1/instances/*/attempts"),
    ("GET", "/v1/instances/*/rerun"),
    ("GET", "/v1/instances/*/steps"),
    ("GET", "/v1/instances/*/steps/tasks"),
    ("GET", "/v1/instances/*/steps/status"),
    ("DELETE", "/v1/instances/*/step/*"),
    ("GET", "/v1/instances/*/step/*/taskdata"),
    ("GET", "/v1/instances/*/snapshot"),
    ("GET", "/v1/instances/*/snapshot/*"),
];

/// The path of a route that `path` is in other letters, with slashes too many or with its fixed
/// parts encoded. What stands for `*` stays as it was sent.
pub(super) fn corrected(method: &Method, path: &str) -> Option<String> {
    let parts = clean(path);
    let (_, route) = PATHS
        .iter()
        .find(|(of, route)| *of == method.as_str() && matches(route, &parts))?;
    let mut target = String::with_capacity(path.len());
    for (fixed, part) in route.split('/').skip(1).zip(&parts) {
        target.push('/');
        target.push_str(if fixed == "*" { part } else { fixed });
    }
    (target != path).then_some(target)
}

/// The parts of a path without empty ones and without dots, as Go's `path.Clean` leaves them.
fn clean(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

fn matches(route: &str, parts: &[&str]) -> bool {
    let fixed = route.split('/').skip(1);
    fixed.clone().count() == parts.len()
        && fixed
            .zip(parts)
            .all(|(fixed, part)| fixed == "*" || same(fixed, part))
}

/// Whether `part` is `fixed` once decoded, upper and lower case alike.
fn same(fixed: &str, part: &str) -> bool {
    let mut bytes = part.bytes();
    let decoded = std::iter::from_fn(|| match bytes.next()? {
        b'%' => {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let byte = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            // a broken escape is like no letter
            Some(byte.and_then(|byte| u8::try_from(byte).ok()).unwrap_or(0))
        }
        byte => Some(byte),
    });
    decoded
        .map(|byte| byte.to_ascii_lowercase())
        .eq(fixed.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_path_is_corrected_and_an_id_stays_as_it_is() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(corrected(&Method::GET, path).as_deref(), expected, "{path}");
        };
        check("/v1/HEALTH", Some("/v1/health"));
        check("/v1/health/", Some("/v1/health"));
        check("//v1/./health", Some("/v1/health"));
        check("/v1/%68ealth", Some("/v1/health"));
        check("/v1/instances/x/../y/Steps", Some("/v1/instances/y/steps"));
        check(
            "/V1/Instances/A%2fB/STEPS/",
            Some("/v1/instances/A%2fB/steps"),
        );
        // already right, so another redirect would go round in a circle
        check("/v1/health", None);
        check("/v1/health%", None);
        check("/v1/health%4", None);
        check("/v1/healthy", None);
        check("/", None);
        check("/v1/instances/x/y", None);
        check("//evil.example/v1/health", None);
    }

    #[test]
    fn a_path_is_corrected_only_for_a_method_it_has() {
        let corrected = |method, path| corrected(&method, path);
        assert_eq!(corrected(Method::POST, "/v1/HEALTH"), None);
        assert_eq!(corrected(Method::TRACE, "/v1/HEALTH"), None);
        assert_eq!(
            corrected(Method::POST, "/v1/instances/START").as_deref(),
            Some("/v1/instances/start")
        );
        assert_eq!(
            corrected(Method::DELETE, "/v1/Instances/START").as_deref(),
            Some("/v1/instances/START")
        );
    }
}
