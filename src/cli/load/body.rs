//! Bodies of requests with places left open, filled in for each instance.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::time::Moment;

/// Length of an instance id.
pub(super) const ID: usize = 32;
/// Bytes of an item, and how many different runs of them there are.
const ITEM: usize = 64;
const ITEMS: usize = 1 << 14;

/// What takes the place of something recorded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'a> {
    /// The instance's id, in place of what was found.
    Instance,
    /// The number of the step: the digits behind what was found.
    Number,
    /// When it began: up to the quotation mark behind what was found; so are the others.
    StartedAt,
    EndedAt,
    /// The instance that it repeats, if any.
    Original,
    /// The same in every instance.
    Text(&'a str),
}

/// What one body is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) instance: &'a [u8; ID],
    pub(super) original: Option<&'a [u8; ID]>,
    pub(super) number: u32,
    pub(super) started_at: Moment,
    pub(super) ended_at: Moment,
    /// Any number; bodies with items have other ones by it.
    pub(super) chance: usize,
}

/// A body with places left open.
#[derive(Debug, Default)]
pub(super) struct Body(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Instance,
    Number,
    StartedAt,
    EndedAt,
    Original,
    /// So many items, separated by commas.
    Items(usize),
}

impl Body {
    /// `recorded` with what is found replaced.
    pub(super) fn new(recorded: &str, places: &[(&str, Slot<'_>)]) -> Self {
        let mut body = Self::default();
        let mut rest = recorded;
        while let Some((at, found, slot)) = next(rest, places) {
            if matches!(slot, Slot::Instance) {
                body.text(&rest[..at]);
                rest = &rest[at + found.len()..];
            } else {
                let (before, behind) = rest.split_at(at + found.len());
                body.text(before);
                let number = matches!(slot, Slot::Number);
                let end = if number { ',' } else { '"' };
                rest = behind.find(end).map_or("", |end| &behind[end..]);
            }
            match slot {
                Slot::Instance => body.0.push(Piece::Instance),
                Slot::Number => body.0.push(Piece::Number),
                Slot::StartedAt => body.0.push(Piece::StartedAt),
                Slot::EndedAt => body.0.push(Piece::EndedAt),
                Slot::Original => body.0.push(Piece::Original),
                Slot::Text(text) => {
                    let quoted = serde_json::Value::from(text).to_string();
                    body.text(&quoted[1..quoted.len() - 1]);
                }
            }
        }
        body.text(rest);
        body
    }

    /// A step of about `bytes` that sets an attribute to a list of items.
    pub(super) fn sized(flow: &str, task: &str, bytes: usize) -> Self {
        let before = format!(
            ",\"flowChanges\":{{\"0\":{{\"newFlow\":false,\"flowURI\":\"res://flow:{flow}\",\
             \"subflowId\":0,\"taskId\":\"{task}\",\"status\":0,\"attrs\":{{\"items\":["
        );
        let behind = format!(
            "]}},\"tasks\":{{\"{task}\":{{\"change\":2,\"status\":40,\"input\":null}}}},\
             \"links\":null,\"returnData\":null}}}},\"queueChanges\":{{}},\"starttime\":\""
        );
        // the words around, two times and the number
        let fixed = before.len() + behind.len() + ID + 112;
        let text = |text: &str| Piece::Text(text.to_owned());
        Self(vec![
            text("{\"id\":"),
            Piece::Number,
            text(",\"flowId\":\""),
            Piece::Instance,
            text("\""),
            Piece::Text(before),
            Piece::Items((bytes.saturating_sub(fixed) / ITEM).clamp(1, ITEMS / 2)),
            Piece::Text(behind),
            Piece::StartedAt,
            text("\",\"endtime\":\""),
            Piece::EndedAt,
            text("\",\"rerun\":false}"),
        ])
    }

    /// Writes the body behind `out`.
    pub(super) fn fill(&self, values: &Values<'_>, items: &Items, out: &mut BytesMut) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Instance => out.extend_from_slice(values.instance),
                Piece::Number => {
                    write!(out, "{}", values.number).expect("memory takes everything");
                }
                Piece::StartedAt => values.started_at.write(out),
                Piece::EndedAt => values.ended_at.write(out),
                Piece::Original => {
                    if let Some(original) = values.original {
                        out.extend_from_slice(original);
                    }
                }
                Piece::Items(count) => out.extend_from_slice(items.some(*count, values.chance)),
            }
        }
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }
}

