//! Small files of the `manifest` folder in memory.
//!
//! Java: the manifest cache of `org.apache.paimon.catalog.CachingCatalog` (`SegmentsCache`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parking_lot::Mutex;

use super::counters::{CacheCounters, CacheObserver, CacheUsage};
use super::settings::ManifestSettings;
use crate::io::StoreIdentity;
use crate::io::lru::Lru;

/// Catalogs with the same settings share one cache: the bound holds for all of them together.
static CACHES: LazyLock<Mutex<HashMap<ManifestSettings, FileCache>>> =
    LazyLock::new(Mutex::default);

type Key = (StoreIdentity, String);

/// Whole files that never change, by store and path.
#[derive(Clone)]
pub(in crate::io) struct FileCache {
    threshold: u64,
    files: Arc<Mutex<Lru<Key, Bytes>>>,
    counters: Arc<CacheCounters>,
}

impl FileCache {
    pub(super) fn with(settings: ManifestSettings) -> Self {
        let mut caches = CACHES.lock();
        let make = || Self {
            threshold: settings.threshold,
            files: Arc::new(Mutex::new(Lru::new(settings.memory))),
            counters: Arc::default(),
        };
        caches.entry(settings).or_insert_with(make).clone()
    }

    /// The file, when it is there.
    pub(in crate::io) fn get(&self, store: StoreIdentity, path: &str) -> Option<Bytes> {
        let file = self.files.lock().get(&(store, path.to_string()))?;
        self.counters.record(&CacheUsage {
            hits: 1,
            hit_bytes: file.len() as u64,
            ..CacheUsage::default()
        });
        Some(file)
    }

    /// Keeps a file that was just read, unless it is too large.
    pub(in crate::io) fn put(&self, store: StoreIdentity, path: &str, file: &Bytes) {
        let bytes = file.len() as u64;
        self.counters.record(&CacheUsage {
            misses: 1,
            fetched_bytes: bytes,
            requests: 1,
            ..CacheUsage::default()
        });
        if bytes <= self.threshold {
            // the name counts too: many files are small
            let charge = bytes + path.len() as u64;
            let key = (store, path.to_string());
            self.files.lock().insert(key, file.clone(), charge);
        }
    }

    pub(in crate::io) fn usage(&self) -> CacheUsage {
        self.counters.usage()
    }
}
