//! Counts that the decoder allocates for, checked against the bytes that are there.
//!
//! The decoder takes lengths of lists and maps, and the size of dictionaries, at face value and allocates that many
//! values before it reads them. Here the lengths are summed and compared with how many values the streams of the child
//! can hold at most:
//!
//! | run-length encoding | values per byte, at most |
//! |---|---|
//! | booleans | 520: 8 x 130 in 2 bytes |
//! | bytes | 65: 130 in 2 bytes |
//! | integers | 128: 512 in 4 bytes (delta run of version 2) |

use std::collections::HashMap;

use bytes::Bytes;
use orc_rust::proto::StripeFooter;
use orc_rust::proto::column_encoding::Kind as Encoding;
use orc_rust::proto::stream::Kind as StreamKind;
use orc_rust::proto::r#type::Kind;

use super::block::Codec;
use super::column::Column;
use super::stripe::StripeReader;
use super::tail::to_usize;
use crate::error::{Error, Result};

const BOOLEANS_PER_BYTE: u64 = 520;
const BYTES_PER_BYTE: u64 = 65;
const INTEGERS_PER_BYTE: u64 = 128;
/// A stream of lengths inflates to at most this.
const LENGTHS_BYTES_MAX: u64 = 1 << 30;

/// Checks every list, map and dictionary among the wanted columns.
pub(super) fn check(reader: &StripeReader, footer: &StripeFooter, streams: &[Bytes]) -> Result<()> {
    let streams = Streams {
        codec: reader.codec,
        footer,
        streams: footer
            .streams
            .iter()
            .zip(streams)
            .map(|(s, bytes)| ((s.column(), s.kind.unwrap_or(0)), bytes))
            .collect(),
    };
    for (name, column) in &reader.columns {
        let mut result = Ok(());
        column.visit(&mut |c| {
            if result.is_ok() {
                result = streams.check(c);
            }
        });
        result.map_err(|e: Error| e.with_default("column", name))?;
    }
    Ok(())
}

struct Streams<'a> {
    codec: Codec,
    footer: &'a StripeFooter,
    streams: HashMap<(u32, i32), &'a Bytes>,
}

impl Streams<'_> {
    fn check(&self, column: &Column) -> Result<()> {
        match column.kind {
            Kind::List | Kind::Map => self.check_children(column),
            Kind::String | Kind::Varchar | Kind::Char => self.check_dictionary(column),
            _ => Ok(()),
        }
    }

    fn check_children(&self, column: &Column) -> Result<()> {
        let Some(stored) = self.get(column, StreamKind::Length) else {
            return Ok(());
        };
        let plain = self.codec.inflate(stored, LENGTHS_BYTES_MAX)?;
        let sum = match self.encoding(column)? {
            Encoding::Direct | Encoding::Dictionary => sum_v1(&plain),
            Encoding::DirectV2 | Encoding::DictionaryV2 => sum_v2(&plain),
        };
        let sum =
            sum.ok_or_else(|| Error::damaged("ORC lengths of a list or map are not valid"))?;
        for child in &column.children {
            let most = self.most_values(child);
            if sum > most {
                return Err(Error::damaged(format!(
                    "ORC list or map must have at most {most} elements, found {sum}"
                )));
            }
        }
        Ok(())
    }

    fn check_dictionary(&self, column: &Column) -> Result<()> {
        if !matches!(
            self.encoding(column)?,
            Encoding::Dictionary | Encoding::DictionaryV2
        ) {
            return Ok(());
        }
        let size = self.column_encoding(column)?.dictionary_size();
        let most = self.bytes(column, StreamKind::Length) * INTEGERS_PER_BYTE;
        if u64::from(size) > most {
            return Err(Error::damaged(format!(
                "ORC dictionary must have at most {most} entries, found {size}"
            )));
        }
        Ok(())
    }

    /// Most values, nulls included, that the streams of a column can hold.
    fn most_values(&self, column: &Column) -> u64 {
        let present = self.bytes(column, StreamKind::Present);
        if present > 0 {
            return present.saturating_mul(BOOLEANS_PER_BYTE);
        }
        let (stream, per_byte) = match column.kind {
            Kind::Struct => {
                let children = column.children.iter().map(|c| self.most_values(c));
                return children.min().unwrap_or(0);
            }
            Kind::Boolean => (StreamKind::Data, BOOLEANS_PER_BYTE),
            Kind::Byte => (StreamKind::Data, BYTES_PER_BYTE),
            Kind::List | Kind::Map | Kind::Binary => (StreamKind::Length, INTEGERS_PER_BYTE),
            Kind::String | Kind::Varchar | Kind::Char => match self.encoding(column) {
                Ok(Encoding::Direct | Encoding::DirectV2) => {
                    (StreamKind::Length, INTEGERS_PER_BYTE)
                }
                _ => (StreamKind::Data, INTEGERS_PER_BYTE),
            },
            _ => (StreamKind::Data, INTEGERS_PER_BYTE),
        };
        self.bytes(column, stream).saturating_mul(per_byte)
    }

    fn get(&self, column: &Column, kind: StreamKind) -> Option<&Bytes> {
        self.streams.get(&(column.id, i32::from(kind))).copied()
    }

    /// Most bytes that a stream inflates to.
    fn bytes(&self, column: &Column, kind: StreamKind) -> u64 {
        self.get(column, kind)
            .map_or(0, |stream| self.codec.inflated_bound(stream))
    }

    fn column_encoding(&self, column: &Column) -> Result<&orc_rust::proto::ColumnEncoding> {
        self.footer
            .columns
            .get(to_usize(u64::from(column.id))?)
            .ok_or_else(|| Error::damaged("ORC stripe footer lacks the encoding of a column"))
    }

    fn encoding(&self, column: &Column) -> Result<Encoding> {
        let kind = self.column_encoding(column)?.kind.unwrap_or(0);
        Encoding::try_from(kind)
            .map_err(|_| Error::unsupported(format!("ORC encoding {kind} is not known")))
    }
}

