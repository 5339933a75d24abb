//! The key merge of keys that lie close to each other, as numbers handed out one after another do: one bit or byte per
//! possible key in place of comparisons.

use super::kernel::Collisions;

/// Possible keys for every key: up to here a look at one bit beats stepping through two runs.
const SPARSE_MAX: usize = 32;

/// Possible keys for every key: up to here bytes beat bits. A bit must wait for the bit before it in its word, a byte for
/// nothing.
const BYTES_MAX: usize = 4;

/// A key as the merge compares it.
pub trait MergeKey: Copy + Ord {
    /// How many values lie between `low`, which is not larger, and this key; `None` where keys cannot be counted.
    fn above(self, low: Self) -> Option<usize>;
}

impl MergeKey for u64 {
    #[inline]
    fn above(self, low: Self) -> Option<usize> {
        usize::try_from(self.checked_sub(low)?).ok()
    }
}

impl MergeKey for u128 {
    #[inline]
    fn above(self, low: Self) -> Option<usize> {
        usize::try_from(self.checked_sub(low)?).ok()
    }
}

impl MergeKey for &[u8] {
    #[inline]
    fn above(self, _low: Self) -> Option<usize> {
        None
    }
}

/// One bit for each key from the smallest to the largest one of some runs.
pub(super) struct KeyBits<K> {
    low: K,
    words: Vec<u64>,
}

impl<K: MergeKey> KeyBits<K> {
    /// No bit set; `None` when there would be many more bits than keys.
    pub fn new(runs: &[&[K]]) -> Option<Self> {
        let low = *runs.iter().filter_map(|r| r.first()).min()?;
        let high = *runs.iter().filter_map(|r| r.last()).max()?;
        let keys: usize = runs.iter().map(|r| r.len()).sum();
        let span = high.above(low)?;
        (span / SPARSE_MAX < keys).then(|| Self {
            low,
            words: vec![0; span / 64 + 1],
        })
    }

    /// Whether bytes in place of the bits would not be many more than the keys.
    fn fits_bytes(&self, runs: &[&[K]]) -> bool {
        let keys: usize = runs.iter().map(|r| r.len()).sum();
        self.words.len() * 64 / BYTES_MAX <= keys
    }

    /// A copy of the span without bits.
    fn cleared(&self) -> Self {
        Self {
            low: self.low,
            words: vec![0; self.words.len()],
        }
    }

    /// Sets the bit of a key; whether it was set before.
    #[inline]
    fn set(&mut self, key: K) -> bool {
        let Some((word, mask)) = self.place(key) else {
            return false;
        };
        match self.words.get_mut(word) {
            Some(bits) => {
                let before = *bits & mask != 0;
                *bits |= mask;
                before
            }
            None => false,
        }
    }

    #[inline]
    fn place(&self, key: K) -> Option<(usize, u64)> {
        let at = key.above(self.low)?;
        Some((at / 64, 1 << (at % 64)))
    }
}

/// Sets `dead[r][i]` for every key that a newer run holds too.
pub(super) fn mark_superseded<K: MergeKey>(
    seen: KeyBits<K>,
    runs: &[&[K]],
    dead: &mut [&mut [u8]],
) {
    match seen.fits_bytes(runs) {
        true => mark_by_bytes(seen, runs, dead),
        false => mark_by_bits(seen, runs, dead),
    }
}

fn mark_by_bytes<K: MergeKey>(span: KeyBits<K>, runs: &[&[K]], dead: &mut [&mut [u8]]) {
    let mut seen = vec![0u8; span.words.len() * 64];
    for (keys, dead) in runs.iter().zip(dead).rev() {
        for (key, dead) in keys.iter().zip(dead.iter_mut()) {
            let at = key.above(span.low);
            if let Some(seen) = at.and_then(|at| seen.get_mut(at)) {
                *dead |= *seen;
                *seen = 1;
            }
        }
    }
}

fn mark_by_bits<K: MergeKey>(mut seen: KeyBits<K>, runs: &[&[K]], dead: &mut [&mut [u8]]) {
    for (keys, dead) in runs.iter().zip(dead).rev() {
        for (key, dead) in keys.iter().zip(dead.iter_mut()) {
            *dead |= u8::from(seen.set(*key));
        }
    }
}

/// Finds the keys that several runs share.
pub(super) fn find_collisions<K: MergeKey>(seen: KeyBits<K>, runs: &[&[K]]) -> Collisions {
    // a byte counts the runs of a key
    match seen.fits_bytes(runs) && runs.len() <= usize::from(u8::MAX) {
        true => find_by_bytes(seen, runs),
        false => find_by_bits(seen, runs),
    }
}

