//! The body of a request, whole, within a limit of bytes and of time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::refusal::Refusal;

/// Bytes that are set aside for a body before any has come.
const FIRST: usize = 64 << 10;

/// Reads `body`: at most `most` bytes, within `time`. One that says it is larger is not read.
pub(super) async fn read<B>(body: B, most: usize, time: Duration) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if length > most {
        return Err(Refusal::too_large(most));
    }
    let reading = async {
        let mut body = body;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::unreadable())?;
            let Ok(frame) = frame.into_data() else {
                continue;
            };
            // Nearly always there is only one, which needs no copy.
            if whole.is_empty() && frame.len() <= most && body.is_end_stream() {
                return Ok(frame);
            }
            if whole.is_empty() {
                // What a sender announces is believed once it comes.
                whole.reserve(length.min(FIRST));
            }
            if whole.len() + frame.len() > most {
                return Err(Refusal::too_large(most));
            }
            whole.extend_from_slice(&frame);
        }
        Ok(whole.freeze())
    };
    timeout(time, reading)
        .await
        .unwrap_or_else(|_| Err(Refusal::slow(time.as_secs())))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::{StreamExt as _, stream};
    use http::StatusCode;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    async fn status(body: Body) -> Result<usize, StatusCode> {
        let read = read(body, 8, TIME).await;
        read.map(|bytes| bytes.len())
            .map_err(|refusal| refusal.response(true).status())
    }

    fn frames(frames: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            frames.iter().copied().map(Ok::<_, Infallible>),
        ))
    }

    #[tokio::test]
    async fn a_body_has_at_most_the_bytes_allowed() {
        assert_eq!(status(Body::empty()).await, Ok(0));
        assert_eq!(status(Body::from("12345678")).await, Ok(8));
        let large = Err(StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(Body::from("123456789")).await, large);
        assert_eq!(status(frames(&["1234", "5678"])).await, Ok(8));
        assert_eq!(status(frames(&["1234", "56789"])).await, large);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_in_the_middle_is_not_waited_for_for_ever() {
        let begun = stream::iter(["12"].map(Ok::<_, Infallible>)).chain(stream::pending());
        let slow = status(Body::from_stream(begun)).await;
        assert_eq!(slow, Err(StatusCode::REQUEST_TIMEOUT));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_cannot_be_read() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let broken = Body::from_stream(stream::iter([Ok("12"), Err(gone)]));
        assert_eq!(status(broken).await, Err(StatusCode::BAD_REQUEST));
    }
}