/// Sum of the unsigned integers of a stream in version 1; `None` when the stream is broken.
///
/// A run is `u8 length - 3, i8 delta, varint base` or `i8 -length, varint x length`.
fn sum_v1(mut data: &[u8]) -> Option<u64> {
    let mut sum = 0u64;
    while let Some((&control, rest)) = data.split_first() {
        data = rest;
        if control < 128 {
            let (&delta, rest) = data.split_first()?;
            data = rest;
            let base = i128::from(varint(&mut data)?);
            let delta = i128::from(i8::from_le_bytes([delta]));
            sum = sum.checked_add(sum_of_run(base, delta, u64::from(control) + 3)?)?;
        } else {
            for _ in 0..256 - u16::from(control) {
                sum = sum.checked_add(varint(&mut data)?)?;
            }
        }
    }
    Some(sum)
}

/// Sum of the unsigned integers of a stream in version 2; `None` when the stream is broken.
fn sum_v2(mut data: &[u8]) -> Option<u64> {
    let mut sum = 0u64;
    while let Some((&header, rest)) = data.split_first() {
        data = rest;
        let run = match header >> 6 {
            0 => {
                let width = usize::from((header >> 3) & 7) + 1;
                let value = big_endian(data.get(..width)?);
                data = data.get(width..)?;
                value.checked_mul(u64::from(header & 7) + 3)?
            }
            1 => {
                let (length, width) = length_and_width(header, &mut data)?;
                sum_packed(&mut data, length, width)?
            }
            2 => patched_base(header, &mut data)?,
            _ => delta_run(header, &mut data)?,
        };
        sum = sum.checked_add(run)?;
    }
    Some(sum)
}

/// 9 bits of length - 1 and the code of the width, after the two bits of the kind.
fn length_and_width(header: u8, data: &mut &[u8]) -> Option<(u64, u32)> {
    let (&low, rest) = data.split_first()?;
    *data = rest;
    let length = (u64::from(header & 1) << 8 | u64::from(low)) + 1;
    Some((length, width_of((header >> 1) & 31)))
}

/// Bits of a five-bit width code.
fn width_of(code: u8) -> u32 {
    match code {
        0..=23 => u32::from(code) + 1,
        24 => 26,
        25 => 28,
        26 => 30,
        27 => 32,
        28 => 40,
        29 => 48,
        30 => 56,
        _ => 64,
    }
}

fn patched_base(header: u8, data: &mut &[u8]) -> Option<u64> {
    let (length, width) = length_and_width(header, data)?;
    let [third, fourth] = *data.split_first_chunk::<2>()?.0;
    *data = data.get(2..)?;
    let base_bytes = usize::from(third >> 5) + 1;
    let patch_width = width_of(third & 31);
    let gap_width = u32::from(fourth >> 5) + 1;
    let patches = u64::from(fourth & 31);
    let base = big_endian(data.get(..base_bytes)?);
    let sign = 1u64 << (base_bytes * 8 - 1);
    if base & sign != 0 {
        // a negative base, stored as sign and magnitude: no length
        return None;
    }
    *data = data.get(base_bytes..)?;
    let mut sum = base
        .checked_mul(length)?
        .checked_add(sum_packed(data, length, width)?)?;
    // a patch is gap and bits above the packed width, together at most 64 bits
    let entry_width = closest_width(patch_width + gap_width)?;
    let mut bits = BitReader { data, bit: 0 };
    for _ in 0..patches {
        let entry = bits.take(entry_width)?;
        let mask = 1u64.checked_shl(patch_width).map_or(u64::MAX, |n| n - 1);
        let patch = u128::from(entry & mask).checked_shl(width)?;
        sum = sum.checked_add(u64::try_from(patch).ok()?)?;
    }
    *data = bits.rest()?;
    Some(sum)
}

