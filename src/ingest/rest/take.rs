//! From a body to rows: read, checked, decided on and encoded.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Kind, Recorder, flogo, refusal::Refusal};
use crate::{
    event::{
        App, Event,
        flogo::{FlowState, Step, readable},
    },
    ingest::{
        load,
        owners::Owner,
        queue::{Holder, Load},
        row::Source,
        ticket::Outcome,
    },
};

/// An event that is encoded, or was skipped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) app: Option<Arc<App>>,
    pub(super) loads: Vec<Load>,
    pub(super) known: Outcome,
    /// The instance of a start that was skipped.
    pub(super) skipped: Option<String>,
}

impl Recorder {
    /// Whose event `body` is, as far as that is known without asking. What is read for it is dropped
    /// again: whoever waits holds its body and nothing else.
    pub(super) fn holder(&self, kind: Kind, body: &[u8]) -> Holder {
        let text = readable(body);
        let app = if kind == Kind::Step {
            let step = Step::parse(&text).ok();
            step.and_then(|step| self.owners.remembered(&step.instance_id))
        } else {
            let state = FlowState::parse(&text).ok();
            let source = state.and_then(|state| flogo::source(&state).ok());
            source.map(|source| {
                Arc::new(App {
                    user: source.user,
                    app: source.app,
                })
            })
        };
        Holder::of(app.as_ref())
    }

    /// Reads, decides and encodes an event; `text` is its body as it is read.
    pub(super) async fn take(
        &self,
        kind: Kind,
        body: &[u8],
        text: &str,
        deadline: Instant,
    ) -> Result<Taken, Refusal> {
        if kind == Kind::Step {
            return self.take_step(body, text, deadline).await;
        }
        let json = |invalid| Refusal::json("step", &invalid);
        let state = FlowState::parse(text).map_err(json)?;
        let source = flogo::source(&state).map_err(Refusal::invalid)?;
        let invalid = |invalid| Refusal::invalid(invalid).of(&source.app);
        let event = if kind == Kind::Start {
            Event::Started(flogo::started(&state).map_err(invalid)?)
        } else {
            Event::Ended(flogo::ended(&state).map_err(invalid)?)
        };
        let app = Arc::new(App {
            user: source.user.clone(),
            app: source.app.clone(),
        });
        self.owners.note(event.instance(), Arc::clone(&app));
        let enabled = self.toggles.persistence(&source.user, &source.app);
        let skipped = kind == Kind::Start && !enabled;
        let skipped = skipped.then(|| event.instance().to_owned());
        // Nobody can decide on an app without a name, or of nobody.
        let named = !source.user.is_empty() && !source.app.is_empty();
        let registration = named.then(|| load::registration(&self.toggles, &source));
        let registration = registration.flatten();
        let (loads, known) = load::one(&event, &source, enabled, &self.intake, registration);
        Ok(Taken {
            app: Some(app),
            loads,
            known,
            skipped,
        })
    }

    async fn take_step(
        &self,
        body: &[u8],
        text: &str,
        deadline: Instant,
    ) -> Result<Taken, Refusal> {
        let step = Step::parse(text).map_err(|invalid| Refusal::json("step", &invalid))?;
        let app = self.owners.remembered(&step.instance_id);
        let name = app.as_ref().map_or("", |app| &app.app);
        let event =
            flogo::recorded(&step, body).map_err(|invalid| Refusal::invalid(invalid).of(name))?;
        let enabled = match self.toggles.unanimous() {
            Some(all) => all,
            None => self.enabled(event.instance, deadline).await,
        };
        let source = Source::default();
        let (loads, known) = load::one(&Event::Step(event), &source, enabled, &self.intake, None);
        Ok(Taken {
            app,
            loads,
            known,
            skipped: None,
        })
    }

    /// Whether the app of `instance` is recorded; a step of an app that is not known is.
    async fn enabled(&self, instance: &str, deadline: Instant) -> bool {
        let reason = match self.owners.of(instance, deadline).await {
            Owner::Known(app) => return self.toggles.persistence(&app.user, &app.app),
            Owner::Unknown => "unknown",
            Owner::Unanswered => "unanswered",
        };
        self.metrics.without_app(reason);
        true
    }
}
