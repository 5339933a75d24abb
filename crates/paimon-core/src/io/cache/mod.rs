//! Caches between the readers and a store: small metadata files, and blocks of files of all kinds.
//!
//! Only files that never change under their name are cached ([`FileKind`]), so that nothing is ever out of date. A file
//! that was deleted since may still be answered: whoever has a snapshot before its eyes finds what belongs to it, or the
//! error of the first file that neither the cache nor the store has. Checks of the store itself go round the caches
//! ([`FileIo::uncached`](super::FileIo::uncached)).

mod blocks;
mod claims;
mod counters;
mod files;
mod kind;
mod reading;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;
use twox_hash::XxHash64;

pub use blocks::{Block, BlockKey, BlockStorage, DiskStorage};
pub use counters::{CacheObserver, CacheUsage};
pub(super) use files::FileCache;
pub use settings::DiskSettings;
pub use store::CachedStore;

use blocks::MemoryBlocks;
use settings::{BlockSettings, CacheSettings, ManifestSettings};
use store::Caching;

use crate::error::{Error, Result};
use crate::options::redacted;

/// Tells stores apart that share a storage in memory.
static SCOPES: AtomicU64 = AtomicU64::new(0);

/// The caches of one catalog.
pub(super) struct Caches {
    files: Option<FileCache>,
    blocks: Option<(BlockSettings, Arc<dyn BlockStorage>)>,
    /// Hash of the options that say which store a name stands for.
    options: u64,
}

impl Caches {
    /// As the options of a catalog say.
    ///
    /// # Errors
    /// `InvalidInput` naming a malformed option, `Unsupported` for a cache on disk without `disk`; those of opening it.
    pub(super) fn open(
        options: &BTreeMap<String, String>,
        disk: Option<&dyn DiskStorage>,
    ) -> Result<Self> {
        let settings = CacheSettings::read(options)?;
        let blocks = match settings.blocks {
            None => None,
            Some(blocks) => {
                let storage = storage(&blocks, disk)?;
                Some((blocks, storage))
            }
        };
        Ok(Self {
            files: settings.manifests.map(FileCache::with),
            blocks,
            options: hash(options),
        })
    }

    /// As no options say.
    pub(super) fn plain() -> Self {
        Self {
            files: Some(FileCache::with(ManifestSettings::default())),
            blocks: None,
            options: 0,
        }
    }

    /// Small metadata files of a store. Those on local disk or in memory are near enough.
    pub(super) fn files(&self, prefix: &str) -> Option<FileCache> {
        self.files.clone().filter(|_| is_remote(prefix))
    }

    /// A store with blocks in front of it, when it is far away and blocks are cached.
    pub(super) fn wrap(&self, store: &Arc<dyn ObjectStore>, prefix: &str) -> Option<CachedStore> {
        let (settings, storage) = self.blocks.as_ref().filter(|_| is_remote(prefix))?;
        let scope = match settings.disk {
            // what is on disk is found again by the next process
            Some(_) => format!("{prefix} {:x} {}", self.options, settings.block_bytes),
            None => SCOPES.fetch_add(1, Ordering::Relaxed).to_string(),
        };
        let caching = Caching {
            scope: scope.into(),
            storage: storage.clone(),
            kinds: settings.kinds.clone(),
            block_bytes: settings.block_bytes,
        };
        Some(CachedStore::new(store.clone(), caching))
    }
}

fn storage(
    settings: &BlockSettings,
    disk: Option<&dyn DiskStorage>,
) -> Result<Arc<dyn BlockStorage>> {
    match (&settings.disk, disk) {
        (None, _) => Ok(MemoryBlocks::shared(settings.memory)),
        (Some(settings), Some(disk)) => disk
            .open(settings)
            .map_err(|e| e.with_default("option", "local-cache.dir")),
        (Some(_), None) => Err(Error::unsupported(
            "this program was built without a cache on disk: build it with the feature `cache`",
        )
        .with("option", "local-cache.dir")),
    }
}

/// Whether a store is neither on local disk nor in memory.
pub(super) fn is_remote(prefix: &str) -> bool {
    !matches!(prefix, "file://" | "memory://")
}

/// Of everything that may say which store a name stands for; nothing secret.
fn hash(options: &BTreeMap<String, String>) -> u64 {
    let mut hasher = XxHash64::default();
    let own = |key: &str| key.starts_with("local-cache.") || key.starts_with("cache");
    for (key, value) in options.iter().filter(|(key, _)| !own(key)) {
        for text in [key, &redacted(key, value)] {
            hasher.write(text.as_bytes());
            hasher.write_u8(0);
        }
    }
    hasher.finish()
}
