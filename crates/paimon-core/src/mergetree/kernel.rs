//! The key merge: which rows of several sorted runs carry the same keys.
//!
//! Everything here works on windows: sorted slices of distinct keys, one per run, oldest run first. The cost of
//! [`mark_superseded`] follows the number of updated keys: a short newer run gallops through a long older one. Runs of
//! similar length are merged by a bit or byte per possible key where keys lie close to each other (see `dense`), else by
//! comparisons.

use std::borrow::Cow;

use super::dense::{self, KeyBits, MergeKey};

/// How many times longer the older run must be before galloping beats stepping.
const GALLOP_RATIO: usize = 8;

/// Sets `dead[r][i]` for every key that a newer run holds too. `dead[r]` has the length of `runs[r]`.
pub fn mark_superseded<K: MergeKey>(runs: &[&[K]], dead: &mut [&mut [u8]]) {
    match bits_of(runs) {
        Some(bits) => dense::mark_superseded(bits, runs, dead),
        None => mark_by_order(runs, dead),
    }
}

/// Bits for the keys of runs when looking at every key once is cheap.
fn bits_of<K: MergeKey>(runs: &[&[K]]) -> Option<KeyBits<K>> {
    let longest = runs.iter().map(|r| r.len()).max()?;
    let others = runs.iter().map(|r| r.len()).sum::<usize>() - longest;
    (longest / GALLOP_RATIO < others)
        .then(|| KeyBits::new(runs))
        .flatten()
}

fn mark_by_order<K: Copy + Ord>(runs: &[&[K]], dead: &mut [&mut [u8]]) {
    let Some((newest, older)) = runs.split_last() else {
        return;
    };
    // keys of all runs newer than the one looked at
    let mut newer: Cow<'_, [K]> = Cow::Borrowed(newest);
    for (r, keys) in older.iter().enumerate().rev() {
        if r == 0 {
            mark(&newer, keys, dead[r]);
        } else {
            newer = Cow::Owned(mark_and_merge(&newer, keys, dead[r]));
        }
    }
}

