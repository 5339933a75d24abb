//! The process-wide cache of parsed footers, least recently used out first.
//!
//! Data files never change under their name, so location and size identify a footer. Stores other than the local
//! file system are told apart by instance: two of them may use the same names.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::footer::{Footer, PageIndexes};
use crate::error::Result;
use crate::io::lru::Lru;
use crate::io::{InputFile, StoreIdentity};

/// Bytes of parsed footers that the cache keeps.
const CAPACITY_BYTES: u64 = 64 << 20;

static CACHE: LazyLock<Mutex<Lru<Key, Arc<Slot>>>> =
    LazyLock::new(|| Mutex::new(Lru::new(CAPACITY_BYTES)));

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
        charge(&key, &slot, footer);
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
        charge(&key, &slot, footer);
    }
    Ok(Arc::clone(footer))
}

fn lookup(file: &InputFile) -> (Key, Arc<Slot>) {
    let key = Key {
        store: file.io().identity(),
        location: file.location(),
        size: file.size(),
    };
    let slot = CACHE.lock().get_or_insert_with(&key, Arc::default);
    (key, slot)
}

fn charge(key: &Key, slot: &Arc<Slot>, footer: &Footer) {
    let bytes = footer.memory_size() as u64;
    let mut cache = CACHE.lock();
    cache.charge(key, bytes, |kept| Arc::ptr_eq(kept, slot));
}