/// Counts the runs of each key, gives the members of shared keys their places in the order of keys, and puts them there.
/// Keys of one run alone share a place behind all others: looking at every key the same way is faster than a branch that
/// nobody can foresee.
fn find_by_bytes<K: MergeKey>(span: KeyBits<K>, runs: &[&[K]]) -> Collisions {
    let size = span.words.len() * 64;
    let mut counts = vec![0u8; size];
    for key in runs.iter().copied().flatten() {
        let at = key.above(span.low);
        if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let shared = |count: u8| if count > 1 { u32::from(count) } else { 0 };
    let total: u32 = counts.iter().map(|count| shared(*count)).sum();
    let mut offsets = vec![0; total as usize / 2 + 1];
    let (mut groups, mut sum) = (0, 0);
    let place = |count: &u8| {
        let own = shared(*count);
        let place = if own > 0 { sum } else { total };
        sum += own;
        groups += usize::from(own > 0);
        offsets[groups] = sum;
        place
    };
    let mut next: Vec<u32> = counts.iter().map(place).collect();
    offsets.truncate(groups + 1);
    let mut members = vec![(0, 0); total as usize + 1];
    for (run, keys) in (0u32..).zip(runs) {
        for (index, key) in (0u32..).zip(keys.iter()) {
            let at = key.above(span.low);
            if let Some(place) = at.and_then(|at| next.get_mut(at)) {
                members[*place as usize] = (run, index);
                *place += 1;
            }
        }
    }
    members.truncate(total as usize);
    Collisions { offsets, members }
}

fn find_by_bits<K: MergeKey>(mut seen: KeyBits<K>, runs: &[&[K]]) -> Collisions {
    let mut shared = seen.cleared();
    for key in runs.iter().copied().flatten() {
        if seen.set(*key) {
            shared.set(*key);
        }
    }
    let ranks = ranks(&shared.words);
    let group_of = |key: &K| {
        let (word, mask) = shared.place(*key)?;
        let bits = *shared.words.get(word)?;
        (bits & mask != 0).then(|| ranks[word] + (bits & (mask - 1)).count_ones())
    };
    let groups = ranks.last().map_or(0, |n| *n as usize);
    let mut offsets = vec![0u32; groups + 1];
    let mut hits: Vec<(u32, u32, u32)> = Vec::new();
    for (run, keys) in (0u32..).zip(runs) {
        for (index, key) in (0u32..).zip(keys.iter()) {
            if let Some(group) = group_of(key) {
                hits.push((group, run, index));
                offsets[group as usize + 1] += 1;
            }
        }
    }
    for g in 1..offsets.len() {
        offsets[g] += offsets[g - 1];
    }
    let mut next = offsets.clone();
    let mut members = vec![(0, 0); hits.len()];
    for (group, run, index) in hits {
        let at = &mut next[group as usize];
        members[*at as usize] = (run, index);
        *at += 1;
    }
    Collisions { offsets, members }
}

/// Number of bits before each word, and of all.
fn ranks(words: &[u64]) -> Vec<u32> {
    let mut ranks = Vec::with_capacity(words.len() + 1);
    let mut sum = 0;
    ranks.push(sum);
    for word in words {
        sum += word.count_ones();
        ranks.push(sum);
    }
    ranks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bits_are_only_made_for_keys_that_lie_close() {
        assert!(KeyBits::<u64>::new(&[]).is_none());
        assert!(KeyBits::<u64>::new(&[&[], &[]]).is_none());
        assert!(KeyBits::new(&[&[0u64, 90][..], &[5]]).is_some());
        assert!(KeyBits::new(&[&[0u64, 97][..], &[5]]).is_none());
        assert!(KeyBits::new(&[&[0u64][..], &[u64::MAX]]).is_none());
        assert!(KeyBits::new(&[&[7u128 << 100, (7 << 100) + 9][..]]).is_some());
        assert!(KeyBits::new(&[&[0u128][..], &[u128::MAX]]).is_none());
        assert!(KeyBits::new(&[&[&b"a"[..]][..], &[&b"b"[..]]]).is_none());
    }

    #[test]
    fn the_highest_key_has_a_bit() {
        let mut bits = KeyBits::new(&[&[1u64, 64, 65][..], &[128]]).unwrap();
        for key in [1, 64, 65, 128] {
            assert!(!bits.set(key));
            assert!(bits.set(key));
        }
    }
}
