//! The serialized form of Java's `Roaring64Bitmap` (not the portable 64-bit format).
//!
//! An adaptive radix tree maps the high 48 bits of the values to containers of their low 16 bits:
//!
//! ```text
//! bitmap     = u8 0                                          empty
//!            | u8 1, u64 keys, node, containers
//! node       = u8 type, u16 children, u8 n, n prefix bytes, body, that many child nodes
//!              type 0..3: 4, 16, 48, 256 ways, body of 4, 16, 256, 32 bytes (key bytes of the children)
//!              type 4: leaf, no children, n = 0, body = 6 bytes high 48 bits (big endian), u64 container
//! containers = u32 arrays, { u8 0xfe, u32 slots, { u8 0 | u8 1, container } }, u64 containers, u32 array, u32 slot (last used)
//! container  = u8 0, u32 cardinality, u16 runs, { u16 start, u16 length - 1 }
//!            | u8 1, u32 cardinality, 1024 x u64
//!            | u8 2, u32 cardinality, { u16 value }
//! ```
//!
//! Numbers are little endian unless said otherwise. A container number is array << 32 | slot.

use roaring::RoaringTreemap;

use crate::{Error, Result};

const LEAF: u8 = 4;
const NOT_TRIMMED: u8 = 0xfe;
const KEY_BYTES: usize = 6;
/// Body sizes of the branch types.
const BODIES: [usize; 4] = [4, 16, 256, 32];
const RUN: u8 = 0;
const BITMAP: u8 = 1;
const ARRAY: u8 = 2;
const BITMAP_WORDS: usize = 1024;
/// Largest array container.
const ARRAY_MAX: usize = 4096;

/// Reads a bitmap.
///
/// # Errors
///
/// `Damaged` when the bytes do not follow the format or end early.
pub(super) fn decode(bytes: &[u8]) -> Result<RoaringTreemap> {
    let mut input = Input { bytes };
    match input.u8()? {
        0 => return Ok(RoaringTreemap::new()),
        1 => {}
        tag => return Err(damaged(format!("tag is {tag}, expected 0 or 1"))),
    }
    let keys = input.u64()?;
    let mut leaves = Vec::new();
    read_node(&mut input, 0, &mut leaves)?;
    if u64::try_from(leaves.len()) != Ok(keys) {
        return Err(damaged(format!(
            "the tree has {} leaves, expected {keys}",
            leaves.len()
        )));
    }
    let mut high_bits: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    for (high, container) in leaves {
        high_bits.insert(container, high);
    }
    read_containers(&mut input, &high_bits)
}

