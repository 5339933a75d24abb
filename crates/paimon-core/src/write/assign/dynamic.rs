//! Dynamic buckets: a key keeps the bucket it got first.
//!
//! Source: `PartitionIndex`, `DynamicBucketIndexMaintainer`, `HashIndexFile`, `IntFileUtils`. Where several writers commit at a
//! time, the commit joins their index files, and refuses a key that would get two buckets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_i64};

/// Largest number of buckets: they are stored as 16-bit numbers.
const BUCKETS_MAX: i32 = 32_767;

/// Buckets of the partitions that a write touches.
#[derive(Debug)]
pub struct DynamicBuckets {
    target_rows: usize,
    /// Bound on the number of buckets of a partition.
    max_buckets: i32,
    partitions: HashMap<Bytes, PartitionBuckets>,
}

#[derive(Debug, Default)]
struct PartitionBuckets {
    by_hash: HashMap<i32, i32>,
    /// Hashes per bucket.
    sizes: BTreeMap<i32, usize>,
    /// Buckets with hashes that no index file holds yet.
    changed: BTreeSet<i32>,
}

/// The new content of one bucket's index file.
#[derive(Debug, Clone, PartialEq)]
pub struct HashIndex {
    /// Serialised partition row.
    pub partition: Bytes,
    /// Bucket.
    pub bucket: i32,
    /// All key hashes of the bucket, ascending.
    pub hashes: Vec<i32>,
}

impl Default for DynamicBuckets {
    fn default() -> Self {
        Self {
            target_rows: 2_000_000,
            max_buckets: BUCKETS_MAX,
            partitions: HashMap::new(),
        }
    }
}

impl DynamicBuckets {
    /// Limits of a table.
    ///
    /// # Errors
    /// `InvalidInput` naming the option.
    pub fn new(options: &CoreOptions) -> Result<Self> {
        let (target_rows, max_buckets) = bucket_limits(options)?;
        Ok(Self {
            target_rows,
            max_buckets,
            partitions: HashMap::new(),
        })
    }

    /// Whether the buckets of a partition are known.
    pub fn knows(&self, partition: &Bytes) -> bool {
        self.partitions.contains_key(partition)
    }

    /// Sets the buckets of a partition from its index files: (bucket, content).
    ///
    /// # Errors
    /// `Damaged` for a file that is no list of 32-bit numbers.
    pub fn load(&mut self, partition: &Bytes, files: &[(i32, Bytes)]) -> Result<()> {
        let mut buckets = PartitionBuckets::default();
        for (bucket, bytes) in files {
            let hashes = decode_hashes(bytes)?;
            *buckets.sizes.entry(*bucket).or_default() += hashes.len();
            buckets
                .by_hash
                .extend(hashes.into_iter().map(|hash| (hash, *bucket)));
        }
        self.partitions.insert(partition.clone(), buckets);
        Ok(())
    }

    /// Bucket of a key hash: the one it has, else the first with room, else a new one.
    ///
    /// # Errors
    /// `Internal` when the partition was not loaded, `ResourceExhausted` when there are no more bucket numbers.
    pub fn assign(&mut self, partition: &Bytes, hash: i32) -> Result<i32> {
        let (target, max) = (self.target_rows, self.max_buckets);
        let Some(buckets) = self.partitions.get_mut(partition) else {
            return Err(Error::internal("buckets of a partition were not loaded"));
        };
        if let Some(bucket) = buckets.by_hash.get(&hash) {
            return Ok(*bucket);
        }
        let bucket = choose_bucket(&buckets.sizes, hash, target, max)?;
        buckets.by_hash.insert(hash, bucket);
        *buckets.sizes.entry(bucket).or_default() += 1;
        buckets.changed.insert(bucket);
        Ok(bucket)
    }

    /// The index files to write since the last call.
    pub fn take_changed(&mut self) -> Vec<HashIndex> {
        let mut out = Vec::new();
        for (partition, buckets) in &mut self.partitions {
            let changed = std::mem::take(&mut buckets.changed);
            if changed.is_empty() {
                continue;
            }
            let mut hashes: BTreeMap<i32, Vec<i32>> =
                changed.into_iter().map(|b| (b, Vec::new())).collect();
            for (hash, bucket) in &buckets.by_hash {
                if let Some(list) = hashes.get_mut(bucket) {
                    list.push(*hash);
                }
            }
            out.extend(hashes.into_iter().map(|(bucket, mut hashes)| {
                hashes.sort_unstable();
                HashIndex {
                    partition: partition.clone(),
                    bucket,
                    hashes,
                }
            }));
        }
        out.sort_by(|a, b| (&a.partition, a.bucket).cmp(&(&b.partition, b.bucket)));
        out
    }
}

