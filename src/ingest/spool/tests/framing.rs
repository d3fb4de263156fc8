//! Records as bytes, and bytes that are no records.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{
    super::{codec, format::PAYLOAD_BYTES},
    *,
};

fn rows() -> impl Strategy<Value = Rows> {
    let row = (vec(any::<u8>(), 0..40), any::<u32>(), any::<bool>());
    vec(row, 0..8).prop_map(|rows| {
        let (mut bytes, mut marks) = (Vec::new(), Vec::new());
        for (row, index, complete_only) in rows {
            bytes.extend(row);
            marks.push(Mark {
                end: u32::try_from(bytes.len()).expect("short"),
                index,
                complete_only,
            });
        }
        Rows {
            bytes: bytes.into(),
            marks,
        }
    })
}

prop_compose! {
    fn any_record()(
        (spooled_at, resent, reruns) in any::<(i64, bool, bool)>(),
        registration in any::<Option<(String, String, String)>>(),
        app in any::<Option<(String, String)>>(),
        steps in rows(),
        flows in rows(),
    ) -> Record {
        Record {
            spooled_at,
            resent,
            reruns,
            registration: registration.map(|(user, app, version)| Registration { user, app, version }),
            app: app.map(|(user, app)| Arc::new(App { user, app })),
            steps,
            flows,
        }
    }
}

fn payload(record: &Record) -> Vec<u8> {
    let head = codec::head(record);
    [&head[..], &record.steps.bytes, &record.flows.bytes].concat()
}

/// Bytes that a record holds in memory, its own size left out.
fn held(record: &Record) -> usize {
    let texts = record
        .registration
        .iter()
        .flat_map(|r| [&r.user, &r.app, &r.version]);
    let texts = texts.chain(record.app.iter().flat_map(|app| [&app.user, &app.app]));
    record.bytes() + record.events() * size_of::<Mark>() + texts.map(String::len).sum::<usize>()
}

proptest! {
    #[test]
    fn a_record_is_decoded_as_it_was_encoded(record in any_record()) {
        prop_assert_eq!(codec::decode(&payload(&record).into()), Some(record));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_take_more_than_they_are(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(record) = codec::decode(&bytes.clone().into()) {
            prop_assert!(held(&record) <= bytes.len());
        }
    }

    #[test]
    fn no_damage_to_a_payload_makes_the_decoder_panic(
        record in any_record(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = payload(&record);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(length.index(bytes.len() * 2).min(bytes.len()));
        if let Some(record) = codec::decode(&bytes.clone().into()) {
            prop_assert!(held(&record) <= bytes.len());
        }
    }
}

#[test]
fn counts_beyond_the_payload_are_not_believed() {
    let mut bytes = payload(&record(1, 2, 3));
    for at in 12..28 {
        let before = std::mem::replace(&mut bytes[at], 0xff);
        assert_eq!(
            codec::decode(&Bytes::copy_from_slice(&bytes)),
            None,
            "byte {at}"
        );
        bytes[at] = before;
    }
    assert!(codec::decode(&bytes.into()).is_some());
    const { assert!(PAYLOAD_BYTES > 3 * (64 << 20), "the largest chunk fits") };
}