/// Writes a bitmap with the smallest container for each 2^16 values.
///
/// # Errors
///
/// `Internal` only for bitmaps beyond 2^32 containers.
pub(super) fn encode(bitmap: &RoaringTreemap) -> Result<Vec<u8>> {
    if bitmap.is_empty() {
        return Ok(vec![0]);
    }
    let mut keys: Vec<u64> = Vec::new();
    let mut containers: Vec<u8> = Vec::new();
    let mut low: Vec<u16> = Vec::new();
    let mut current = None;
    for value in bitmap {
        let high = value >> 16;
        if current.is_some_and(|c| c != high) {
            write_container(&mut containers, &low)?;
            low.clear();
        }
        if current != Some(high) {
            current = Some(high);
            keys.push(high);
        }
        low.extend(u16::try_from(value & 0xffff).ok());
    }
    write_container(&mut containers, &low)?;
    let count = u32::try_from(keys.len()).map_err(|_| too_large())?;

    let mut out = vec![1];
    out.extend(u64::from(count).to_le_bytes());
    write_node(&mut out, &keys, 0, 0)?;
    out.extend(1u32.to_le_bytes());
    out.push(NOT_TRIMMED);
    out.extend(count.to_le_bytes());
    out.extend(containers);
    out.extend(u64::from(count).to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend((count - 1).to_le_bytes());
    Ok(out)
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((head, tail)) = self.bytes.split_at_checked(n) else {
            return Err(damaged(format!(
                "expected {n} more bytes, found {}",
                self.bytes.len()
            )));
        };
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

/// Collects (high 48 bits, container number) of the leaves; `depth` bounds the recursion.
fn read_node(input: &mut Input, depth: usize, leaves: &mut Vec<(u64, u64)>) -> Result<()> {
    let kind = input.u8()?;
    let children = input.u16()?;
    let prefix = input.u8()?;
    input.take(prefix.into())?;
    if kind == LEAF {
        let mut high = [0; 8];
        high[2..].copy_from_slice(input.take(KEY_BYTES)?);
        leaves.push((u64::from_be_bytes(high), input.u64()?));
        return Ok(());
    }
    let Some(body) = BODIES.get(usize::from(kind)) else {
        return Err(damaged(format!("node type is {kind}, expected 0 to 4")));
    };
    if depth >= KEY_BYTES || children > 256 {
        return Err(damaged(format!(
            "a node at depth {depth} has {children} children"
        )));
    }
    input.take(*body)?;
    for _ in 0..children {
        read_node(input, depth + 1, leaves)?;
    }
    Ok(())
}

fn read_containers(
    input: &mut Input,
    high_bits: &std::collections::HashMap<u64, u64>,
) -> Result<RoaringTreemap> {
    let mut bitmap = RoaringTreemap::new();
    for array in 0..input.u32()? {
        input.u8()?;
        for slot in 0..input.u32()? {
            match input.u8()? {
                0 => continue,
                1 => {}
                mark => return Err(damaged(format!("slot mark is {mark}, expected 0 or 1"))),
            }
            let number = u64::from(array) << 32 | u64::from(slot);
            let Some(high) = high_bits.get(&number) else {
                return Err(damaged(format!("no key has container {number}")));
            };
            read_container(input, high << 16, &mut bitmap)?;
        }
    }
    input.take(16)?;
    Ok(bitmap)
}

fn read_container(input: &mut Input, base: u64, bitmap: &mut RoaringTreemap) -> Result<()> {
    let kind = input.u8()?;
    let cardinality = input.u32()?;
    match kind {
        RUN => {
            for _ in 0..input.u16()? {
                let start = u64::from(input.u16()?);
                let end = start + u64::from(input.u16()?);
                if end > 0xffff {
                    return Err(damaged(format!(
                        "a run ends at {end}, expected 65535 at most"
                    )));
                }
                bitmap.insert_range(base + start..=base + end);
            }
        }
        BITMAP => {
            for word in 0..BITMAP_WORDS {
                let mut bits = input.u64()?;
                while bits != 0 {
                    let bit = u64::from(bits.trailing_zeros());
                    bitmap.insert(base + u64::try_from(word * 64).unwrap_or_default() + bit);
                    bits &= bits - 1;
                }
            }
        }
        ARRAY => {
            for _ in 0..cardinality {
                bitmap.insert(base + u64::from(input.u16()?));
            }
        }
        other => {
            return Err(damaged(format!(
                "container type is {other}, expected 0 to 2"
            )));
        }
    }
    Ok(())
}

/// Writes the subtree of `keys` (ascending), which agree in their first `depth` bytes; returns through `out`.
fn write_node(out: &mut Vec<u8>, keys: &[u64], first: usize, depth: usize) -> Result<()> {
    if let [key] = keys {
        out.extend([LEAF, 0, 0, 0]);
        out.extend(&key.to_be_bytes()[2..]);
        out.extend(u64::try_from(first).map_err(|_| too_large())?.to_le_bytes());
        return Ok(());
    }
    let (Some(low), Some(high)) = (keys.first(), keys.last()) else {
        return Ok(());
    };
    let shared = (depth..KEY_BYTES)
        .find(|d| byte_of(*low, *d) != byte_of(*high, *d))
        .unwrap_or(KEY_BYTES - 1);
    let mut children: Vec<(u8, &[u64])> = Vec::new();
    for child in keys.chunk_by(|a, b| byte_of(*a, shared) == byte_of(*b, shared)) {
        children.push((byte_of(child[0], shared), child));
    }
    write_branch(out, &children, &low.to_be_bytes()[2 + depth..2 + shared])?;
    let mut first = first;
    for (_, child) in children {
        write_node(out, child, first, shared + 1)?;
        first += child.len();
    }
    Ok(())
}

fn write_branch(out: &mut Vec<u8>, children: &[(u8, &[u64])], prefix: &[u8]) -> Result<()> {
    let count = u16::try_from(children.len()).map_err(|_| too_large())?;
    let kind: u8 = match count {
        0..=4 => 0,
        5..=16 => 1,
        17..=48 => 2,
        _ => 3,
    };
    out.push(kind);
    out.extend(count.to_le_bytes());
    out.push(u8::try_from(prefix.len()).map_err(|_| too_large())?);
    out.extend(prefix);
    let mut body = vec![if kind == 2 { 0xff } else { 0 }; BODIES[usize::from(kind)]];
    for (index, (key, _)) in children.iter().enumerate() {
        let key_position = usize::from(*key);
        match kind {
            // key bytes, most significant first within little endian words
            0 => body[3 - index] = *key,
            1 => body[index / 8 * 8 + 7 - index % 8] = *key,
            2 => {
                body[key_position / 8 * 8 + 7 - key_position % 8] =
                    u8::try_from(index).map_err(|_| too_large())?;
            }
            _ => body[key_position / 8] |= 1 << (key_position % 8),
        }
    }
    out.extend(body);
    Ok(())
}

/// Byte `depth` of the high 48 bits.
fn byte_of(high: u64, depth: usize) -> u8 {
    high.to_be_bytes()[2 + depth]
}

fn write_container(out: &mut Vec<u8>, values: &[u16]) -> Result<()> {
    let runs: Vec<&[u16]> = values
        .chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .collect();
    let cardinality = u32::try_from(values.len()).map_err(|_| too_large())?;
    let plain = if values.len() <= ARRAY_MAX {
        values.len() * 2
    } else {
        BITMAP_WORDS * 8
    };
    out.push(1);
    if 2 + runs.len() * 4 < plain {
        out.push(RUN);
        out.extend(cardinality.to_le_bytes());
        out.extend(
            u16::try_from(runs.len())
                .map_err(|_| too_large())?
                .to_le_bytes(),
        );
        for run in runs {
            let more = u16::try_from(run.len() - 1).map_err(|_| too_large())?;
            out.extend(run[0].to_le_bytes());
            out.extend(more.to_le_bytes());
        }
    } else if values.len() <= ARRAY_MAX {
        out.push(ARRAY);
        out.extend(cardinality.to_le_bytes());
        values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    } else {
        out.push(BITMAP);
        out.extend(cardinality.to_le_bytes());
        let mut words = vec![0u8; BITMAP_WORDS * 8];
        for value in values {
            words[usize::from(value / 8)] |= 1 << (value % 8);
        }
        out.extend(words);
    }
    Ok(())
}

fn damaged(message: String) -> Error {
    Error::damaged(format!("64-bit roaring bitmap: {message}"))
}

fn too_large() -> Error {
    Error::internal("a 64-bit roaring bitmap is too large to serialize")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// {1, 2, 5_000_000_000} as Java 1.4.2 wrote it.
    const GOLDEN: &str = "010200000000000000000200030000000000010004000000000000000000000000000000000004000000000000012a05010000000000000001000000fe020000000102020000000100020001020100000000f202000000000000000000000001000000";

    fn bitmap(values: &[u64]) -> RoaringTreemap {
        values.iter().copied().collect()
    }

    #[test]
    fn java_bytes_read_and_write_the_same() {
        let bytes = hex::decode(GOLDEN).unwrap();
        let expected = bitmap(&[1, 2, 5_000_000_000]);
        assert_eq!(decode(&bytes).unwrap(), expected);
        assert_eq!(hex::encode(encode(&expected).unwrap()), GOLDEN);
        assert_eq!(encode(&bitmap(&[])).unwrap(), [0]);
        assert!(decode(&[0]).unwrap().is_empty());
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let bytes = hex::decode(GOLDEN).unwrap();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                drop(decode(&changed));
            }
        }
    }

    #[test]
    fn every_node_and_container_type_survives() {
        let mut random = StdRng::seed_from_u64(7);
        for ways in [1u64, 4, 5, 16, 17, 48, 49, 256] {
            for shift in [16, 24, 56] {
                let mut expected = RoaringTreemap::new();
                for way in 0..ways {
                    let base = way << shift;
                    match way % 4 {
                        0 => drop(expected.insert_range(base..base + 65_536)),
                        1 => expected.extend((0..5_000).map(|i| base + i * 13)),
                        2 => {
                            expected.extend((0..20).map(|_| base + random.random_range(0..65_536)))
                        }
                        _ => drop(expected.insert(base | 0xffff)),
                    }
                }
                let bytes = encode(&expected).unwrap();
                assert_eq!(decode(&bytes).unwrap(), expected, "{ways} {shift}");
            }
        }
        let mixed: RoaringTreemap = (0..500).map(|_| random.random::<u64>()).collect();
        assert_eq!(decode(&encode(&mixed).unwrap()).unwrap(), mixed);
        assert_eq!(
            decode(&encode(&bitmap(&[u64::MAX])).unwrap()).unwrap(),
            bitmap(&[u64::MAX])
        );
    }
}
