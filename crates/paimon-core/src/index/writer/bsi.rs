//! Builds a bit-slice index. Source: `BitSliceIndexBitmapFileIndex.Writer`, `BitSliceIndexRoaringBitmap.Appender`.

use roaring::RoaringBitmap;

use super::bitmap::serialize;
use super::bytes::put_int;
use super::values::Value;
use crate::error::Result;

const VERSION: u8 = 1;

#[derive(Debug, Default)]
pub(super) struct BsiWriter {
    positive: Half,
    negative: Half,
}

/// Magnitudes of one sign, one bitmap per binary digit.
#[derive(Debug, Default)]
struct Half {
    rows: RoaringBitmap,
    slices: Vec<RoaringBitmap>,
    max: u64,
}

impl BsiWriter {
    pub fn add(&mut self, row: u32, value: Option<Value<'_>>) {
        let Some(Value::Number(v)) = value else {
            return;
        };
        let half = if v < 0 {
            &mut self.negative
        } else {
            &mut self.positive
        };
        half.add(row, v.unsigned_abs());
    }

    pub fn finish(self, rows: u32) -> Result<Vec<u8>> {
        let mut out = vec![VERSION];
        put_int(&mut out, usize::try_from(rows).unwrap_or(usize::MAX))?;
        for half in [self.positive, self.negative] {
            out.push(u8::from(!half.rows.is_empty()));
            if !half.rows.is_empty() {
                half.put(&mut out)?;
            }
        }
        Ok(out)
    }
}

impl Half {
    fn add(&mut self, row: u32, magnitude: u64) {
        self.rows.insert(row);
        self.max = self.max.max(magnitude);
        let digits = usize::try_from(64 - magnitude.leading_zeros()).unwrap_or(64);
        if self.slices.len() < digits {
            self.slices.resize_with(digits, RoaringBitmap::new);
        }
        for (digit, slice) in self.slices.iter_mut().enumerate() {
            if magnitude >> digit & 1 == 1 {
                slice.insert(row);
            }
        }
    }

    fn put(mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.slices.is_empty() {
            // only zeros
            self.slices.push(RoaringBitmap::new());
        }
        out.push(VERSION);
        out.extend_from_slice(&0i64.to_be_bytes());
        out.extend_from_slice(&self.max.to_be_bytes());
        out.extend_from_slice(&serialize(self.rows)?);
        put_int(out, self.slices.len())?;
        for slice in self.slices {
            out.extend_from_slice(&serialize(slice)?);
        }
        Ok(())
    }
}
