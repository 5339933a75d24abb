//! Blocks of files on local disk, with the ones used last in memory.
//!
//! Java: `org.apache.paimon.fs.cache.LocalDiskCacheManager`.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, RecoverMode,
};
use paimon_core::io::{Block, BlockKey, BlockStorage, DiskSettings, DiskStorage};
use paimon_core::{Error, Result};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Space on disk is given back a region at a time.
const REGION_BYTES: u64 = 16 << 20;
/// Regions that a cache has at least.
const REGIONS_MIN: u64 = 8;
/// Bytes of names and sizes beside a block.
const HEADER_BYTES: u64 = 64 << 10;
/// Bytes that wait to be written. What comes faster than the disk takes it is not kept there.
const QUEUE_BYTES: u64 = 64 << 20;
/// Blocks in memory from which on several threads may reach for them at the same time.
const SHARED_BLOCKS: u64 = 64;
const WORKERS: usize = 2;

/// One cache per folder in the process: catalogs that name the same one share it.
static OPENED: LazyLock<Mutex<HashMap<PathBuf, Arc<DiskBlocks>>>> = LazyLock::new(Mutex::default);

/// Opens caches on local disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskCache;

impl DiskStorage for DiskCache {
    fn open(&self, settings: &DiskSettings) -> Result<Arc<dyn BlockStorage>> {
        let mut opened = OPENED.lock();
        if let Some(known) = opened.get(&settings.folder) {
            if known.settings == *settings {
                return Ok(known.clone());
            }
            return Err(Error::invalid(
                "the folder holds a cache of other sizes for another catalog of this process",
            )
            .with("path", settings.folder.display()));
        }
        let blocks = Arc::new(DiskBlocks::new(settings.clone())?);
        opened.insert(settings.folder.clone(), blocks.clone());
        Ok(blocks)
    }
}

/// Waits until what the caches of this process keep is on disk, and closes them: what is read after that is not kept.
pub(crate) async fn close_all() {
    let known: Vec<Arc<DiskBlocks>> = OPENED.lock().values().cloned().collect();
    for blocks in known {
        let Some(Some(opened)) = blocks.opened.get() else {
            continue;
        };
        if let Err(error) = opened.cache.close().await {
            let folder = blocks.settings.folder.display();
            tracing::warn!(%folder, %error, "the cache was not closed: part of its blocks may be lost");
        }
    }
}

/// The cache in one folder. It is opened with the first read, and does without the disk when that fails.
struct DiskBlocks {
    settings: DiskSettings,
    region: u64,
    opened: OnceCell<Option<Opened>>,
}

struct Opened {
    cache: HybridCache<String, Stored>,
    /// Held as long as the cache is used: no other process may write to the folder.
    _lock: Option<File>,
}

/// A block as it is written.
#[derive(Debug, Clone, PartialEq)]
struct Stored(Block);

impl DiskBlocks {
    fn new(settings: DiskSettings) -> Result<Self> {
        let fits = 2 * settings.block_bytes + HEADER_BYTES;
        let region = fits.max(REGION_BYTES.min(settings.capacity / (2 * REGIONS_MIN)));
        let least = region * REGIONS_MIN;
        if settings.capacity < least {
            return Err(Error::invalid(format!(
                "a cache on disk with blocks of {} bytes needs {least} bytes, found {}",
                settings.block_bytes, settings.capacity
            ))
            .with("option", "local-cache.max-size"));
        }
        Ok(Self {
            settings,
            region,
            opened: OnceCell::new(),
        })
    }

    async fn cache(&self) -> Option<&HybridCache<String, Stored>> {
        let opened = self.opened.get_or_init(|| async {
            let folder = self.settings.folder.display();
            match self.open().await {
                Ok(opened) => Some(opened),
                Err(error) => {
                    tracing::warn!(%folder, %error, "the cache cannot be opened: blocks are not kept");
                    None
                }
            }
        });
        opened.await.as_ref().map(|o| &o.cache)
    }

    async fn open(&self) -> std::result::Result<Opened, Box<dyn std::error::Error + Send + Sync>> {
        let settings = &self.settings;
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let lock = lock(&settings.folder)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("paimon-cache")
            .enable_all()
            .build()?;
        let shards = match settings.memory / settings.block_bytes {
            ..SHARED_BLOCKS => 1,
            _ => 8,
        };
        let builder = HybridCacheBuilder::new()
            .with_name("paimon")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(bytes(settings.memory.max(settings.block_bytes)))
            .with_shards(shards)
            .with_weighter(|key: &String, stored: &Stored| key.len() + stored.0.bytes.len())
            .storage()
            .with_recover_mode(RecoverMode::Quiet)
            .with_spawner(runtime.into());
        let builder = match &lock {
            None => {
                let folder = settings.folder.display();
                tracing::warn!(%folder, "another process uses this cache: blocks are kept in memory alone");
                builder
            }
            Some(_) => {
                let device = FsDeviceBuilder::new(&settings.folder)
                    .with_capacity(bytes(settings.capacity))
                    .build()?;
                let queue = QUEUE_BYTES.max(4 * settings.block_bytes);
                builder.with_engine_config(
                    BlockEngineConfig::new(device)
                        .with_block_size(bytes(self.region))
                        .with_buffer_pool_size(bytes(queue))
                        .with_submit_queue_size_threshold(bytes(2 * queue)),
                )
            }
        };
        Ok(Opened {
            cache: builder.build().await?,
            _lock: lock,
        })
    }
}

