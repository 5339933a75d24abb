//! Values that are forgotten after a while.
//!
//! Java: the caches of Caffeine in `CachingCatalog`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paimon_core::write::Clock;

use super::settings::CacheSettings;

/// Values by key, at most `capacity` of them, each for a limited time.
#[derive(Debug)]
pub(super) struct Expiring<K, V> {
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    capacity: usize,
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Grows whenever something is forgotten on demand.
    epoch: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    written_ms: i64,
    used_ms: i64,
}

/// When somebody began to ask for a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    epoch: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Expiring<K, V> {
    pub(super) fn new(settings: CacheSettings, clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self {
            settings,
            clock,
            capacity,
            state: Mutex::new(State {
                entries: HashMap::new(),
                epoch: 0,
            }),
        }
    }

    /// The value, which counts as used now.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let now = self.clock.epoch_ms();
        let mut state = self.state();
        let entry = state.entries.get_mut(key)?;
        if self.is_over(entry, now) {
            state.entries.remove(key);
            return None;
        }
        entry.used_ms = now;
        Some(entry.value.clone())
    }

    /// To be called before the value is asked for elsewhere.
    pub(super) fn ask(&self) -> Asked {
        Asked {
            epoch: self.state().epoch,
        }
    }

    /// Keeps a value, unless something was forgotten since it was asked for: it may be of before the change.
    pub(super) fn keep(&self, asked: Asked, key: K, value: V) {
        let now = self.clock.epoch_ms();
        let mut state = self.state();
        if state.epoch != asked.epoch {
            return;
        }
        if state.entries.len() >= self.capacity && !state.entries.contains_key(&key) {
            self.make_room(&mut state, now);
        }
        let entry = Entry {
            value,
            written_ms: now,
            used_ms: now,
        };
        state.entries.insert(key, entry);
    }

    /// Forgets the values of all keys that `is_meant`.
    pub(super) fn forget(&self, is_meant: impl Fn(&K) -> bool) {
        let mut state = self.state();
        state.epoch = state.epoch.wrapping_add(1);
        state.entries.retain(|key, _| !is_meant(key));
    }

    fn make_room(&self, state: &mut State<K, V>, now: i64) {
        state.entries.retain(|_, entry| !self.is_over(entry, now));
        if state.entries.len() < self.capacity {
            return;
        }
        let oldest = state.entries.iter().min_by_key(|(_, e)| e.used_ms);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            state.entries.remove(&key);
        }
    }

    fn is_over(&self, entry: &Entry<V>, now: i64) -> bool {
        let over = |since: i64, limit: Duration| match u64::try_from(now.saturating_sub(since)) {
            Ok(age) => u128::from(age) >= limit.as_millis(),
            // the clock was set back: nobody knows how old it is
            Err(_) => true,
        };
        over(entry.written_ms, self.settings.after_write)
            || over(entry.used_ms, self.settings.after_access)
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        // nothing panics while it is held, and each change is whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caching::testing::HandClock;

    fn cache(capacity: usize) -> (Arc<HandClock>, Expiring<&'static str, i32>) {
        let clock = Arc::new(HandClock::default());
        let settings = CacheSettings {
            after_access: Duration::from_secs(10),
            after_write: Duration::from_secs(30),
        };
        (clock.clone(), Expiring::new(settings, clock, capacity))
    }

    fn put(cache: &Expiring<&'static str, i32>, key: &'static str, value: i32) {
        cache.keep(cache.ask(), key, value);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_after_the_shorter_time() {
        let (clock, cache) = cache(8);
        put(&cache, "a", 1);
        clock.pass_ms(9_999);
        assert_eq!(cache.get(&"a"), Some(1));
        clock.pass_ms(9_999);
        assert_eq!(cache.get(&"a"), Some(1));
        clock.pass_ms(10_000);
        assert_eq!(cache.get(&"a"), None);
    }

    #[test]
    fn what_is_asked_for_all_the_time_is_forgotten_after_the_longer_time() {
        let (clock, cache) = cache(8);
        put(&cache, "a", 1);
        for _ in 0..5 {
            clock.pass_ms(5_000);
            assert_eq!(cache.get(&"a"), Some(1));
        }
        clock.pass_ms(5_000);
        assert_eq!(cache.get(&"a"), None);
    }

    #[test]
    fn a_clock_that_is_set_back_forgets() {
        let (clock, cache) = cache(8);
        put(&cache, "a", 1);
        clock.pass_ms(-1);
        assert_eq!(cache.get(&"a"), None);
    }

    #[test]
    fn a_value_that_was_asked_for_before_a_change_is_not_kept() {
        let (_, cache) = cache(8);
        let asked = cache.ask();
        cache.forget(|key| *key == "a");
        cache.keep(asked, "a", 1);
        assert_eq!(cache.get(&"a"), None);
        put(&cache, "a", 2);
        put(&cache, "b", 3);
        cache.forget(|key| *key == "a");
        assert_eq!([cache.get(&"a"), cache.get(&"b")], [None, Some(3)]);
    }

    #[test]
    fn room_is_made_of_what_was_not_used_for_the_longest_time() {
        let (clock, cache) = cache(2);
        put(&cache, "a", 1);
        clock.pass_ms(1);
        put(&cache, "b", 2);
        clock.pass_ms(1);
        assert_eq!(cache.get(&"a"), Some(1));
        put(&cache, "c", 3);
        let kept = ["a", "b", "c"].map(|key| cache.get(&key));
        assert_eq!(kept, [Some(1), None, Some(3)]);
        // one that is there already needs none
        put(&cache, "a", 4);
        assert_eq!([cache.get(&"a"), cache.get(&"c")], [Some(4), Some(3)]);
    }
}
