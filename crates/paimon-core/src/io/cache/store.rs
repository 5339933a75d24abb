//! A store that answers reads of files that never change from blocks it has kept.
//!
//! Java: `org.apache.paimon.fs.cache.CachingFileIO`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result,
};

use super::blocks::{Block, BlockKey, BlockStorage};
use super::claims::Claims;
use super::counters::{CacheCounters, CacheObserver, CacheUsage};
use super::kind::FileKind;
use super::reading::Reading;

/// Largest file that is kept whole when it is read whole.
const WHOLE_BYTES: u64 = 16 << 20;

/// Longest range that is answered from blocks.
const RANGE_BYTES: u64 = 1 << 32;
/// No file is larger.
const FILE_BYTES: u64 = 1 << 60;

/// Wraps a store. Reads of ranges are answered from blocks; blocks that are missing are fetched, neighbours together and
/// each by one reader only. Everything else goes to the store: writes, listings, and reads of files that may change.
#[derive(Clone)]
pub struct CachedStore {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) shared: Arc<Shared>,
    observer: Option<Arc<dyn CacheObserver>>,
}

/// What all clones of a store have in common.
pub(super) struct Shared {
    scope: Arc<str>,
    pub(super) storage: Arc<dyn BlockStorage>,
    kinds: Vec<FileKind>,
    pub(super) block_bytes: u64,
    pub(super) claims: Claims,
    counters: CacheCounters,
}

/// What is cached, and where.
pub(super) struct Caching {
    pub(super) scope: Arc<str>,
    pub(super) storage: Arc<dyn BlockStorage>,
    pub(super) kinds: Vec<FileKind>,
    pub(super) block_bytes: u64,
}

impl CachedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, caching: Caching) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared {
                scope: caching.scope,
                storage: caching.storage,
                kinds: caching.kinds,
                block_bytes: caching.block_bytes.max(1),
                claims: Claims::default(),
                counters: CacheCounters::default(),
            }),
            observer: None,
        }
    }

    /// The store without the cache.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// What reads through this store and its clones came from, since it was opened.
    pub fn usage(&self) -> CacheUsage {
        self.shared.counters.usage()
    }

    /// The same store, with the same cache, whose reads somebody hears of.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn CacheObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self.clone()
        }
    }

    fn caches(&self, location: &Path) -> bool {
        FileKind::of(location.as_ref()).is_some_and(|kind| self.shared.kinds.contains(&kind))
    }

    pub(super) fn key(&self, path: &Arc<str>, index: u64) -> BlockKey {
        BlockKey {
            scope: self.shared.scope.clone(),
            path: path.clone(),
            index,
        }
    }

    fn record(&self, usage: &CacheUsage) {
        self.shared.counters.record(usage);
        if let Some(observer) = &self.observer {
            observer.record(usage);
        }
    }

    /// Ranges of a file, each cut at the file's end, and the file's size.
    async fn read(&self, location: &Path, ranges: &[Range<u64>]) -> Result<(Vec<Bytes>, u64)> {
        let mut reading = Reading::new(self, location);
        let done = reading.hold(ranges).await;
        self.record(reading.usage());
        done?;
        let file_size = reading.file_size().unwrap_or(0);
        if ranges.iter().any(|r| r.start >= file_size) {
            // the store has an error for this
            return Ok((self.inner.get_ranges(location, ranges).await?, file_size));
        }
        let parts = ranges.iter().map(|r| reading.part(r)).collect();
        Ok((parts, file_size))
    }

    /// A file as a whole.
    async fn read_whole(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let key = self.key(&location.as_ref().into(), BlockKey::WHOLE);
        if let Some(file) = self.shared.storage.get(&key).await {
            self.record(&CacheUsage {
                hits: 1,
                hit_bytes: file.file_size,
                ..CacheUsage::default()
            });
            let whole = 0..file.file_size;
            return Ok(answer(location, file.file_size, whole, file.bytes));
        }
        let got = self.inner.get_opts(location, options).await?;
        let (meta, range) = (got.meta.clone(), got.range.clone());
        self.record(&CacheUsage {
            misses: 1,
            fetched_bytes: meta.size,
            requests: 1,
            ..CacheUsage::default()
        });
        if meta.size > WHOLE_BYTES || range != (0..meta.size) {
            return Ok(got);
        }
        let attributes = got.attributes.clone();
        let bytes = got.bytes().await?;
        let block = Block {
            file_size: meta.size,
            bytes: Bytes::copy_from_slice(&bytes),
        };
        self.shared.storage.put(key, block).await;
        Ok(GetResult {
            payload: payload(bytes),
            meta,
            range,
            attributes,
        })
    }
}

fn answer(location: &Path, size: u64, range: Range<u64>, bytes: Bytes) -> GetResult {
    GetResult {
        payload: payload(bytes),
        meta: ObjectMeta {
            location: location.clone(),
            // the file never changes
            last_modified: Default::default(),
            size,
            e_tag: None,
            version: None,
        },
        range,
        attributes: Attributes::default(),
    }
}

fn payload(bytes: Bytes) -> GetResultPayload {
    GetResultPayload::Stream(futures::stream::once(futures::future::ready(Ok(bytes))).boxed())
}

/// Whether a range is one that blocks can answer. All others get the store's answer, or its error.
fn is_sound(range: &Range<u64>) -> bool {
    range.start < range.end && range.end - range.start <= RANGE_BYTES && range.end <= FILE_BYTES
}

/// Whether nothing but the range is asked for.
fn is_plain(options: &GetOptions) -> bool {
    !options.head
        && options.version.is_none()
        && options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none()
}

impl fmt::Debug for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedStore")
            .field("inner", &self.inner)
            .field("storage", &self.shared.storage)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cached {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for CachedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_plain(&options) || !self.caches(location) {
            return self.inner.get_opts(location, options).await;
        }
        match options.range.clone() {
            None => self.read_whole(location, options).await,
            Some(GetRange::Bounded(range)) if is_sound(&range) => {
                let (parts, size) = self.read(location, std::slice::from_ref(&range)).await?;
                let bytes = parts.into_iter().next().unwrap_or_default();
                let range = range.start..range.start + bytes.len() as u64;
                Ok(answer(location, size, range, bytes))
            }
            Some(_) => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !ranges.iter().all(is_sound) || !self.caches(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        Ok(self.read(location, ranges).await?.0)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
