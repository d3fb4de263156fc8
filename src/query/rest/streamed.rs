//! An array that is sent while it is read.

use std::pin::Pin;

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt as _,
    stream::{self, Stream},
};
use http::StatusCode;

use super::refused;
use crate::{
    query::{Error, StepContent},
    rest,
};

/// Elements are gathered up to about so many bytes; a larger one goes alone.
const PIECE: usize = 64 << 10;

type Contents = Pin<Box<dyn Stream<Item = Result<StepContent, Error>> + Send>>;

/// The steps in `contents` as a JSON array of what `element` makes of each; none leaves a step out.
/// Steps that are not there are said to be `missing`. A failure in the middle breaks the body off,
/// so that nobody takes a part for the whole.
pub(super) async fn array<F>(contents: Contents, missing: Error, element: F) -> Response
where
    F: FnMut(StepContent) -> Option<Bytes> + Send + 'static,
{
    let mut contents = contents;
    let first = match contents.next().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return refused(&error),
        None => return refused(&missing),
    };
    let array = Array {
        contents: stream::once(async { Ok(first) }).chain(contents).boxed(),
        element,
        gathered: BytesMut::from(&b"["[..]),
        empty: true,
    };
    let pieces = stream::try_unfold(Some(array), |array| async {
        let Some(mut array) = array else {
            return Ok(None);
        };
        let pieces = array.next().await.inspect_err(|error| {
            tracing::warn!(%error, "an answer was broken off in the middle");
        })?;
        Ok::<_, Error>(Some(match pieces {
            Some(pieces) => (pieces, Some(array)),
            None => (array.end(), None),
        }))
    });
    let pieces = pieces.flat_map(|pieces| match pieces {
        Ok(pieces) => stream::iter(pieces.map(Ok)).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    });
    let pieces = pieces.filter(|piece| {
        let empty = piece.as_ref().is_ok_and(Bytes::is_empty);
        std::future::ready(!empty)
    });
    rest::raw_json(StatusCode::OK, Body::from_stream(pieces))
}

struct Array<F> {
    contents: Contents,
    element: F,
    gathered: BytesMut,
    empty: bool,
}

impl<F: FnMut(StepContent) -> Option<Bytes>> Array<F> {
    /// What was gathered, and an element that is too large to be; none after the last step.
    async fn next(&mut self) -> Result<Option<[Bytes; 2]>, Error> {
        while let Some(content) = self.contents.next().await {
            let Some(element) = (self.element)(content?) else {
                continue;
            };
            if !self.empty {
                self.gathered.extend_from_slice(b",");
            }
            self.empty = false;
            if element.len() > PIECE {
                return Ok(Some([self.gathered.split().freeze(), element]));
            }
            self.gathered.extend_from_slice(&element);
            if self.gathered.len() > PIECE {
                return Ok(Some([self.gathered.split().freeze(), Bytes::new()]));
            }
        }
        Ok(None)
    }

    fn end(mut self) -> [Bytes; 2] {
        self.gathered.extend_from_slice(b"]\n");
        [self.gathered.freeze(), Bytes::new()]
    }
}
