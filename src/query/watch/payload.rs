//! What is said in a NOTIFY: a JSON array of instance ids, `*` when there are too many, or `?` by
//! whoever has watchers.

use std::sync::Arc;

use super::Hint;

/// PostgreSQL takes less than 8,000 bytes.
const BYTES: usize = 7_900;
/// Payloads said at once, at most.
pub(super) const PAYLOADS: usize = 32;
/// There was more than can be said.
pub(super) const OVERFLOW: &str = "*";
/// Whoever stores something shall say so.
pub(super) const ASK: &str = "?";

/// Packs ids into payloads; none when they need more than [`PAYLOADS`].
pub(super) fn pack<'a>(ids: impl Iterator<Item = &'a Arc<str>>) -> Option<Vec<String>> {
    let mut payloads: Vec<String> = Vec::new();
    for id in ids {
        // an id of 512 bytes has at most 3,074 in JSON
        let word = serde_json::to_string(&**id).unwrap_or_default();
        let full = payloads.len() == PAYLOADS;
        match payloads.last_mut() {
            Some(payload) if payload.len() + word.len() + 2 <= BYTES => {
                payload.push(',');
                payload.push_str(&word);
            }
            _ if word.len() + 2 > BYTES || full => return None,
            _ => payloads.push(format!("[{word}")),
        }
    }
    for payload in &mut payloads {
        payload.push(']');
    }
    Some(payloads)
}

/// What a payload says; another program's nonsense means that something may have changed.
pub(super) fn read(payload: &str) -> Hint {
    match serde_json::from_str::<Vec<String>>(payload) {
        Ok(ids) => Hint::Changed(ids.into_iter().map(Arc::from).collect()),
        Err(_) => Hint::Missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|n| format!("{n:032x}").into()).collect()
    }

    fn unpacked(payloads: &[String]) -> Vec<Arc<str>> {
        let ids = payloads.iter().flat_map(|payload| match read(payload) {
            Hint::Changed(ids) => ids.to_vec(),
            Hint::Missed => panic!("{payload}"),
        });
        ids.collect()
    }

    #[test]
    fn ids_come_out_as_they_went_in_and_no_payload_is_too_long() {
        for ids in [
            ids(0),
            ids(1),
            ids(7_000),
            vec!["*".into(), "a,\"b\"\n".into(), "ü\u{1}".into()],
            vec!["\u{1}".repeat(512).into(); 3],
        ] {
            let payloads = pack(ids.iter()).expect("they fit");
            assert!(payloads.len() <= PAYLOADS);
            assert!(payloads.iter().all(|payload| payload.len() < 8_000));
            assert_eq!(unpacked(&payloads), ids);
        }
    }

    #[test]
    fn too_many_ids_or_one_too_long_do_not_fit() {
        assert_eq!(pack(ids(8_000).iter()), None);
        assert_eq!(pack(["x".repeat(8_000).into()].iter()), None);
    }

    #[test]
    fn what_is_not_a_list_may_mean_anything() {
        for payload in [OVERFLOW, "", "{}", "[1]"] {
            assert!(matches!(read(payload), Hint::Missed), "{payload}");
        }
    }
}