/// Locks a folder for this process. `None`: another one has it.
fn lock(folder: &Path) -> std::io::Result<Option<File>> {
    std::fs::create_dir_all(folder)?;
    let file = File::create(folder.join("LOCK"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The name of a block on disk.
fn name(key: &BlockKey) -> String {
    format!("{}\0{}\0{}", key.scope, key.path, key.index)
}

impl fmt::Debug for DiskBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskBlocks")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl BlockStorage for DiskBlocks {
    async fn get(&self, key: &BlockKey) -> Option<Block> {
        let name = name(key);
        match self.cache().await?.get(&name).await {
            Ok(found) => found.map(|entry| entry.value().0.clone()),
            Err(error) => {
                tracing::debug!(%error, "a block could not be read back");
                None
            }
        }
    }

    async fn put(&self, key: BlockKey, block: Block) {
        if let Some(cache) = self.cache().await {
            cache.insert(name(&key), Stored(block));
        }
    }
}

impl Code for Stored {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        let Self(block) = self;
        let mut write = |bytes: &[u8]| writer.write_all(bytes).map_err(foyer::Error::io_error);
        write(&block.file_size.to_le_bytes())?;
        write(&(block.bytes.len() as u64).to_le_bytes())?;
        write(&block.bytes)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let file_size = number(reader)?;
        let bytes = sized(reader)?;
        Ok(Self(Block { file_size, bytes }))
    }

    fn estimated_size(&self) -> usize {
        self.0.bytes.len() + 2 * size_of::<u64>()
    }
}

fn number(reader: &mut impl Read) -> foyer::Result<u64> {
    let mut bytes = [0; size_of::<u64>()];
    let read = reader.read_exact(&mut bytes);
    read.map_err(foyer::Error::io_error)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Bytes after their number. No more memory is taken than there are bytes.
fn sized(reader: &mut impl Read) -> foyer::Result<Bytes> {
    let length = number(reader)?;
    let mut bytes = Vec::new();
    let read = reader.take(length).read_to_end(&mut bytes);
    let read = read.map_err(foyer::Error::io_error)?;
    if read as u64 != length {
        let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        return Err(foyer::Error::io_error(short));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MB: u64 = 1 << 20;

    fn settings(folder: &Path) -> DiskSettings {
        DiskSettings {
            folder: folder.to_path_buf(),
            capacity: 64 * MB,
            memory: MB,
            block_bytes: MB,
        }
    }

    fn key(index: u64) -> BlockKey {
        BlockKey {
            scope: "s3://b".into(),
            path: "t/bucket-0/data-1-0.parquet".into(),
            index,
        }
    }

    fn block(index: u64) -> Block {
        let byte = u8::try_from(index % 251).unwrap();
        Block {
            file_size: 100 * MB,
            bytes: vec![byte; usize::try_from(MB).unwrap()].into(),
        }
    }

    async fn close(blocks: DiskBlocks) {
        let cache = blocks.cache().await.unwrap().clone();
        cache.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_are_found_again_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let first = DiskBlocks::new(settings(folder.path())).unwrap();
        for index in 0..20 {
            first.put(key(index), block(index)).await;
        }
        close(first).await;
        let second = DiskBlocks::new(settings(folder.path())).unwrap();
        for index in 0..20 {
            assert_eq!(second.get(&key(index)).await, Some(block(index)), "{index}");
        }
        assert_eq!(second.get(&key(20)).await, None);
        close(second).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_disk_is_never_filled_beyond_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = DiskBlocks::new(settings(folder.path())).unwrap();
        for index in 0..200 {
            blocks.put(key(index), block(index)).await;
        }
        close(blocks).await;
        let sizes = std::fs::read_dir(folder.path()).unwrap();
        let sizes = sizes.map(|e| e.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() <= 64 * MB);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_in_use_elsewhere_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(held.is_some());
        let blocks = DiskBlocks::new(settings(folder.path())).unwrap();
        blocks.put(key(0), block(0)).await;
        let names = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 1);
        assert_eq!(blocks.get(&key(0)).await, Some(block(0)));
    }

    #[test]
    fn one_folder_has_one_cache() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        DiskCache.open(&settings).unwrap();
        DiskCache.open(&settings).unwrap();
        let other = DiskSettings {
            capacity: 65 * MB,
            ..settings.clone()
        };
        assert!(DiskCache.open(&other).is_err());
        let small = DiskSettings {
            folder: folder.path().join("b"),
            capacity: MB,
            ..settings
        };
        let error = DiskCache.open(&small).unwrap_err();
        assert!(
            error.to_string().contains("local-cache.max-size"),
            "{error}"
        );
    }

    #[test]
    fn blocks_survive_their_encoding_and_broken_ones_are_refused() {
        let stored = Stored(block(3));
        let mut bytes = Vec::new();
        stored.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), stored.estimated_size());
        assert_eq!(Stored::decode(&mut bytes.as_slice()).unwrap(), stored);
        for length in [0, 7, 9, 20, bytes.len() - 1] {
            assert!(Stored::decode(&mut &bytes[..length]).is_err(), "{length}");
        }
        bytes[8..16].fill(0xff);
        assert!(Stored::decode(&mut bytes.as_slice()).is_err());
    }
}
