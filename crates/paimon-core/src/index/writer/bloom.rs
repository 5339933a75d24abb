//! Builds a bloom filter: `i32 k | bit set`. Source: `BloomFilterFileIndex.Writer`, `BloomFilter64`.

use twox_hash::XxHash64;

use super::super::bloom_filter::fast_hash;
use super::values::{Value, double_bits, float_bits};
use crate::error::{Error, Result};
use crate::options::parse_i64;

const ITEMS: i64 = 1_000_000;
const FALSE_POSITIVES: f64 = 0.1;

#[derive(Debug)]
pub(super) struct BloomWriter {
    hash_functions: i32,
    bit_count: i32,
    bits: Vec<u8>,
}

impl BloomWriter {
    pub fn new<'a>(option: &dyn Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let items = option("items").map_or(Ok(ITEMS), parse_i64)?;
        let wrong = |what: &str| Error::invalid(format!("bloom filter: {what}"));
        if items <= 0 {
            return Err(wrong("`items` must be positive"));
        }
        let rate = match option("fpp") {
            None => FALSE_POSITIVES,
            Some(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|f| *f > 0.0 && *f < 1.0)
                .ok_or_else(|| wrong("`fpp` must be between 0 and 1"))?,
        };
        let (bit_count, hash_functions) =
            size(items, rate).ok_or_else(|| wrong("`items` is too large"))?;
        Ok(Self {
            hash_functions,
            bits: vec![0; usize::try_from(bit_count / 8).unwrap_or(0)],
            bit_count,
        })
    }

    pub fn add(&mut self, value: Option<Value<'_>>) {
        let hash = match value {
            None => return,
            Some(Value::Number(v)) => fast_hash(v),
            Some(Value::Float(v)) => fast_hash(i64::from(float_bits(v))),
            Some(Value::Double(v)) => fast_hash(double_bits(v)),
            Some(Value::Bytes(v)) => XxHash64::oneshot(0, v).cast_signed(),
        };
        let [b0, b1, b2, b3, b4, b5, b6, b7] = hash.to_le_bytes();
        let low = i32::from_le_bytes([b0, b1, b2, b3]);
        let high = i32::from_le_bytes([b4, b5, b6, b7]);
        for i in 1..=self.hash_functions {
            let combined = low.wrapping_add(i.wrapping_mul(high));
            let combined = if combined < 0 { !combined } else { combined };
            let bit = combined % self.bit_count;
            let byte = usize::try_from(bit >> 3).ok();
            if let Some(byte) = byte.and_then(|at| self.bits.get_mut(at)) {
                *byte |= 1 << (bit & 7);
            }
        }
    }

    pub fn finish(self) -> Vec<u8> {
        let mut out = self.hash_functions.to_be_bytes().to_vec();
        out.extend_from_slice(&self.bits);
        out
    }
}

/// Bits (a multiple of 8) and hash functions for a number of values.
#[allow(
    clippy::cast_possible_truncation,
    reason = "checked against the range before"
)]
fn size(items: i64, rate: f64) -> Option<(i32, i32)> {
    let ln2 = std::f64::consts::LN_2;
    let items = items as f64;
    let wanted = -items * rate.ln() / (ln2 * ln2);
    if !(1.0..2_000_000_000.0).contains(&wanted) {
        return None;
    }
    let wanted = wanted as i32;
    let bits = wanted + (8 - wanted % 8);
    let functions = (f64::from(bits) / items * ln2).round().max(1.0);
    Some((bits, functions as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_javas() {
        assert_eq!(size(10, 0.1), Some((48, 3)));
        assert_eq!(size(1_000_000, 0.1), Some((4_792_536, 3)));
        assert_eq!(size(i64::MAX, 0.1), None);
        assert!(BloomWriter::new(&|name| (name == "items").then_some("0")).is_err());
        assert!(BloomWriter::new(&|name| (name == "fpp").then_some("1.5")).is_err());
    }
}
