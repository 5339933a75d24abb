//! An object store that fails: before an effect (nothing happened) or after it (the answer is lost), by chance or by
//! script.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Wraps a store and makes one in so many puts fail, alternately before and after its effect. Which ones follows from
/// the seed, so a run can be repeated.
#[derive(Debug)]
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    one_in: u64,
    state: AtomicU64,
    deletes_left: AtomicU64,
    script: Option<Script>,
    requests: AtomicU64,
}

/// Which request fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Number of the request, from 0; reads, listings, puts and deletes count alike.
    pub at: u64,
    /// Whether the request takes effect and only its answer is lost.
    pub takes_effect: bool,
    /// Whether all later requests fail too, before their effect: the process was killed.
    pub fatal: bool,
}

/// What happens to a request.
enum Fault {
    None,
    Before,
    After,
}

impl FaultStore {
    /// Makes about one in `one_in` puts fail.
    pub fn new(inner: Arc<dyn ObjectStore>, one_in: u64, seed: u64) -> Self {
        Self {
            inner,
            one_in: one_in.max(1),
            state: AtomicU64::new(seed),
            deletes_left: AtomicU64::new(u64::MAX),
            script: None,
            requests: AtomicU64::new(0),
        }
    }

    /// Makes exactly the scripted requests fail.
    pub fn with_script(inner: Arc<dyn ObjectStore>, script: Script) -> Self {
        Self {
            script: Some(script),
            ..Self::with_deletes(inner, u64::MAX)
        }
    }

    /// Requests seen so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Counts a request; the scripted fault, if it is due.
    fn next(&self) -> Fault {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        match self.script {
            Some(script) if n == script.at && script.takes_effect => Fault::After,
            Some(script) if n == script.at || (n > script.at && script.fatal) => Fault::Before,
            _ => Fault::None,
        }
    }

    /// No put fails, but all deletes after the first `deletes`.
    pub fn with_deletes(inner: Arc<dyn ObjectStore>, deletes: u64) -> Self {
        Self {
            inner,
            one_in: u64::MAX / 2,
            state: AtomicU64::new(0),
            deletes_left: AtomicU64::new(deletes),
            script: None,
            requests: AtomicU64::new(0),
        }
    }

    fn delete_fault(&self) -> Fault {
        let take = |left: u64| left.checked_sub(1);
        let left = self
            .deletes_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        match left {
            Ok(_) => self.next(),
            Err(_) => Fault::Before,
        }
    }

    fn put_fault(&self) -> Fault {
        match self.next() {
            Fault::None if self.script.is_none() => self.draw(),
            fault => fault,
        }
    }

    /// A request without effect: both faults are the same.
    fn read_fault(&self) -> Result<()> {
        match self.next() {
            Fault::None => Ok(()),
            Fault::Before | Fault::After => Err(failure("the request was lost")),
        }
    }

    fn draw(&self) -> Fault {
        // splitmix64
        let mut z = self
            .state
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        match z % self.one_in.saturating_mul(2) {
            0 => Fault::Before,
            1 => Fault::After,
            _ => Fault::None,
        }
    }
}

fn failure(what: &'static str) -> Error {
    Error::Generic {
        store: "fault",
        source: what.into(),
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        match self.put_fault() {
            Fault::Before => Err(failure("the request was lost")),
            Fault::After => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(failure("the answer was lost"))
            }
            Fault::None => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read_fault()?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read_fault()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let inner = Arc::clone(&self.inner);
        let allowed = locations.map(move |location| (location, self.delete_fault()));
        let allowed: Vec<_> = allowed
            .collect::<Vec<_>>()
            .now_or_never()
            .unwrap_or_default();
        let deletes = allowed.into_iter().map(move |(location, fault)| {
            let inner = Arc::clone(&inner);
            async move {
                if matches!(fault, Fault::Before) {
                    return Err(failure("the delete was lost"));
                }
                let location = location?;
                inner.delete(&location).await?;
                match fault {
                    Fault::After => Err(failure("the answer was lost")),
                    _ => Ok(location),
                }
            }
        });
        futures::stream::iter(deletes).buffered(1).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.read_fault() {
            return futures::stream::once(async { Err(error) }).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read_fault()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
