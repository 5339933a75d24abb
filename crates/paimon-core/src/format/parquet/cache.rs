//! The process-wide cache of parsed footers, least recently used out first.
//!
//! Data files never change under their name, so location and size identify a footer. Stores other than the local
//! file system are told apart by instance: two of them may use the same names.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::footer::{Footer, PageIndexes};
use crate::error::Result;
use crate::io::{InputFile, StoreIdentity};

/// Bytes of parsed footers that the cache keeps.
const CAPACITY_BYTES: usize = 64 << 20;

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(|| Mutex::new(Cache::default()));

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    store: StoreIdentity,
    location: String,
    size: u64,
}

/// One file's footers by how much of the page index they hold; readers of one file wait for each other here.
#[derive(Default)]
struct Slot {
    plain: OnceCell<Arc<Footer>>,
    offsets: OnceCell<Arc<Footer>>,
    full: OnceCell<Arc<Footer>>,
}

struct Entry {
    slot: Arc<Slot>,
    tick: u64,
    bytes: usize,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<Key, Entry>,
    by_tick: BTreeMap<u64, Key>,
    tick: u64,
    bytes: usize,
}

impl Cache {
    fn slot(&mut self, key: &Key) -> Arc<Slot> {
        self.tick += 1;
        let tick = self.tick;
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
            slot: Arc::default(),
            tick,
            bytes: 0,
        });
        self.by_tick.remove(&entry.tick);
        entry.tick = tick;
        self.by_tick.insert(tick, key.clone());
        Arc::clone(&entry.slot)
    }

    fn charge(&mut self, key: &Key, slot: &Arc<Slot>, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(key)
            && Arc::ptr_eq(&entry.slot, slot)
        {
            entry.bytes += bytes;
            self.bytes += bytes;
        }
        while self.bytes > CAPACITY_BYTES {
            let Some((_, oldest)) = self.by_tick.pop_first() else {
                return;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

/// The footer of a file.
pub(super) async fn footer(file: &InputFile) -> Result<Arc<Footer>> {
    let (key, slot) = lookup(file);
    let mut parsed = false;
    let footer = slot
        .plain
        .get_or_try_init(|| async {
            parsed = true;
            Footer::read(file).await.map(Arc::new)
        })
        .await?;
    if parsed {
        CACHE.lock().charge(&key, &slot, footer.memory_size());
    }
    Ok(Arc::clone(footer))
}

/// The footer of a file with its page indexes.
pub(super) async fn footer_with_pages(
    file: &InputFile,
    plain: &Arc<Footer>,
    indexes: PageIndexes,
) -> Result<Arc<Footer>> {
    let (key, slot) = lookup(file);
    if let (PageIndexes::Offsets, Some(full)) = (indexes, slot.full.get()) {
        return Ok(Arc::clone(full));
    }
    let cell = match indexes {
        PageIndexes::Offsets => &slot.offsets,
        PageIndexes::OffsetsAndColumns => &slot.full,
    };
    let mut parsed = false;
    let footer = cell
        .get_or_try_init(|| async {
            parsed = true;
            plain.load_pages(file, indexes).await.map(Arc::new)
        })
        .await?;
    if parsed {
        CACHE.lock().charge(&key, &slot, footer.memory_size());
    }
    Ok(Arc::clone(footer))
}

fn lookup(file: &InputFile) -> (Key, Arc<Slot>) {
    let key = Key {
        store: file.io().identity(),
        location: file.location(),
        size: file.size(),
    };
    let slot = CACHE.lock().slot(&key);
    (key, slot)
}
