//! Curves through a space of several dimensions. Source: `ZOrderByteUtils.interleaveBits`, `HilbertIndexer`.

/// Bits of a coordinate on a Hilbert curve.
pub(super) const HILBERT_BITS: u32 = 63;

/// Appends the bits of `columns` to `out`, the first of each, then the second of each, and so on; columns that are
/// shorter drop out at their end. `out` grows by as many bytes as the columns have together.
pub(super) fn interleave(columns: &[&[u8]], out: &mut Vec<u8>) {
    let longest = columns.iter().map(|c| c.len()).max().unwrap_or(0);
    let mut byte = 0u8;
    let mut filled = 0;
    for at in 0..longest {
        for shift in (0..8).rev() {
            for column in columns {
                let Some(value) = column.get(at) else {
                    continue;
                };
                byte = (byte << 1) | ((value >> shift) & 1);
                filled += 1;
                if filled == 8 {
                    out.push(byte);
                    (byte, filled) = (0, 0);
                }
            }
        }
    }
}

/// Turns a point, whose coordinates have `bits` bits each, into its distance along the Hilbert curve. The distance is
/// spread over the coordinates: interleaved, from the uppermost bits on, they are that number (John Skilling,
/// "Programming the Hilbert curve", 2004).
pub(super) fn hilbert(point: &mut [u64], bits: u32) {
    let Some(top) = bits.checked_sub(1).and_then(|b| 1u64.checked_shl(b)) else {
        return;
    };
    let Some(last) = point.len().checked_sub(1) else {
        return;
    };
    let mut bit = top;
    while bit > 1 {
        let below = bit - 1;
        for i in 0..=last {
            if point[i] & bit == 0 {
                let swapped = (point[0] ^ point[i]) & below;
                point[0] ^= swapped;
                point[i] ^= swapped;
            } else {
                point[0] ^= below;
            }
        }
        bit >>= 1;
    }
    for i in 1..=last {
        point[i] ^= point[i - 1];
    }
    let mut flips = 0;
    let mut bit = top;
    while bit > 1 {
        if point[last] & bit != 0 {
            flips ^= bit - 1;
        }
        bit >>= 1;
    }
    for coordinate in point {
        *coordinate ^= flips;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Bit by bit, as text.
    fn naive(columns: &[Vec<u8>]) -> Vec<u8> {
        let texts: Vec<Vec<char>> = columns
            .iter()
            .map(|c| {
                c.iter()
                    .flat_map(|b| format!("{b:08b}").chars().collect::<Vec<_>>())
                    .collect()
            })
            .collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut all = String::new();
        for i in 0..longest {
            all.extend(texts.iter().filter_map(|t| t.get(i)));
        }
        let bytes = all.as_bytes().chunks(8);
        bytes
            .map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap())
            .collect()
    }

    #[test]
    fn bits_are_interleaved_as_by_hand() {
        let mut out = Vec::new();
        interleave(&[&[0b1111_0000], &[0b1010_1010]], &mut out);
        assert_eq!(out, [0b1110_1110, 0b0100_0100]);
        let seed = 71;
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..300 {
            let columns: Vec<Vec<u8>> = (0..random.random_range(0..6))
                .map(|_| {
                    (0..random.random_range(0..12))
                        .map(|_| random.random())
                        .collect()
                })
                .collect();
            let slices: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
            let mut out = Vec::new();
            interleave(&slices, &mut out);
            assert_eq!(out, naive(&columns), "seed {seed}: {columns:?}");
        }
    }

    fn distance(point: &[u64], bits: u32) -> u128 {
        let mut point = point.to_vec();
        hilbert(&mut point, bits);
        let mut out = 0;
        for bit in (0..bits).rev() {
            for coordinate in &point {
                out = (out << 1) | u128::from((coordinate >> bit) & 1);
            }
        }
        out
    }

    #[test]
    fn the_hilbert_curve_visits_every_point_once_in_steps_of_one() {
        for (dimensions, bits) in [(1u32, 5u32), (2, 1), (2, 4), (3, 3), (4, 2), (5, 2)] {
            let side = 1u64 << bits;
            let count = side.pow(dimensions);
            let mut points: Vec<(u128, Vec<u64>)> = (0..count)
                .map(|mut n| {
                    let mut point = Vec::new();
                    for _ in 0..dimensions {
                        point.push(n % side);
                        n /= side;
                    }
                    (distance(&point, bits), point)
                })
                .collect();
            points.sort();
            for (i, (distance, _)) in points.iter().enumerate() {
                assert_eq!(*distance, i as u128, "{dimensions} {bits}");
            }
            for pair in points.windows(2) {
                let step: u64 = pair[0]
                    .1
                    .iter()
                    .zip(&pair[1].1)
                    .map(|(a, b)| a.abs_diff(*b))
                    .sum();
                assert_eq!(step, 1, "{dimensions} {bits}: {pair:?}");
            }
        }
    }

    #[test]
    fn points_without_dimensions_or_bits_stay() {
        hilbert(&mut [], 63);
        let mut point = [5, 6];
        hilbert(&mut point, 0);
        assert_eq!(point, [5, 6]);
    }
}