/// Marks the keys of `keys` that occur in `newer`.
fn mark<K: Copy + Ord>(newer: &[K], keys: &[K], dead: &mut [u8]) {
    if newer.is_empty() || keys.is_empty() {
        return;
    }
    if keys.len() / newer.len().max(1) >= GALLOP_RATIO {
        return mark_galloping(newer, keys, dead);
    }
    let (mut i, mut j) = (0, 0);
    while i < newer.len() && j < keys.len() {
        let (a, b) = (newer[i], keys[j]);
        dead[j] |= u8::from(a == b);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
}

fn mark_galloping<K: Copy + Ord>(newer: &[K], keys: &[K], dead: &mut [u8]) {
    let mut from = 0;
    for key in newer {
        from += lower_bound(&keys[from..], key);
        match keys.get(from) {
            None => return,
            Some(found) => dead[from] |= u8::from(found == key),
        }
    }
}

/// First index whose key is not below `key`, by doubling steps from the front.
fn lower_bound<K: Ord>(keys: &[K], key: &K) -> usize {
    let mut step = 1;
    while step < keys.len() && keys[step] < *key {
        step *= 2;
    }
    let (low, high) = (step / 2, (step + 1).min(keys.len()));
    low + keys[low..high].partition_point(|k| k < key)
}

/// [`mark`] and the sorted union of both.
fn mark_and_merge<K: Copy + Ord>(newer: &[K], keys: &[K], dead: &mut [u8]) -> Vec<K> {
    let mut out = Vec::with_capacity(newer.len() + keys.len());
    let (mut i, mut j) = (0, 0);
    while i < newer.len() && j < keys.len() {
        let (a, b) = (newer[i], keys[j]);
        out.push(if b < a { b } else { a });
        dead[j] |= u8::from(a == b);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    out.extend_from_slice(&newer[i..]);
    out.extend_from_slice(&keys[j..]);
    out
}

/// Keys that occur in more than one run, and where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collisions {
    /// Group `g` has the members `offsets[g]..offsets[g + 1]`; groups ascend by key.
    pub offsets: Vec<u32>,
    /// (run, index within the run's slice); oldest run first within a group.
    pub members: Vec<(u32, u32)>,
}

impl Collisions {
    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Members of a group.
    pub fn group(&self, g: usize) -> &[(u32, u32)] {
        &self.members[self.offsets[g] as usize..self.offsets[g + 1] as usize]
    }
}

/// Finds the keys that several runs share.
pub fn find_collisions<K: MergeKey>(runs: &[&[K]]) -> Collisions {
    match bits_of(runs) {
        Some(bits) => dense::find_collisions(bits, runs),
        None => find_by_order(runs),
    }
}

fn find_by_order<K: Copy + Ord>(runs: &[&[K]]) -> Collisions {
    let shared = shared_keys(runs);
    let mut counts = vec![0u32; shared.len() + 1];
    let hits: Vec<Vec<(u32, u32)>> = runs
        .iter()
        .map(|keys| positions_of(&shared, keys))
        .collect();
    for (group, _) in hits.iter().flatten() {
        counts[*group as usize + 1] += 1;
    }
    for g in 1..counts.len() {
        counts[g] += counts[g - 1];
    }
    let offsets = counts.clone();
    let mut next = counts;
    let mut members = vec![(0, 0); offsets.last().map_or(0, |n| *n as usize)];
    for (run, hits) in (0u32..).zip(&hits) {
        for (group, index) in hits {
            let at = &mut next[*group as usize];
            members[*at as usize] = (run, *index);
            *at += 1;
        }
    }
    Collisions { offsets, members }
}

/// Sorted keys that occur in at least two runs.
fn shared_keys<K: Copy + Ord>(runs: &[&[K]]) -> Vec<K> {
    let mut by_length: Vec<&[K]> = runs.iter().copied().filter(|r| !r.is_empty()).collect();
    by_length.sort_by_key(|r| r.len());
    let mut union: Vec<K> = Vec::new();
    let mut shared: Vec<K> = Vec::new();
    for (n, keys) in by_length.iter().enumerate() {
        let last = n + 1 == by_length.len();
        let mut again = Vec::new();
        if last {
            intersect(&union, keys, &mut again);
        } else {
            union = merge_collecting(&union, keys, &mut again);
        }
        if shared.is_empty() {
            shared = again;
        } else if !again.is_empty() {
            let mut both = Vec::new();
            shared = merge_collecting(&shared, &again, &mut both);
        }
    }
    shared
}

fn intersect<K: Copy + Ord>(short: &[K], long: &[K], out: &mut Vec<K>) {
    if short.is_empty() {
        return;
    }
    if long.len() / short.len() >= GALLOP_RATIO {
        let mut from = 0;
        for key in short {
            from += lower_bound(&long[from..], key);
            if long.get(from) == Some(key) {
                out.push(*key);
            }
        }
        return;
    }
    let (mut i, mut j) = (0, 0);
    while i < short.len() && j < long.len() {
        let (a, b) = (short[i], long[j]);
        if a == b {
            out.push(a);
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
}

/// Sorted union of two slices of distinct keys; the keys of both go to `both`.
fn merge_collecting<K: Copy + Ord>(left: &[K], right: &[K], both: &mut Vec<K>) -> Vec<K> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let (a, b) = (left[i], right[j]);
        if a == b {
            both.push(a);
        }
        out.push(if b < a { b } else { a });
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    out.extend_from_slice(&left[i..]);
    out.extend_from_slice(&right[j..]);
    out
}

/// (index in `shared`, index in `keys`) of every key of `keys` that is shared.
fn positions_of<K: Copy + Ord>(shared: &[K], keys: &[K]) -> Vec<(u32, u32)> {
    let mut out = Vec::new();
    let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
    if shared.is_empty() || keys.is_empty() {
        return out;
    }
    if keys.len() / shared.len() >= GALLOP_RATIO {
        let mut from = 0;
        for (g, key) in shared.iter().enumerate() {
            from += lower_bound(&keys[from..], key);
            if keys.get(from) == Some(key) {
                out.push((index(g), index(from)));
            }
        }
        return out;
    }
    let (mut i, mut j) = (0, 0);
    while i < shared.len() && j < keys.len() {
        let (a, b) = (shared[i], keys[j]);
        if a == b {
            out.push((index(i), index(j)));
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Runs of keys that lie close to each other or far apart.
    fn random_runs(rng: &mut StdRng) -> Vec<Vec<u64>> {
        let count = rng.random_range(1..7);
        let (factor, start) =
            [(1, 0), (1, u64::MAX - 1200), (9, 7), (1 << 50, 0)][rng.random_range(0..4)];
        (0..count)
            .map(|_| {
                let n = [0, 1, 5, 40, 900][rng.random_range(0..5)];
                let key = |n: u64| start + n * factor;
                let mut keys: Vec<u64> = (0..n).map(|_| key(rng.random_range(0..1200))).collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            })
            .collect()
    }

    #[test]
    fn agrees_with_a_map_of_keys() {
        for seed in 0..600 {
            let mut rng = StdRng::seed_from_u64(seed);
            let runs = random_runs(&mut rng);
            let slices: Vec<&[u64]> = runs.iter().map(Vec::as_slice).collect();
            let mut model: BTreeMap<u64, Vec<(u32, u32)>> = BTreeMap::new();
            for (r, keys) in runs.iter().enumerate() {
                for (i, key) in keys.iter().enumerate() {
                    model.entry(*key).or_default().push((r as u32, i as u32));
                }
            }
            let mut dead: Vec<Vec<u8>> = runs.iter().map(|k| vec![0; k.len()]).collect();
            let mut views: Vec<&mut [u8]> = dead.iter_mut().map(Vec::as_mut_slice).collect();
            mark_superseded(&slices, &mut views);
            let expected: Vec<&Vec<(u32, u32)>> = model.values().filter(|m| m.len() > 1).collect();
            let found = find_collisions(&slices);
            assert_eq!(found.groups(), expected.len(), "seed {seed}");
            for (g, members) in expected.iter().enumerate() {
                assert_eq!(found.group(g), members.as_slice(), "seed {seed}");
            }
            for members in model.values() {
                for (n, (r, i)) in members.iter().enumerate() {
                    let superseded = n + 1 < members.len();
                    assert_eq!(
                        dead[*r as usize][*i as usize] == 1,
                        superseded,
                        "seed {seed}"
                    );
                }
            }
        }
    }
}
