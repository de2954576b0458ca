//! Keeps one task for each subscription, and what each of them does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::backoff;
use super::board::Board;
use super::client::Client;
use crate::model::{ServiceKey, UnixMillis};
use crate::registry::{Index, Registry, Snapshot};
use crate::store::Subscription;

/// Writes a service's state as JSON.
pub type Render = Arc<dyn Fn(&Snapshot, &ServiceKey) -> Bytes + Send + Sync>;

/// Subscriptions are looked at this often even if nobody stirred: a restore may have changed them.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Calls those who subscribed. Runs as long as the process does.
pub struct Dispatcher {
    registry: Registry,
    board: Board,
    client: Client,
    render: Render,
}

impl Dispatcher {
    /// One that is yet to run.
    pub fn new(registry: Registry, board: Board, render: Render) -> Result<Self, String> {
        let client = Client::new(board.reach())?;
        Ok(Self { registry, board, client, render })
    }

    /// Follows the subscriptions.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        let mut running: HashMap<String, CancellationToken> = HashMap::new();
        loop {
            let wanted = self.registry.subscriptions();
            running.retain(|id, stop| {
                let stays = wanted.iter().any(|subscription| subscription.id == *id);
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for subscription in wanted.iter() {
                if !running.contains_key(&subscription.id) {
                    let stop = CancellationToken::new();
                    running.insert(subscription.id.clone(), stop.clone());
                    tasks.spawn(self.caller(subscription.clone()).run(stop));
                }
            }
            while tasks.try_join_next().is_some() {}
            // Either way it is time to look.
            let _ = timeout(LOOK_EVERY, self.board.stirred()).await;
        }
    }

    fn caller(&self, subscription: Subscription) -> Caller {
        let (registry, board) = (self.registry.clone(), self.board.clone());
        Caller {
            registry,
            board,
            client: self.client.clone(),
            render: self.render.clone(),
            subscription,
        }
    }
}

/// Calls one subscriber.
struct Caller {
    registry: Registry,
    board: Board,
    client: Client,
    render: Render,
    subscription: Subscription,
}

impl Caller {
    async fn run(self, stop: CancellationToken) {
        let id = self.subscription.id.clone();
        let board = self.board.clone();
        // A call that is on its way when somebody unsubscribes is broken off.
        let _ = stop.run_until_cancelled_owned(self.call_on_change()).await;
        board.forget(&id);
    }

    async fn call_on_change(self) {
        let service = &self.subscription.service;
        let mut taken: Option<Index> = None;
        loop {
            let snapshot = match taken {
                None => self.registry.snapshot(),
                Some(index) => self.registry.changed(service, index).await,
            };
            let index = snapshot.index_of(service);
            let body = (self.render)(&snapshot, service);
            drop(snapshot); // not to be kept while somebody is slow
            let now = UnixMillis::of(SystemTime::now());
            let id = &self.subscription.id;
            match self.client.call(&self.subscription, index, body, now).await {
                Ok(()) => {
                    self.board.succeeded(id, index, now);
                    taken = Some(index);
                }
                Err(error) => {
                    tracing::debug!(subscription = id, error, "webhook not taken");
                    let failures = self.board.failed(id, error, now);
                    // The newest state is what is tried again.
                    sleep(backoff(failures, fastrand::f64())).await;
                    taken = None;
                }
            }
        }
    }
}
