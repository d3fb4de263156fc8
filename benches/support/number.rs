//! Numbers from the environment: a bench has no other configuration.

#[expect(
    clippy::disallowed_methods,
    reason = "a bench has no configuration but some variables"
)]
/// The number in the environment variable `name`.
pub(crate) fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
