//! Reads through the caches, over a store that counts.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;

use super::blocks::MemoryBlocks;
use super::kind::FileKind;
use super::store::{CachedStore, Caching};
use super::{CacheObserver, CacheUsage};
use crate::ErrorKind;
use crate::io::{CommitPrimitive, FileIo, OpenedStore, StoreFactory, Stores};

const DATA: &str = "t/bucket-0/data-1-0.parquet";

/// Remembers which ranges were asked for.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    gets: Mutex<Vec<String>>,
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("counting")
    }
}

impl Counting {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.gets.lock())
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(at, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let range = options.range.as_ref().map(ToString::to_string);
        self.gets.lock().push(range.unwrap_or("all".into()));
        tokio::task::yield_now().await;
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect()
}

async fn counting(length: usize) -> Arc<Counting> {
    let store = Arc::new(Counting::default());
    let file = PutPayload::from(content(length));
    store.inner.put(&DATA.into(), file).await.unwrap();
    store
}

fn cached(inner: Arc<Counting>, capacity: u64, block_bytes: u64) -> CachedStore {
    let caching = Caching {
        scope: "s".into(),
        storage: Arc::new(MemoryBlocks::new(capacity)),
        kinds: vec![FileKind::Data, FileKind::Meta],
        block_bytes,
    };
    CachedStore::new(inner, caching)
}

const MB: u64 = 1 << 20;

#[tokio::test]
async fn missing_neighbours_are_fetched_at_once_and_never_again() {
    let length = 5 * MB + 7;
    let inner = counting(usize::try_from(length).unwrap()).await;
    let whole = content(usize::try_from(length).unwrap());
    let store = cached(inner.clone(), 100 * MB, MB);
    let of = |r: &Range<u64>| {
        let (start, end) = (usize::try_from(r.start), usize::try_from(r.end));
        Bytes::copy_from_slice(&whole[start.unwrap()..end.unwrap()])
    };
    let ranges = [MB - 3..2 * MB + 5, 2 * MB + 10..2 * MB + 20];
    let got = store.get_ranges(&DATA.into(), &ranges).await.unwrap();
    assert_eq!(got, ranges.iter().map(of).collect::<Vec<_>>());
    assert_eq!(inner.taken(), [format!("bytes=0-{}", 3 * MB - 1)]);
    // the last block is short
    let tail = 5 * MB - 1..length;
    let got = store.get_range(&DATA.into(), tail.clone()).await.unwrap();
    assert_eq!(got, of(&tail));
    assert_eq!(inner.taken(), [format!("bytes={}-{}", 4 * MB, 6 * MB - 1)]);
    let all = [0..MB, MB - 3..2 * MB + 5, tail];
    let got = store.get_ranges(&DATA.into(), &all).await.unwrap();
    assert_eq!(got, all.iter().map(of).collect::<Vec<_>>());
    assert_eq!(inner.taken(), Vec::<String>::new());
    let usage = store.usage();
    assert_eq!((usage.misses, usage.hits, usage.requests), (5, 5, 2));
    assert_eq!(usage.fetched_bytes, 4 * MB + 7);
}

#[tokio::test]
async fn random_ranges_are_those_of_the_file() {
    let seed: u64 = 20_241_122;
    println!("seed {seed}");
    let inner = counting(100_000).await;
    let whole = content(100_000);
    // room for a few blocks: they come and go
    let store = cached(inner, 30_000, 4096);
    let mut state = seed;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..300 {
        let ranges: Vec<Range<u64>> = (0..1 + next(4))
            .map(|_| {
                let start = next(99_999);
                start..start + 1 + next(100_000 - start)
            })
            .collect();
        let got = store.get_ranges(&DATA.into(), &ranges).await.unwrap();
        for (range, bytes) in ranges.iter().zip(got) {
            let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
            assert_eq!(bytes, whole[start.unwrap()..end.unwrap()], "{range:?}");
        }
    }
}

#[tokio::test]
async fn readers_that_miss_the_same_block_wait_for_one_request() {
    let inner = counting(1000).await;
    let store = cached(inner.clone(), 100_000, 4096);
    let path = Path::from(DATA);
    let reads = (0..20u64).map(|i| store.get_range(&path, i..i + 10));
    let got = futures::future::try_join_all(reads).await.unwrap();
    assert_eq!(got[7], content(17)[7..]);
    assert_eq!(inner.taken().len(), 1);
}

