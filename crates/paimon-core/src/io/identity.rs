//! What tells one store from another, for caches that outlive a table.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use object_store::ObjectStore;

/// Identity of a store: equal for all handles of the local file system, and for clones of one handle elsewhere. Two
/// stores of the same name (two `memory:` stores) differ.
#[derive(Debug, Clone)]
pub struct StoreIdentity {
    /// `None` is the local file system. Held weakly, so that the address is not given to another store.
    store: Option<Weak<dyn ObjectStore>>,
}

impl StoreIdentity {
    pub(super) fn of(prefix: &str, store: &Arc<dyn ObjectStore>) -> Self {
        Self {
            store: (prefix != "file://").then(|| Arc::downgrade(store)),
        }
    }

    /// A number that no other store has while this one is in use; 0 is the local file system.
    pub fn number(&self) -> usize {
        self.address()
    }

    fn address(&self) -> usize {
        self.store
            .as_ref()
            .map_or(0, |s| s.as_ptr().cast::<()>().addr())
    }
}

impl PartialEq for StoreIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for StoreIdentity {}

impl Hash for StoreIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
