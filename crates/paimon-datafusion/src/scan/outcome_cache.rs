//! Outcomes of key merges, kept for the next query: data files never change, so an outcome is valid for ever.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use paimon_core::read::{Section, SectionOutcome};
use parking_lot::Mutex;

/// Bytes of outcomes kept at most.
const CAPACITY: usize = 64 << 20;

static CACHE: LazyLock<Mutex<OutcomeCache>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct OutcomeCache {
    entries: HashMap<String, (Arc<SectionOutcome>, u64)>,
    bytes: usize,
    clock: u64,
}

/// What identifies an outcome: the files, their deletion vectors and the rules.
pub(super) fn key_of(section: &Section, rules: &str) -> String {
    let mut key = String::from(rules);
    for run in &section.runs {
        key.push('|');
        key.push_str(&run.level.to_string());
        for file in &run.files {
            key.push(';');
            key.push_str(&file.path);
            if let Some(deletion) = &file.deletion {
                key.push('@');
                key.push_str(&deletion.path);
                key.push_str(&deletion.meta.offset.to_string());
            }
        }
    }
    key
}

/// A kept outcome.
pub(super) fn get(key: &str) -> Option<Arc<SectionOutcome>> {
    let mut cache = CACHE.lock();
    cache.clock += 1;
    let now = cache.clock;
    let (outcome, used) = cache.entries.get_mut(key)?;
    *used = now;
    Some(outcome.clone())
}

/// Keeps an outcome; the least recently used ones make room.
pub(super) fn put(key: String, outcome: Arc<SectionOutcome>) {
    let size = outcome.memory() + key.len();
    if size > CAPACITY {
        return;
    }
    let mut cache = CACHE.lock();
    while cache.bytes + size > CAPACITY {
        let oldest = cache
            .entries
            .iter()
            .min_by_key(|(_, (_, used))| *used)
            .map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { break };
        if let Some((outcome, _)) = cache.entries.remove(&oldest) {
            cache.bytes -= outcome.memory() + oldest.len();
        }
    }
    cache.clock += 1;
    let now = cache.clock;
    if cache.entries.insert(key, (outcome, now)).is_none() {
        cache.bytes += size;
    }
}
