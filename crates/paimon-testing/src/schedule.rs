//! Seeded schedules: several actors share a store in memory, and one request of one of them goes on at a time.
//!
//! Every request waits until all actors wait for one (or are done); then the seed decides whose request goes on. Actors
//! run on one thread, so the same seed gives the same order of requests again, whatever the machine does.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

/// How the next actor is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Any, alike.
    Uniform,
    /// The same again, most of the time.
    Bursts,
    /// The one of the highest rank; ranks change now and then.
    Ranks,
}

/// Decides whose request goes on.
#[derive(Debug)]
pub struct Scheduler {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    policy: Policy,
    actors: Vec<Actor>,
    last: usize,
    log: Vec<String>,
    snapshots: Vec<Bytes>,
}

#[derive(Debug, Default)]
struct Actor {
    rank: u32,
    done: bool,
    waiting: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    what: String,
    go: oneshot::Sender<()>,
}

impl Scheduler {
    /// A scheduler of `actors` actors, numbered from 0.
    pub fn new(actors: usize, seed: u64) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let policies = [Policy::Uniform, Policy::Bursts, Policy::Ranks];
        let policy = policies[random.random_range(0..policies.len())];
        let actors = (0..actors).map(|_| Actor {
            rank: random.random(),
            ..Actor::default()
        });
        let actors = actors.collect();
        Arc::new(Self {
            state: Mutex::new(State {
                random,
                policy,
                actors,
                last: 0,
                log: Vec::new(),
                snapshots: Vec::new(),
            }),
        })
    }

    /// The store as one actor sees it.
    pub fn store(self: &Arc<Self>, actor: usize, inner: &Arc<InMemory>) -> Arc<ScheduledStore> {
        Arc::new(ScheduledStore {
            turns: Turns {
                scheduler: Arc::clone(self),
                actor,
            },
            inner: Arc::clone(inner),
        })
    }

    /// Runs all actors to their end; they are those that the scheduler was made for, in order.
    ///
    /// The runtime must have one thread and at most one thread for blocking work.
    pub async fn run(self: &Arc<Self>, actors: Vec<BoxFuture<'static, ()>>) {
        let mut tasks = tokio::task::JoinSet::new();
        for (i, actor) in actors.into_iter().enumerate() {
            let scheduler = Arc::clone(self);
            tasks.spawn(async move {
                let outcome = std::panic::AssertUnwindSafe(actor).catch_unwind().await;
                scheduler.state().actors[i].done = true;
                if let Err(panic) = outcome {
                    std::panic::resume_unwind(panic);
                }
            });
        }
        loop {
            self.settle().await;
            let Some(request) = self.state().choose() else {
                break;
            };
            // an actor may have dropped the request
            let _ = request.go.send(());
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    /// The requests in the order they went on.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Every snapshot file that was written, in order, whether it is still there or not.
    pub fn snapshots(&self) -> Vec<Bytes> {
        self.state().snapshots.clone()
    }

    /// Waits until every actor waits or is done, and nothing moves.
    async fn settle(&self) {
        let mut before = None;
        loop {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
            // behind all blocking work that was started before: there is one thread for it
            let _ = tokio::task::spawn_blocking(|| ()).await;
            tokio::task::yield_now().await;
            let now = self.state().waiting();
            if now.is_some() && now == before {
                return;
            }
            if now.is_none() {
                // an actor pauses before it tries again
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
            before = now;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Number of waiting requests by actor; `None` when an actor neither waits nor is done.
    fn waiting(&mut self) -> Option<Vec<usize>> {
        for actor in &mut self.actors {
            actor.waiting.retain(|request| !request.go.is_closed());
        }
        let stands = self.actors.iter().all(|a| a.done || !a.waiting.is_empty());
        stands.then(|| self.actors.iter().map(|a| a.waiting.len()).collect())
    }

    /// The request that goes on; `None` when there is none.
    fn choose(&mut self) -> Option<Request> {
        let ready: Vec<usize> = (0..self.actors.len())
            .filter(|i| !self.actors[*i].waiting.is_empty())
            .collect();
        if ready.is_empty() {
            return None;
        }
        let any = ready[self.random.random_range(0..ready.len())];
        let actor = match self.policy {
            Policy::Uniform => any,
            Policy::Bursts if ready.contains(&self.last) && self.random.random_bool(0.9) => {
                self.last
            }
            Policy::Bursts => any,
            Policy::Ranks => {
                if self.random.random_bool(0.03) {
                    self.actors[any].rank = self.random.random();
                }
                let best = ready.iter().max_by_key(|i| self.actors[**i].rank);
                best.copied().unwrap_or(any)
            }
        };
        self.last = actor;
        let waiting = &mut self.actors[actor].waiting;
        // requests of one actor come in an order that hash maps decide
        waiting.sort_by(|a, b| a.what.cmp(&b.what));
        let request = waiting.remove(self.random.random_range(0..waiting.len()));
        self.log.push(format!("{actor} {}", request.what));
        Some(request)
    }
}

/// Lets requests of an actor wait for their turn.
#[derive(Debug, Clone)]
struct Turns {
    scheduler: Arc<Scheduler>,
    actor: usize,
}

impl Turns {
    async fn wait(&self, what: &str, path: &str) {
        let (go, turn) = oneshot::channel();
        let what = format!("{what} {path}");
        self.scheduler.state().actors[self.actor]
            .waiting
            .push(Request { what, go });
        // a scheduler that is gone lets everything pass
        let _ = turn.await;
    }
}

/// A store in memory, seen by one actor of a schedule.
#[derive(Debug)]
pub struct ScheduledStore {
    turns: Turns,
    inner: Arc<InMemory>,
}

impl fmt::Display for ScheduledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScheduledStore({})", self.turns.actor)
    }
}

#[async_trait]
impl ObjectStore for ScheduledStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.turns.wait("put", location.as_ref()).await;
        let snapshot = location.as_ref().contains("/snapshot/snapshot-");
        let bytes = snapshot.then(|| Bytes::from(payload.clone()));
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.turns.scheduler.state().snapshots.extend(bytes);
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // its parts need no turns: nobody looks for a data file before it is committed
        self.turns.wait("put parts of", location.as_ref()).await;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.turns.wait("get", location.as_ref()).await;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.turns.wait("get ranges of", location.as_ref()).await;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (turns, inner) = (self.turns.clone(), Arc::clone(&self.inner));
        let deletes = locations.then(move |location| {
            let (turns, inner) = (turns.clone(), Arc::clone(&inner));
            async move {
                let location = location?;
                turns.wait("delete", location.as_ref()).await;
                inner.delete(&location).await?;
                Ok(location)
            }
        });
        deletes.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (turns, inner) = (self.turns.clone(), Arc::clone(&self.inner));
        let prefix = prefix.cloned();
        let listing = async move {
            let path = prefix.as_ref().map_or("", Path::as_ref);
            turns.wait("list all of", path).await;
            Ok::<_, object_store::Error>(inner.list(prefix.as_ref()))
        };
        futures::stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.turns
            .wait("list", prefix.map_or("", Path::as_ref))
            .await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.turns.wait("copy to", to.as_ref()).await;
        self.inner.copy_opts(from, to, options).await
    }
}