/// The first of `places` in `text`.
fn next<'a>(text: &str, places: &[(&'a str, Slot<'a>)]) -> Option<(usize, &'a str, Slot<'a>)> {
    let found = places
        .iter()
        .filter_map(|&(word, slot)| Some((text.find(word)?, word, slot)));
    found.min_by_key(|&(at, ..)| at)
}

/// What a large payload is made of: items of an order, all different, as JSON that compresses to
/// about a third.
#[derive(Debug)]
pub(super) struct Items(BytesMut);

impl Items {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut items = BytesMut::with_capacity(ITEM * ITEMS);
        for _ in 0..ITEMS {
            let begin = items.len();
            write!(
                items,
                "{{\"sku\":\"s-{:08x}\",\"qty\":{},\"price\":{:03}.{:02},\"unit\":\"piece\"",
                random.u32(..),
                random.u32(1..10),
                random.u32(100..1000),
                random.u32(0..100),
            )
            .expect("memory takes everything");
            items.resize(begin + ITEM - 2, b' ');
            items.extend_from_slice(b"},");
        }
        Self(items)
    }

    /// `count` items from a place that `chance` decides, without a comma at the end.
    fn some(&self, count: usize, chance: usize) -> &[u8] {
        let from = chance % (ITEMS - count) * ITEM;
        &self.0[from..from + count * ITEM - 1]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ID_TEXT: &[u8; ID] = b"0123456789abcdef0123456789abcdef";

    fn fill(body: &Body, chance: usize) -> String {
        let values = Values {
            instance: ID_TEXT,
            original: None,
            number: 12,
            started_at: Moment::now(),
            ended_at: Moment::now(),
            chance,
        };
        let mut text = BytesMut::new();
        body.fill(&values, &Items::new(1), &mut text);
        String::from_utf8(text.to_vec()).expect("text")
    }

    #[test]
    fn places_are_filled_and_what_stands_around_them_stays() {
        let recorded =
            r#"{"id":0,"flow":"x-1","name":"old","was":"","rest":["x-1",{"id":5,"a":1}]}"#;
        let places = [
            ("x-1", Slot::Instance),
            ("{\"id\":", Slot::Number),
            ("\"name\":\"", Slot::Text("a \"new\" one")),
            ("\"was\":\"", Slot::Original),
        ];
        let id = std::str::from_utf8(ID_TEXT).expect("text");
        let expected = format!(
            r#"{{"id":12,"flow":"{id}","name":"a \"new\" one","was":"","rest":["{id}",{{"id":12,"a":1}}]}}"#
        );
        assert_eq!(fill(&Body::new(recorded, &places), 0), expected);
    }

    #[test]
    fn a_body_has_about_the_size_asked_for_and_is_no_other_ones() {
        for bytes in [512, 4 << 10, 32 << 10, 512 << 10] {
            let body = Body::sized("order", "validate", bytes);
            let [one, other] = [3, 77].map(|chance| fill(&body, chance));
            assert!(
                (bytes * 3 / 4..bytes * 5 / 4).contains(&one.len()),
                "{bytes}: {}",
                one.len()
            );
            assert_ne!(one, other);
            let value: Value = serde_json::from_str(&one).expect("JSON");
            assert_eq!((&value["id"], &value["rerun"]), (&12.into(), &false.into()));
            let items = value["flowChanges"]["0"]["attrs"]["items"].as_array();
            assert!(items.is_some_and(|items| !items.is_empty()), "{one:.400}");
        }
    }
}
