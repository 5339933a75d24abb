//! Where blocks of files are kept: in memory here, on disk behind a port.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::settings::DiskSettings;
use crate::error::Result;
use crate::io::lru::Lru;

/// Names a block: the store, the file and the number of the block in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Tells the store from all others that share the storage.
    pub scope: Arc<str>,
    /// Path of the file within the store.
    pub path: Arc<str>,
    /// Number of the block, from 0; [`BlockKey::WHOLE`] is the whole file.
    pub index: u64,
}

/// Bytes of a file at the place that a [`BlockKey`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Bytes of the whole file.
    pub file_size: u64,
    /// Content. The last block of a file is shorter than the others.
    pub bytes: Bytes,
}

/// Keeps blocks within a bound of its own. It may drop any block at any time.
#[async_trait]
pub trait BlockStorage: fmt::Debug + Send + Sync {
    /// The block, when it is there. What cannot be read back counts as not there.
    async fn get(&self, key: &BlockKey) -> Option<Block>;

    /// Keeps a block.
    async fn put(&self, key: BlockKey, block: Block);
}

/// Opens storages on local disk.
pub trait DiskStorage: fmt::Debug + Send + Sync {
    /// The storage in a folder.
    ///
    /// # Errors
    /// `InvalidInput` when the folder is already in use with other settings.
    fn open(&self, settings: &DiskSettings) -> Result<Arc<dyn BlockStorage>>;
}

impl BlockKey {
    /// Number that stands for a whole file.
    pub const WHOLE: u64 = u64::MAX;
}

/// Catalogs with the same bound share one storage.
static STORAGES: LazyLock<Mutex<HashMap<u64, Arc<MemoryBlocks>>>> = LazyLock::new(Mutex::default);

/// Blocks in memory.
pub(super) struct MemoryBlocks {
    blocks: Mutex<Lru<BlockKey, Block>>,
}

impl MemoryBlocks {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            blocks: Mutex::new(Lru::new(capacity)),
        }
    }

    /// The storage that everybody with this bound shares.
    pub(super) fn shared(capacity: u64) -> Arc<Self> {
        let mut storages = STORAGES.lock();
        let storage = storages.entry(capacity);
        storage
            .or_insert_with(|| Arc::new(Self::new(capacity)))
            .clone()
    }
}

impl fmt::Debug for MemoryBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBlocks").finish_non_exhaustive()
    }
}

#[async_trait]
impl BlockStorage for MemoryBlocks {
    async fn get(&self, key: &BlockKey) -> Option<Block> {
        self.blocks.lock().get(key)
    }

    async fn put(&self, key: BlockKey, block: Block) {
        let bytes = block.bytes.len() as u64;
        self.blocks.lock().insert(key, block, bytes);
    }
}
