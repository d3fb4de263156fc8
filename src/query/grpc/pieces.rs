//! Payloads in pieces: read from the database a portion at a time, sent a piece at a time.
//!
//! Between two portions nothing is held but the last one, no connection either: a reader may be as
//! slow as it likes. What was replaced meanwhile by an event that came late ends with an error.

use std::future::Future;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use crate::{
    query::{Attempt, Error, History, Payload, Step},
    status::Status,
};

/// Bytes of a piece.
const PIECE: usize = 1 << 20;
/// Bytes read at once. PostgreSQL has to unpack a compressed value from its beginning each time.
const PORTION: u64 = 8 << 20;

/// A payload of an attempt.
pub(super) async fn payload(
    history: History,
    id: String,
    attempt: Attempt,
    payload: Payload,
) -> Result<impl Stream<Item = Result<Bytes, tonic::Status>> + Send + 'static, Error> {
    let name = match payload {
        Payload::Input => "input",
        Payload::Output => "output",
    };
    let read = move |from| {
        let (history, id) = (history.clone(), id.clone());
        async move {
            let portion = Some(portion(from));
            let read = history
                .payload_portion(&id, attempt, payload, portion)
                .await?;
            read.ok_or_else(|| Error::NotFound(format!("instance {id} has no {name} stored")))
        }
    };
    let (first, bytes) = read(0).await?;
    Ok(pieces(first, bytes, move |from| {
        let read = read(from);
        async move {
            let (portion, now) = read.await?;
            Ok((now == bytes).then_some(portion))
        }
    }))
}

/// A step and its content.
pub(super) async fn step(
    history: History,
    id: String,
    attempt: Attempt,
    number: u32,
) -> Result<
    (
        Step,
        impl Stream<Item = Result<Bytes, tonic::Status>> + Send + 'static,
    ),
    Error,
> {
    let read = move |from| {
        let (history, id) = (history.clone(), id.clone());
        async move {
            let portion = Some(portion(from));
            history.step_portion(&id, attempt, number, portion).await
        }
    };
    let first = read(0).await?;
    let step = first.step.clone();
    let pieces = pieces(first.content, first.step.bytes, move |from| {
        let (read, step) = (read(from), step.clone());
        async move {
            let read = read.await?;
            Ok((read.step == step).then_some(read.content))
        }
    });
    Ok((first.step, pieces))
}

/// The pieces of what is in memory already, one at least.
pub(super) fn whole(mut all: Bytes) -> impl Stream<Item = Bytes> + Send + 'static {
    let first = all.split_to(all.len().min(PIECE));
    stream::iter(std::iter::once(first).chain(std::iter::from_fn(move || {
        let piece = all.split_to(all.len().min(PIECE));
        (!piece.is_empty()).then_some(piece)
    })))
}

/// What a statement takes for the portion that begins at a byte.
fn portion(from: u64) -> (i32, i32) {
    // a value of PostgreSQL has less than 1 GiB
    let number = |bytes: u64| i32::try_from(bytes).unwrap_or(i32::MAX);
    (number(from), number(PORTION))
}

/// The pieces of `bytes` bytes that begin with `portion`; `read` gives the portion from a byte on, or
/// none when it is of something else by now. There is one piece at least.
fn pieces<F>(
    portion: Bytes,
    bytes: u64,
    read: impl Fn(u64) -> F + Send + 'static,
) -> impl Stream<Item = Result<Bytes, tonic::Status>> + Send + 'static
where
    F: Future<Output = Result<Option<Bytes>, Error>> + Send,
{
    let begin = Some((portion, 0_u64, read));
    stream::try_unfold(begin, move |state| async move {
        let Some((mut portion, sent, read)) = state else {
            return Ok(None);
        };
        if portion.is_empty() && sent < bytes {
            portion = match read(sent).await? {
                Some(portion) if !portion.is_empty() => portion,
                _ => {
                    let again = "it was replaced while it was read; read it again";
                    return Err(Status::unavailable(again).into());
                }
            };
        }
        let piece = portion.split_to(portion.len().min(PIECE));
        let sent = sent + piece.len() as u64;
        let rest = (sent < bytes).then_some((portion, sent, read));
        Ok(Some((piece, rest)))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn sizes(bytes: usize, stays: bool) -> Result<Vec<usize>, tonic::Code> {
        let all = Bytes::from(vec![7; bytes]);
        let first = all.slice(..bytes.min(8 << 20));
        let read = move |from: u64| {
            let from = usize::try_from(from).expect("small");
            let portion = all.slice(from..all.len().min(from + (8 << 20)));
            async move { Ok(stays.then_some(portion)) }
        };
        let pieces = pieces(first, bytes as u64, read).collect::<Vec<_>>().await;
        let sizes = pieces
            .into_iter()
            .map(|piece| piece.map(|piece| piece.len()));
        sizes
            .collect::<Result<_, _>>()
            .map_err(|status| status.code())
    }

    #[tokio::test]
    async fn pieces_are_bounded_and_whole() {
        assert_eq!(sizes(0, true).await, Ok(vec![0]));
        assert_eq!(sizes(5, true).await, Ok(vec![5]));
        assert_eq!(sizes(1 << 20, true).await, Ok(vec![1 << 20]));
        let long = sizes((17 << 20) + 3, true).await.expect("whole");
        assert_eq!(long.iter().sum::<usize>(), (17 << 20) + 3);
        assert!(long.iter().all(|size| (1..=1 << 20).contains(size)));
    }

    #[tokio::test]
    async fn what_is_replaced_meanwhile_is_not_put_together() {
        assert_eq!(sizes(5, false).await, Ok(vec![5]));
        assert_eq!(sizes(17 << 20, false).await, Err(tonic::Code::Unavailable));
    }
}