/// Bucket of a new key: the first with room, else a new one, else (at the bound) any.
pub(super) fn choose_bucket(
    sizes: &BTreeMap<i32, usize>,
    hash: i32,
    target: usize,
    max: i32,
) -> Result<i32> {
    if let Some((bucket, _)) = sizes.iter().find(|(_, size)| **size < target) {
        return Ok(*bucket);
    }
    if let Some(free) = (0..max).find(|b| !sizes.contains_key(b)) {
        return Ok(free);
    }
    if max == BUCKETS_MAX {
        return Err(Error::new(
            crate::ErrorKind::ResourceExhausted,
            format!("a partition has no bucket number below {BUCKETS_MAX} left"),
        )
        .with("option", "dynamic-bucket.target-row-num"));
    }
    // all are full: any of them, the same one for the same key
    let count = i32::try_from(sizes.len()).unwrap_or(i32::MAX).max(1);
    let nth = usize::try_from(hash.rem_euclid(count)).unwrap_or(0);
    Ok(sizes.keys().nth(nth).copied().unwrap_or(0))
}

/// Rows a bucket should have and how many buckets a partition may have.
///
/// # Errors
/// `InvalidInput` naming the option.
pub(super) fn bucket_limits(options: &CoreOptions) -> Result<(usize, i32)> {
    let number = |key: &'static str| {
        let parse = |text| parse_i64(text).map_err(|e| e.with("option", key));
        options.get(key).map(parse).transpose()
    };
    let target = number("dynamic-bucket.target-row-num")?.unwrap_or(2_000_000);
    let target_rows = usize::try_from(target).ok().filter(|n| *n > 0);
    let max = number("dynamic-bucket.max-buckets")?.unwrap_or(-1);
    let max = match i32::try_from(max) {
        Ok(n) if n > 0 => n.min(BUCKETS_MAX),
        _ => BUCKETS_MAX,
    };
    let target_rows = target_rows.ok_or_else(|| {
        Error::invalid(format!("expected more than 0 rows, found {target}"))
            .with("option", "dynamic-bucket.target-row-num")
    })?;
    Ok((target_rows, max))
}

impl HashIndex {
    /// Content of the index file.
    pub fn encode(&self) -> Bytes {
        encode_hashes(&self.hashes)
    }
}

/// Content of a HASH index file: big-endian 32-bit numbers.
pub(crate) fn encode_hashes(hashes: &[i32]) -> Bytes {
    let bytes: Vec<u8> = hashes.iter().flat_map(|h| h.to_be_bytes()).collect();
    bytes.into()
}

/// The numbers of a HASH index file.
///
/// # Errors
/// `Damaged` for a file that is no list of 32-bit numbers.
pub(crate) fn decode_hashes(bytes: &[u8]) -> Result<Vec<i32>> {
    let (words, rest) = bytes.as_chunks::<4>();
    match rest.is_empty() {
        true => Ok(words.iter().map(|word| i32::from_be_bytes(*word)).collect()),
        false => Err(Error::damaged(format!(
            "hash index has {} bytes, expected a multiple of 4",
            bytes.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::write::testing::schema;

    fn buckets(pairs: &[(&str, &str)]) -> DynamicBuckets {
        let schema = schema(&["INT NOT NULL"], &[], &["c0"], pairs);
        DynamicBuckets::new(&CoreOptions::new(&schema).unwrap()).unwrap()
    }

    const P: Bytes = Bytes::from_static(b"p");

    #[test]
    fn keys_keep_their_bucket_and_new_ones_fill_it() {
        let mut b = buckets(&[("dynamic-bucket.target-row-num", "2")]);
        assert!(b.assign(&P, 1).is_err() && !b.knows(&P));
        let old = HashIndex {
            partition: P,
            bucket: 1,
            hashes: vec![-5, 9],
        };
        b.load(&P, &[(1, old.encode())]).unwrap();
        let assigned: Vec<i32> = [9, 1, 2, 3, 1, -5, 4]
            .map(|h| b.assign(&P, h).unwrap())
            .to_vec();
        assert_eq!(assigned, [1, 0, 0, 2, 0, 1, 2]);
        let changed = b.take_changed();
        assert_eq!(changed.len(), 2);
        assert_eq!((changed[0].bucket, &changed[0].hashes), (0, &vec![1, 2]));
        assert_eq!((changed[1].bucket, &changed[1].hashes), (2, &vec![3, 4]));
        assert!(b.take_changed().is_empty());
    }

    #[test]
    fn at_the_bound_full_buckets_are_filled_further() {
        let mut b = buckets(&[
            ("dynamic-bucket.target-row-num", "1"),
            ("dynamic-bucket.max-buckets", "2"),
        ]);
        b.load(&P, &[]).unwrap();
        for hash in 0..100 {
            let bucket = b.assign(&P, hash).unwrap();
            assert!((0..2).contains(&bucket));
            assert_eq!(b.assign(&P, hash).unwrap(), bucket);
        }
    }

    #[test]
    fn hashes_are_stored_big_endian() {
        let index = HashIndex {
            partition: P,
            bucket: 0,
            hashes: vec![1_465_514_398],
        };
        assert_eq!(&index.encode()[..], [0x57, 0x59, 0xf9, 0x9e]);
        assert!(
            buckets(&[])
                .load(&P, &[(0, Bytes::from_static(&[1, 2, 3]))])
                .is_err()
        );
    }
}