#[tokio::test]
async fn ranges_past_the_end_are_cut_and_those_behind_it_refused() {
    let inner = counting(5000).await;
    let store = cached(inner, 100_000, 4096);
    let path = Path::from(DATA);
    let got = store.get_range(&path, 4990..100_000).await.unwrap();
    assert_eq!(got, content(5000)[4990..]);
    assert!(store.get_range(&path, 6000..6001).await.is_err());
    assert!(store.get_range(&path, 50_000..50_001).await.is_err());
    assert!(
        store
            .get_range(&"t/bucket-0/none".into(), 0..1)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn files_that_may_change_go_to_the_store() {
    let inner = counting(10).await;
    let path = Path::from("t/snapshot/LATEST");
    inner.inner.put(&path, "1".into()).await.unwrap();
    let store = cached(inner.clone(), 100_000, 4096);
    for _ in 0..2 {
        assert_eq!(store.get_range(&path, 0..1).await.unwrap(), "1");
        store.get(&path).await.unwrap();
    }
    assert_eq!(inner.taken().len(), 4);
    assert_eq!(store.usage(), CacheUsage::default());
}

#[tokio::test]
async fn a_file_read_whole_is_kept_whole() {
    let inner = counting(10).await;
    let path = Path::from("t/manifest/manifest-1-0");
    inner.inner.put(&path, "content".into()).await.unwrap();
    let store = cached(inner.clone(), 100_000, 4096);
    for _ in 0..3 {
        let got = store.get(&path).await.unwrap();
        assert_eq!(got.meta.size, 7);
        assert_eq!(got.bytes().await.unwrap(), "content");
    }
    assert_eq!(inner.taken(), ["all"]);
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<CacheUsage>>);

impl CacheObserver for Heard {
    fn record(&self, usage: &CacheUsage) {
        self.0.lock().push(*usage);
    }
}

#[tokio::test]
async fn an_observer_hears_of_its_own_reads_only() {
    let store = cached(counting(10).await, 100_000, 4096);
    let heard = Arc::new(Heard::default());
    let observed = store.observed(heard.clone());
    let path = Path::from(DATA);
    store.get_range(&path, 0..5).await.unwrap();
    observed.get_range(&path, 0..5).await.unwrap();
    let own = CacheUsage {
        hits: 1,
        hit_bytes: 10,
        ..CacheUsage::default()
    };
    assert_eq!(*heard.0.lock(), [own]);
    assert_eq!((store.usage().hits, store.usage().misses), (1, 1));
}

#[derive(Debug)]
struct Far(Arc<Counting>);

impl StoreFactory for Far {
    fn schemes(&self) -> &[&'static str] {
        &["far"]
    }

    fn open(&self, _: &str, _: &BTreeMap<String, String>) -> crate::Result<OpenedStore> {
        Ok(OpenedStore {
            store: self.0.clone(),
            commit: CommitPrimitive::ConditionalPut,
            replaced_by_others: false,
            folders: None,
        })
    }
}

async fn far(pairs: &[(&str, &str)]) -> (Arc<Counting>, crate::Result<FileIo>) {
    let inner = counting(10).await;
    let manifest = Path::from("t/manifest/manifest-1-0");
    inner.inner.put(&manifest, "content".into()).await.unwrap();
    let options = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let stores = Stores::new().with(Arc::new(Far(inner.clone())));
    let io = stores.file_io("far://a/t", &options.collect());
    (inner, io)
}

#[tokio::test]
async fn manifests_are_read_once_unless_the_cache_is_off_or_gone_round() {
    let location = "far://a/t/manifest/manifest-1-0";
    let reads = async |io: &FileIo| {
        for _ in 0..3 {
            let file = io.read_unchanging(location, 100).await.unwrap();
            assert_eq!(file, "content");
        }
    };
    let (inner, io) = far(&[]).await;
    let io = io.unwrap();
    reads(&io).await;
    assert_eq!(inner.taken().len(), 1);
    let error = io.read_unchanging(location, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    inner.taken();
    reads(&io.uncached()).await;
    assert_eq!(inner.taken().len(), 3);
    for options in [
        ("cache-enabled", "false"),
        ("cache.manifest.small-file-threshold", "6 b"),
    ] {
        let (inner, io) = far(&[options]).await;
        reads(&io.unwrap()).await;
        assert_eq!(inner.taken().len(), 3, "{options:?}");
    }
}

#[tokio::test]
async fn two_stores_of_one_name_do_not_share_files() {
    let location = "far://a/t/manifest/manifest-1-0";
    let ((_, one), (inner, two)) = (far(&[]).await, far(&[]).await);
    let manifest = Path::from("t/manifest/manifest-1-0");
    inner.inner.put(&manifest, "other".into()).await.unwrap();
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.read_unchanging(location, 100).await.unwrap(), "content");
    assert_eq!(two.read_unchanging(location, 100).await.unwrap(), "other");
}

#[tokio::test]
async fn blocks_of_remote_stores_are_cached_when_asked_for() {
    let options = [
        ("local-cache.enabled", "true"),
        ("local-cache.whitelist", "data"),
    ];
    let (inner, io) = far(&options).await;
    let io = io.unwrap();
    let file = io.input("far://a/t/bucket-0/data-1-0.parquet", 10).unwrap();
    for _ in 0..3 {
        assert_eq!(file.read_range(2..5).await.unwrap(), content(5)[2..]);
    }
    assert_eq!(inner.taken().len(), 1);
    assert_eq!(io.cached_store().unwrap().usage().hits, 2);
    assert!(io.uncached().cached_store().is_none());
    let near = Stores::new();
    let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
    let near = near.file_io("memory:/t", &options.into()).unwrap();
    assert!(near.cached_store().is_none());
}

#[tokio::test]
async fn a_cache_on_disk_needs_a_program_that_has_one() {
    let options = [("local-cache.enabled", "true"), ("local-cache.dir", "/c")];
    let error = far(&options).await.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`cache`"), "{error}");
}
