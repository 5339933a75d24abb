//! Options that expire, and stores that are opened with them: credentials that a catalog gives out for a while.
//!
//! Java: `org.apache.paimon.rest.RESTTokenFileIO`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;

use super::stores::{OpenedStore, Stores};

/// How long after a failure nothing is asked for again while the old options hold.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Options are renewed when so much of their time is left, or half of it where they hold for less than twice that.
const SAFE_TIME: Duration = Duration::from_secs(3600);

/// Options of a store that hold for a while. They may hold secrets and are not shown.
#[derive(Clone)]
pub struct ExpiringOptions {
    /// The options.
    pub options: BTreeMap<String, String>,
    /// How long they hold from now on; `None` is for good.
    pub holds_for: Option<Duration>,
}

impl fmt::Debug for ExpiringOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpiringOptions")
            .field("holds_for", &self.holds_for)
            .finish_non_exhaustive()
    }
}

/// Gives out options that hold for a while.
#[async_trait]
pub trait OptionsSource: fmt::Debug + Send + Sync {
    /// Options that hold from now on.
    ///
    /// # Errors
    /// Those of whoever gives them out.
    async fn options(&self) -> crate::Result<ExpiringOptions>;
}

/// The options that hold now, renewed in time: an hour before they expire, or after half of their time where they hold
/// for less than two.
#[derive(Debug)]
pub struct Renewal {
    source: Arc<dyn OptionsSource>,
    known: Mutex<Held>,
    /// Held by whoever asks for new ones.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    options: Arc<BTreeMap<String, String>>,
    expires: Option<Instant>,
    renew_at: Option<Instant>,
    /// How often they were renewed.
    generation: u64,
}

impl Held {
    fn new(options: ExpiringOptions, generation: u64) -> Self {
        let now = Instant::now();
        // one that lies beyond what a clock can tell never comes
        let after = |time: Duration| now.checked_add(time);
        let left = options.holds_for;
        Self {
            options: Arc::new(options.options),
            expires: left.and_then(after),
            renew_at: left.and_then(|left| after(left - SAFE_TIME.min(left / 2))),
            generation,
        }
    }

    /// Waits a while, but not until the options have expired.
    fn renew_later(&mut self) {
        let later = Instant::now() + RETRY_AFTER;
        self.renew_at = Some(self.expires.map_or(later, |expires| later.min(expires)));
    }

    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }
}

impl Renewal {
    /// Begins with options that the source has given.
    pub fn new(first: ExpiringOptions, source: Arc<dyn OptionsSource>) -> Self {
        Self {
            source,
            known: Mutex::new(Held::new(first, 0)),
            renewing: tokio::sync::Mutex::new(()),
        }
    }

    /// The options with their generation. Those that cannot be renewed are used until they expire. While one request
    /// renews them the others go on with the old ones, as long as these hold.
    ///
    /// # Errors
    /// Those of the source once the old ones have expired.
    pub async fn current(&self) -> crate::Result<(u64, Arc<BTreeMap<String, String>>)> {
        let known = self.known.lock().clone();
        if known.renew_at.is_none_or(|at| at > Instant::now()) {
            return Ok((known.generation, known.options));
        }
        let renewing = match known.has_expired() {
            true => self.renewing.lock().await,
            false => match self.renewing.try_lock() {
                Ok(renewing) => renewing,
                Err(_) => return Ok((known.generation, known.options)),
            },
        };
        let mut held = self.known.lock().clone();
        if held.renew_at.is_some_and(|at| at <= Instant::now()) {
            match self.source.options().await {
                Ok(options) => held = Held::new(options, held.generation + 1),
                Err(error) if held.has_expired() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "credentials were not renewed yet");
                    held.renew_later();
                }
            }
        }
        *self.known.lock() = held.clone();
        drop(renewing);
        Ok((held.generation, held.options))
    }

    /// As [`Self::current`], with new options in place of those of a generation that somebody does not take.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn replaced(
        &self,
        refused: u64,
    ) -> crate::Result<(u64, Arc<BTreeMap<String, String>>)> {
        let renewing = self.renewing.lock().await;
        let mut held = self.known.lock().clone();
        if held.generation <= refused {
            held = Held::new(self.source.options().await?, held.generation + 1);
            *self.known.lock() = held.clone();
        }
        drop(renewing);
        Ok((held.generation, held.options))
    }

    /// The options that were given last, whether they hold or not.
    pub fn known(&self) -> Arc<BTreeMap<String, String>> {
        self.known.lock().options.clone()
    }
}

/// A store that is opened again when its options were renewed.
#[derive(Clone)]
pub(super) struct RenewedStore {
    shared: Arc<Shared>,
}

struct Shared {
    stores: Stores,
    prefix: String,
    renewal: Arc<Renewal>,
    /// The store opened last, with the generation of its options.
    opened: Mutex<(u64, Arc<dyn ObjectStore>)>,
}

impl RenewedStore {
    /// Opens the store behind a prefix with the first options; it promises what that one promises.
    pub(super) fn open(
        stores: &Stores,
        prefix: &str,
        first: &BTreeMap<String, String>,
        renewal: &Arc<Renewal>,
    ) -> crate::Result<OpenedStore> {
        let opened = stores.open(prefix, first)?;
        let shared = Shared {
            stores: stores.clone(),
            prefix: prefix.to_string(),
            renewal: renewal.clone(),
            opened: Mutex::new((0, opened.store)),
        };
        Ok(OpenedStore {
            store: Arc::new(Self {
                shared: Arc::new(shared),
            }),
            ..opened
        })
    }

