//! Clients under load: what they tell follows from a seed, what they know is in a ledger.
//!
//! ```text
//! story     what an instance reports, from seed, client and number
//! emission  the order of sending, cut into chunks
//! engine    a gRPC stream that sends again what was not answered
//! poster    a stock engine at the REST recorder
//! ledger    which chunks were acknowledged
//! ```

mod emission;
mod engine;
mod ledger;
mod pace;
mod poster;
mod story;
mod text;
mod wire;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use emission::{Emission, Event};
pub(crate) use ledger::{Ledger, Standing};
pub(crate) use story::{End, Family, Instance, Source, Start, Step, Style, Teller, Time, What};

/// How many clients there are and what they do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// gRPC streams.
    pub(crate) streams: usize,
    /// REST connections.
    pub(crate) posts: usize,
    /// Whether one more stream's app is switched off and on.
    pub(crate) toggled: bool,
    /// Events a second of the gRPC streams together.
    pub(crate) rate: f64,
    /// Small payloads.
    pub(crate) lean: bool,
}

/// What the clients share.
struct Common {
    address: SocketAddr,
    stop: CancellationToken,
    acknowledged: AtomicU64,
    /// Streams that ended with a status that no client should see, in words.
    strange: Mutex<Vec<String>>,
}

impl Common {
    fn progress(&self, events: u64) {
        self.acknowledged.fetch_add(events, Ordering::Relaxed);
    }

    fn ended(&self, app: &str, status: &Status) {
        use tonic::Code;
        let expected = matches!(
            status.code(),
            Code::Unavailable
                | Code::Unknown
                | Code::Cancelled
                | Code::Internal
                | Code::DeadlineExceeded
        );
        if !expected {
            let mut strange = self.strange.lock().expect("nobody panics with it");
            strange.push(format!("{app}: {status}"));
        }
    }
}

/// A client and its ledger.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) teller: Teller,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

/// Clients at work.
pub(crate) struct Load {
    common: Arc<Common>,
    pub(crate) clients: Vec<Client>,
    tasks: JoinSet<()>,
}

/// How a load ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) clients: Vec<Client>,
    /// Chunks that were never answered although nothing was wrong any more.
    pub(crate) stuck: usize,
    pub(crate) strange: Vec<String>,
}

impl Load {
    /// Starts the clients of `plan`, which find the server at `address` whenever it is there.
    pub(crate) fn start(address: SocketAddr, plan: &Plan) -> Self {
        let mut load = Self {
            common: Arc::new(Common {
                address,
                stop: CancellationToken::new(),
                acknowledged: AtomicU64::new(0),
                strange: Mutex::default(),
            }),
            clients: Vec::new(),
            tasks: JoinSet::new(),
        };
        let rate = plan.rate / f64::from(u32::try_from(plan.streams).expect("few streams"));
        let toggled = usize::from(plan.toggled);
        for client in 0..plan.streams + toggled + plan.posts {
            let style = Style {
                toggled: (plan.streams..plan.streams + toggled).contains(&client),
                posts: client >= plan.streams + toggled,
                lean: plan.lean,
            };
            let teller = Teller {
                seed: plan.seed,
                client,
                style,
            };
            load.add(teller, if style.posts { 200.0 } else { rate });
        }
        load
    }

    fn add(&mut self, teller: Teller, rate: f64) {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let common = Arc::clone(&self.common);
        let client = Client {
            teller: teller.clone(),
            ledger: Arc::clone(&ledger),
        };
        if teller.style.posts {
            let poster = poster::Poster {
                common,
                ledger,
                teller,
                rate,
            };
            self.tasks.spawn(poster.run());
        } else {
            let engine = engine::Engine::new(common, ledger, teller, rate);
            self.tasks.spawn(engine.run());
        }
        self.clients.push(client);
    }

    /// The app of the client that is switched off and on.
    pub(crate) fn toggled(&self) -> Option<Source> {
        let mut tellers = self.clients.iter().map(|client| &client.teller);
        tellers
            .find(|teller| teller.style.toggled)
            .map(Teller::source)
    }

    /// Events acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.common.acknowledged.load(Ordering::Relaxed)
    }

    /// Returns true once `events` more are acknowledged, false when none is for `patience`.
    pub(crate) async fn progress(&self, events: u64, patience: Duration) -> bool {
        let goal = self.acknowledged() + events;
        let (mut seen, mut since) = (self.acknowledged(), Instant::now());
        while seen < goal {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.acknowledged();
            if now > seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > patience {
                return false;
            }
        }
        true
    }

    /// Sends nothing new and waits until everything is answered, as long as it goes on within
    /// `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) -> Ended {
        self.common.stop.cancel();
        let (mut seen, mut since) = (self.acknowledged(), Instant::now());
        while !self.tasks.is_empty() && since.elapsed() < patience {
            let next = tokio::time::timeout(Duration::from_millis(100), self.tasks.join_next());
            if let Ok(Some(ended)) = next.await {
                ended.expect("a client does not panic");
            }
            let now = self.acknowledged();
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
        }
        let stuck = if self.tasks.is_empty() {
            0
        } else {
            self.unanswered()
        };
        self.tasks.shutdown().await;
        let strange = std::mem::take(&mut *self.common.strange.lock().expect("see above"));
        Ended {
            clients: self.clients,
            stuck,
            strange,
        }
    }

    /// Chunks of streams that are not answered.
    pub(crate) fn unanswered(&self) -> usize {
        let streams = self
            .clients
            .iter()
            .filter(|client| !client.teller.style.posts);
        let open = streams.map(|client| client.ledger.lock().expect("see above").open());
        open.sum::<usize>()
    }
}