fn delta_run(header: u8, data: &mut &[u8]) -> Option<u64> {
    let code = (header >> 1) & 31;
    let (length, width) = length_and_width(header, data)?;
    let base = i128::from(varint(data)?);
    let first = i128::from(zigzag(varint(data)?));
    if code == 0 {
        return sum_of_run(base, first, length);
    }
    let mut sum = base;
    if length > 1 {
        let mut value = base + first;
        sum += value;
        let mut bits = BitReader { data, bit: 0 };
        for _ in 2..length {
            let delta = i128::from(bits.take(width)?);
            value += if first < 0 { -delta } else { delta };
            if value < 0 {
                return None;
            }
            sum += value;
        }
        *data = bits.rest()?;
    }
    u64::try_from(sum).ok()
}

/// Sum of `base, base + delta, ..`; `None` when a value is negative or the sum does not fit.
fn sum_of_run(base: i128, delta: i128, length: u64) -> Option<u64> {
    let steps = i128::from(length) - 1;
    let last = base.checked_add(delta.checked_mul(steps)?)?;
    if last < 0 {
        return None;
    }
    let sum = (base + last).checked_mul(i128::from(length))? / 2;
    u64::try_from(sum).ok()
}

fn sum_packed(data: &mut &[u8], length: u64, width: u32) -> Option<u64> {
    let mut bits = BitReader { data, bit: 0 };
    let mut sum = 0u64;
    for _ in 0..length {
        sum = sum.checked_add(bits.take(width)?)?;
    }
    *data = bits.rest()?;
    Some(sum)
}

/// The next width that the format packs with.
fn closest_width(bits: u32) -> Option<u32> {
    (0..32).map(width_of).find(|&width| width >= bits)
}

/// Big-endian integers of any width.
struct BitReader<'a> {
    data: &'a [u8],
    bit: u32,
}

impl<'a> BitReader<'a> {
    fn take(&mut self, width: u32) -> Option<u64> {
        let mut left = width;
        let mut value = 0u64;
        while left > 0 {
            let (&byte, rest) = self.data.split_first()?;
            let here = (8 - self.bit).min(left);
            let part = (byte << self.bit) >> (8 - here);
            value = value.checked_shl(here).unwrap_or(0) | u64::from(part);
            left -= here;
            self.bit += here;
            if self.bit == 8 {
                self.bit = 0;
                self.data = rest;
            }
        }
        Some(value)
    }

    /// What follows, from the next whole byte on.
    fn rest(self) -> Option<&'a [u8]> {
        self.data.get(usize::from(self.bit > 0)..)
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}

fn varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    // the byte examples of the ORC specification
    #[test]
    fn version_1_runs_and_literals_add_up() {
        assert_eq!(sum_v1(&[0x61, 0x00, 0x07]), Some(700));
        assert_eq!(sum_v1(&[0x61, 0xff, 0x64]), Some(5050));
        assert_eq!(sum_v1(&[0xfb, 0x02, 0x03, 0x04, 0x07, 0xb]), Some(27));
        assert_eq!(sum_v1(&[0x61, 0xff, 0x05]), None);
        assert_eq!(sum_v1(&[0xfb, 0x02]), None);
    }

    #[test]
    fn version_2_runs_add_up() {
        assert_eq!(sum_v2(&[0x0a, 0x27, 0x10]), Some(50_000));
        let direct = [0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef];
        assert_eq!(sum_v2(&direct), Some(23_713 + 43_806 + 57_005 + 48_879));
        let delta = [0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46];
        assert_eq!(
            sum_v2(&delta),
            Some(2 + 3 + 5 + 7 + 11 + 13 + 17 + 19 + 23 + 29)
        );
        let patched = [
            0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46,
            0x50, 0x5a, 0x64, 0x6e, 0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8,
        ];
        let values = [
            2030, 2000, 2020, 1_000_000, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120,
            2130, 2140, 2150, 2160, 2170, 2180, 2190,
        ];
        assert_eq!(sum_v2(&patched), Some(values.iter().sum()));
    }

    #[test]
    fn huge_or_cut_lengths_are_refused() {
        assert_eq!(sum_v2(&[0x3a, 0xff]), None);
        let huge = [0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(sum_v2(&huge), None);
        assert_eq!(sum_v2(&[0xc6, 0x09, 0x02]), None);
    }
}