    async fn current(&self) -> Result<Arc<dyn ObjectStore>> {
        let shared = &self.shared;
        let (generation, options) = shared.renewal.current().await.map_err(failed)?;
        let mut opened = shared.opened.lock();
        if opened.0 < generation {
            let store = shared.stores.open(&shared.prefix, &options);
            *opened = (generation, store.map_err(failed)?.store);
        }
        Ok(opened.1.clone())
    }

    /// A stream of the current store.
    fn streamed<T: Send + 'static>(
        &self,
        of: impl FnOnce(Arc<dyn ObjectStore>) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let this = self.clone();
        let stream = async move { this.current().await.map(of) };
        futures::stream::once(stream).try_flatten().boxed()
    }
}

fn failed(error: crate::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "store of a catalog",
        source: Box::new(error),
    }
}

impl fmt::Debug for RenewedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewedStore")
            .field("prefix", &self.shared.prefix)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RenewedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "renewed {}", self.shared.prefix)
    }
}

#[async_trait]
impl ObjectStore for RenewedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let store = self.current().await?;
        store.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let store = self.current().await?;
        store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.current().await?.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.current().await?.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.streamed(move |store| store.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.streamed(move |store| store.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.streamed(move |store| store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.current().await?.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.current().await?.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.current().await?.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU64, Ordering};

    use object_store::memory::InMemory;

    use super::*;
    use crate::Error;
    use crate::io::{FileIo, StoreFactory};

    /// One store whose clients know the key that they were opened with.
    #[derive(Debug, Default)]
    struct Keyed {
        opened: Mutex<Vec<String>>,
        store: Arc<InMemory>,
    }

    impl StoreFactory for Keyed {
        fn schemes(&self) -> &[&'static str] {
            &["keyed"]
        }

        fn open(&self, _: &str, options: &BTreeMap<String, String>) -> crate::Result<OpenedStore> {
            self.opened.lock().push(options["key"].clone());
            Ok(OpenedStore::of_process(self.store.clone()))
        }
    }

    /// Keys that hold for so many milliseconds; from the `broken`th on there are none.
    #[derive(Debug)]
    struct Keys {
        given: AtomicU64,
        holds_ms: u64,
        broken: u64,
    }

    impl Keys {
        fn next(&self) -> crate::Result<ExpiringOptions> {
            let n = self.given.fetch_add(1, Ordering::Relaxed);
            if n >= self.broken {
                return Err(Error::invalid("no more keys"));
            }
            Ok(ExpiringOptions {
                options: BTreeMap::from([("key".to_string(), format!("k{n}"))]),
                holds_for: Some(Duration::from_millis(self.holds_ms)),
            })
        }
    }

    #[async_trait]
    impl OptionsSource for Keys {
        async fn options(&self) -> crate::Result<ExpiringOptions> {
            self.next()
        }
    }

    fn opened(holds_ms: u64, broken: u64) -> (Arc<Keyed>, FileIo) {
        let factory = Arc::new(Keyed::default());
        let keys = Arc::new(Keys {
            given: AtomicU64::new(0),
            holds_ms,
            broken,
        });
        let first = keys.next().unwrap();
        let stores = Stores::new().with(factory.clone());
        let io = stores.renewed_file_io("keyed://b/t", first, keys).unwrap();
        (factory, io)
    }

    #[tokio::test]
    async fn a_store_is_opened_again_once_half_of_the_time_is_over() {
        let (factory, io) = opened(400, 9);
        io.publish("keyed://b/t/f", "x".into()).await.unwrap();
        let other = io.at("keyed://c/t").unwrap();
        assert_eq!(*factory.opened.lock(), ["k0", "k0"]);
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(io.list_files("keyed://b/t").await.unwrap().len(), 1);
        assert_eq!(io.read("keyed://b/t/f", 9).await.unwrap(), "x");
        other.exists("keyed://c/t/f").await.unwrap();
        assert_eq!(*factory.opened.lock(), ["k0", "k0", "k1", "k1"]);
    }

    #[tokio::test]
    async fn options_that_cannot_be_renewed_are_used_until_they_expire() {
        let (factory, io) = opened(600, 1);
        tokio::time::sleep(Duration::from_millis(350)).await;
        assert!(!io.exists("keyed://b/t/f").await.unwrap());
        tokio::time::sleep(Duration::from_millis(300)).await;
        let error = io.exists("keyed://b/t/f").await.unwrap_err();
        assert!(format!("{error:?}").contains("no more keys"), "{error:?}");
        assert_eq!(*factory.opened.lock(), ["k0"]);
    }

    #[tokio::test]
    async fn options_that_somebody_refuses_are_replaced_once() {
        let keys = Arc::new(Keys {
            given: AtomicU64::new(0),
            holds_ms: 60_000,
            broken: 2,
        });
        let renewal = Renewal::new(keys.next().unwrap(), keys);
        let (first, _) = renewal.current().await.unwrap();
        for _ in 0..2 {
            let (generation, options) = renewal.replaced(first).await.unwrap();
            assert_eq!((generation, options["key"].as_str()), (first + 1, "k1"));
        }
        assert!(renewal.replaced(first + 1).await.is_err());
        assert_eq!(renewal.known()["key"], "k1");
        assert_eq!(renewal.current().await.unwrap().0, first + 1);
    }

    #[tokio::test]
    async fn options_without_an_end_stay() {
        let options = ExpiringOptions {
            options: BTreeMap::from([("key".to_string(), "hush".to_string())]),
            holds_for: None,
        };
        assert!(!format!("{options:?}").contains("hush"));
        let held = Held::new(options, 3);
        assert!(held.renew_at.is_none() && !held.has_expired());
    }
}
