//! The first message of a stream: who reports.

use std::time::Duration;

use tonic::Streaming;

use super::Recorder;
use crate::{
    event::indexed_text,
    ingest::row::Source,
    proto::{Hello, RecordRequest, record_request::Message},
    status::{Code, Status},
};

/// How long a stream may say nothing before its hello: it takes a place that others want.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the hello and checks it.
pub(super) async fn receive(
    recorder: &Recorder,
    messages: &mut Streaming<RecordRequest>,
) -> Result<Source, Status> {
    let stopping = recorder.lifecycle.stopping();
    let first = tokio::select! {
        () = stopping.cancelled() => return Err(super::read::stopped()),
        () = tokio::time::sleep(PATIENCE) => {
            let status = Status::new(
                Code::DeadlineExceeded,
                "no `hello` within 10 s; send it when the stream is opened",
            );
            refused(recorder, "", &status);
            return Err(status);
        }
        first = messages.message() => first.map_err(|status| super::read::broken(&status, &recorder.limits))?,
    };
    match first.and_then(|request| request.message) {
        Some(Message::Hello(hello)) => {
            let source =
                check(&hello).inspect_err(|status| refused(recorder, &hello.app, status))?;
            tracing::debug!(
                user = source.user,
                app = source.app,
                host = source.host,
                client = hello.client,
                "stream"
            );
            Ok(source)
        }
        Some(Message::Chunk(_)) | None => {
            let status = Status::invalid(
                "the first message of a stream must be `hello`; send it before any chunk",
            );
            refused(recorder, "", &status);
            Err(status)
        }
    }
}

fn refused(recorder: &Recorder, app: &str, status: &Status) {
    recorder.refusals.refused("hello", app, &status.message);
}

fn check(hello: &Hello) -> Result<Source, Status> {
    let text = |field, text: &str| {
        indexed_text(field, text.as_bytes())
            .map(str::to_owned)
            .map_err(|invalid| Status::invalid(invalid.sentence))
    };
    let required = |field, value: &str| {
        if value.is_empty() {
            return Err(Status::invalid(format!(
                "{field} is empty; it names whose history this is"
            )));
        }
        text(field, value)
    };
    text("hello.client", &hello.client)?;
    Ok(Source {
        user: required("hello.user", &hello.user)?,
        app: required("hello.app", &hello.app)?,
        version: text("hello.app_version", &hello.app_version)?,
        host: text("hello.host", &hello.host)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Hello);

    #[test]
    fn a_hello_names_user_and_app_in_texts_that_fit() {
        let good = Hello {
            user: "acme".into(),
            app: "orders".into(),
            ..Hello::default()
        };
        assert!(check(&good).is_ok());
        let check = |change: Change, field: &str| {
            let mut hello = good.clone();
            change(&mut hello);
            let message = check(&hello).expect_err(field).message;
            assert!(message.contains(field), "{message}");
        };
        check(|hello| hello.user.clear(), "hello.user");
        check(|hello| hello.app.clear(), "hello.app");
        check(|hello| hello.app = "a\0".into(), "hello.app");
        check(|hello| hello.host = "h".repeat(513), "hello.host");
        check(
            |hello| hello.app_version = "v".repeat(513),
            "hello.app_version",
        );
        check(|hello| hello.client = "c".repeat(513), "hello.client");
    }
}
