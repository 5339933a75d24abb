//! Theta sketches that can still be updated, as compact ones: the hash table without its gaps. Source: `PreambleUtil` of the
//! DataSketches library for Java, whose unions take either form.

const FAMILY_UPDATABLE: u8 = 2;
const FAMILY_COMPACT: u8 = 3;
const READ_ONLY_COMPACT_ORDERED: u8 = 0x02 | 0x08 | 0x10;
const EMPTY: u8 = 0x04;

/// Longs before the hashes: flags and seed, count and sampling probability, theta.
const PREAMBLE: usize = 24;

/// The compact form of an updatable sketch; `None` for everything else.
pub(super) fn compacted(bytes: &[u8]) -> Option<Vec<u8>> {
    let [preamble, version, FAMILY_UPDATABLE, _, _, flags, seed @ ..] = bytes else {
        return None;
    };
    if *preamble & 0x3f != 3 || bytes.len() < PREAMBLE {
        return None;
    }
    let head = |longs: u8, flags| {
        vec![
            longs,
            *version,
            FAMILY_COMPACT,
            0,
            0,
            flags,
            seed[0],
            seed[1],
        ]
    };
    if flags & EMPTY != 0 {
        return Some(head(1, READ_ONLY_COMPACT_ORDERED | EMPTY));
    }
    let longs = bytes[PREAMBLE - 8..].chunks_exact(8);
    let mut longs = longs.map(|long| u64::from_le_bytes(long.try_into().unwrap_or_default()));
    let theta = longs.next()?;
    let mut hashes: Vec<u64> = longs.filter(|hash| (1..theta).contains(hash)).collect();
    hashes.sort_unstable();
    let count = u32::try_from(hashes.len()).ok()?;
    let mut compact = head(3, READ_ONLY_COMPACT_ORDERED);
    compact.extend(count.to_le_bytes());
    compact.extend(1f32.to_le_bytes());
    compact.extend(theta.to_le_bytes());
    compact.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
    Some(compact)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datasketches::theta::CompactThetaSketch;

    use super::*;

    #[test]
    fn updatable_sketches_lose_their_gaps() {
        // seed hash of the default seed, three entries in a table of eight
        let theta = u64::MAX >> 1;
        let mut bytes = vec![3, 3, FAMILY_UPDATABLE, 12, 3, 0, 0xcc, 0x93];
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(1f32.to_le_bytes());
        for long in [theta, 0, 900, 0, 0, 7, 0, 80, 0] {
            bytes.extend(u64::to_le_bytes(long));
        }
        let compact = compacted(&bytes).unwrap();
        let sketch = CompactThetaSketch::deserialize(&compact).unwrap();
        assert_eq!(sketch.num_retained(), 3);
        assert_eq!(
            sketch.iter().map(|e| e.hash()).collect::<Vec<_>>(),
            [7, 80, 900]
        );
        bytes[5] = EMPTY;
        let empty = CompactThetaSketch::deserialize(&compacted(&bytes).unwrap()).unwrap();
        assert!(empty.is_empty());
        assert_eq!(compacted(&compact), None);
        assert_eq!(compacted(&bytes[..20]), None);
    }
}
