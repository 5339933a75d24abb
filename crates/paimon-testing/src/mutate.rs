//! Seeded damage to bytes, for tests that no input may panic or exhaust memory.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One damaged copy and how it was made.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// Seed that gives the same mutation again.
    pub seed: u64,
    /// What was done, for the failure message.
    pub what: String,
    /// The damaged bytes.
    pub bytes: Vec<u8>,
}

/// `count` mutations with the seeds `seed`, `seed + 1`, ...
pub fn mutations(bytes: &[u8], seed: u64, count: u64) -> impl Iterator<Item = Mutation> + '_ {
    (seed..seed.saturating_add(count)).map(move |seed| mutate(bytes, seed))
}

/// One mutation: flipped bits, overwritten numbers, cuts, deletions, insertions, moved or repeated ranges.
pub fn mutate(bytes: &[u8], seed: u64) -> Mutation {
    let mut random = StdRng::seed_from_u64(seed);
    let mut copy = bytes.to_vec();
    let what = if copy.is_empty() {
        insert(&mut copy, &mut random)
    } else {
        match random.random_range(0..8) {
            0 | 1 => flip(&mut copy, &mut random),
            2 => overwrite_number(&mut copy, &mut random),
            3 => truncate(&mut copy, &mut random),
            4 => delete(&mut copy, &mut random),
            5 => insert(&mut copy, &mut random),
            6 => splice(&mut copy, &mut random),
            _ => fill(&mut copy, &mut random),
        }
    };
    Mutation {
        seed,
        what,
        bytes: copy,
    }
}

fn flip(bytes: &mut [u8], random: &mut StdRng) -> String {
    let flips = random.random_range(1..=4);
    let mut at = Vec::new();
    for _ in 0..flips {
        let position = random.random_range(0..bytes.len());
        bytes[position] ^= 1 << random.random_range(0..8u32);
        at.push(position);
    }
    format!("bits flipped at {at:?}")
}

/// Overwrites 1, 2, 4 or 8 bytes with a number that tests limits, in either byte order.
fn overwrite_number(bytes: &mut [u8], random: &mut StdRng) -> String {
    const NUMBERS: [u64; 10] = [
        0,
        1,
        0x7f,
        0xff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        i64::MAX as u64,
        1 << 63,
        u64::MAX,
    ];
    let width = 1 << random.random_range(0..4usize);
    let width = bytes.len().min(width);
    let at = random.random_range(0..=bytes.len() - width);
    let number = NUMBERS[random.random_range(0..NUMBERS.len())];
    let big_endian = random.random_bool(0.5);
    let encoded = number.to_le_bytes();
    for i in 0..width {
        let from = if big_endian { width - 1 - i } else { i };
        bytes[at + i] = encoded[from];
    }
    format!("{number:#x} written over {width} bytes at {at}")
}

fn truncate(bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let length = random.random_range(0..bytes.len());
    bytes.truncate(length);
    format!("cut to {length} bytes")
}

fn delete(bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let range = range(bytes.len(), random);
    bytes.drain(range.clone());
    format!("bytes {range:?} deleted")
}

fn insert(bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let at = random.random_range(0..=bytes.len());
    let count = random.random_range(1..=16);
    let new: Vec<u8> = (0..count).map(|_| random.random()).collect();
    bytes.splice(at..at, new);
    format!("{count} bytes inserted at {at}")
}

/// Copies a range over another place.
fn splice(bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let range = range(bytes.len(), random);
    let at = random.random_range(0..=bytes.len());
    let part = bytes[range.clone()].to_vec();
    bytes.splice(at..at, part);
    format!("bytes {range:?} repeated at {at}")
}

fn fill(bytes: &mut [u8], random: &mut StdRng) -> String {
    let range = range(bytes.len(), random);
    let value = if random.random_bool(0.5) { 0 } else { 0xff };
    bytes[range.clone()].fill(value);
    format!("bytes {range:?} filled with {value}")
}

fn range(length: usize, random: &mut StdRng) -> std::ops::Range<usize> {
    let start = random.random_range(0..length);
    let end = random.random_range(start + 1..=length.min(start + 64));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_repeat_by_seed_and_mostly_change_something() {
        let bytes: Vec<u8> = (0..100).collect();
        let first: Vec<_> = mutations(&bytes, 7, 200).collect();
        let again: Vec<_> = mutations(&bytes, 7, 200).collect();
        assert!(first.iter().zip(&again).all(|(a, b)| a.bytes == b.bytes));
        assert!(first.iter().filter(|m| m.bytes != bytes).count() > 180);
        assert_eq!(mutate(&bytes, 9).bytes, first[2].bytes);
        assert!(!mutate(&[], 1).bytes.is_empty());
        for m in mutations(&[1], 0, 100) {
            assert!(m.bytes.len() <= 20);
        }
    }
}
