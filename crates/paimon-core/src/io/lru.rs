//! A map bounded by bytes: what was not used for the longest time goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

struct Entry<V> {
    value: V,
    tick: u64,
    bytes: u64,
}

/// A map bounded by the bytes that its entries are charged with.
pub(crate) struct Lru<K, V> {
    capacity: u64,
    entries: HashMap<K, Entry<V>>,
    by_tick: BTreeMap<u64, K>,
    tick: u64,
    bytes: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Lru<K, V> {
    /// An empty map for `capacity` bytes.
    pub(crate) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            by_tick: BTreeMap::new(),
            tick: 0,
            bytes: 0,
        }
    }

    /// The value, which counts as used now.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.tick += 1;
        if let Some(key) = self.by_tick.remove(&entry.tick) {
            self.by_tick.insert(self.tick, key);
        }
        entry.tick = self.tick;
        Some(entry.value.clone())
    }

    /// The value, made and not yet charged when there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.get(key) {
            return value;
        }
        let value = make();
        self.put(key.clone(), value.clone(), 0);
        value
    }

    /// Keeps a value of so many bytes, in place of the one before. One that is larger than the map is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: u64) {
        if let Some(before) = self.entries.remove(&key) {
            self.bytes -= before.bytes;
            self.by_tick.remove(&before.tick);
        }
        if bytes <= self.capacity {
            self.put(key, value, bytes);
            self.shrink();
        }
    }

    /// Charges an entry with more bytes when it is still the one that `is_same` knows.
    pub(crate) fn charge(&mut self, key: &K, bytes: u64, is_same: impl FnOnce(&V) -> bool) {
        if let Some(entry) = self.entries.get_mut(key)
            && is_same(&entry.value)
        {
            entry.bytes += bytes;
            self.bytes += bytes;
        }
        self.shrink();
    }

    fn put(&mut self, key: K, value: V, bytes: u64) {
        self.tick += 1;
        self.bytes += bytes;
        self.by_tick.insert(self.tick, key.clone());
        let tick = self.tick;
        self.entries.insert(key, Entry { value, tick, bytes });
    }

    fn shrink(&mut self) {
        while self.bytes > self.capacity {
            let Some((_, oldest)) = self.by_tick.pop_first() else {
                return;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let mut lru = Lru::new(10);
        lru.insert("a", 1, 4);
        lru.insert("b", 2, 4);
        assert_eq!(lru.get(&"a"), Some(1));
        lru.insert("c", 3, 4);
        assert_eq!(
            [lru.get(&"a"), lru.get(&"b"), lru.get(&"c")],
            [Some(1), None, Some(3)]
        );
        assert_eq!(lru.bytes, 8);
    }

    #[test]
    fn a_value_takes_the_place_of_the_one_before_and_of_its_bytes() {
        let mut lru = Lru::new(10);
        lru.insert("a", 1, 9);
        lru.insert("a", 2, 3);
        lru.insert("b", 3, 7);
        assert_eq!([lru.get(&"a"), lru.get(&"b")], [Some(2), Some(3)]);
        assert_eq!(lru.bytes, 10);
        lru.insert("a", 4, 11);
        assert_eq!([lru.get(&"a"), lru.get(&"b")], [None, Some(3)]);
        assert_eq!((lru.bytes, lru.by_tick.len()), (7, 1));
    }

    #[test]
    fn entries_are_charged_when_they_are_still_the_same() {
        let mut lru = Lru::new(10);
        assert_eq!(lru.get_or_insert_with(&"a", || 1), 1);
        assert_eq!(lru.get_or_insert_with(&"a", || 2), 1);
        lru.charge(&"a", 9, |v| *v == 2);
        assert_eq!(lru.bytes, 0);
        lru.charge(&"a", 9, |v| *v == 1);
        assert_eq!(lru.bytes, 9);
        lru.charge(&"a", 9, |v| *v == 1);
        assert_eq!((lru.bytes, lru.get(&"a")), (0, None));
    }
}
