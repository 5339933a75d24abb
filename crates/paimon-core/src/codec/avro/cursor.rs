//! Reads Avro values one after another out of a block.

use bytes::Bytes;

use super::AvroType;
use crate::error::{Error, Result};

/// A position in the uncompressed bytes of a block or header.
///
/// Every read checks the bytes that remain and fails with `Damaged` when there are too few.
pub struct Cursor<'a> {
    block: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub fn new(block: &'a Bytes) -> Self {
        Self { block, at: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.block.len() - self.at
    }

    /// Next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.at.checked_add(n) {
            Some(end) if end <= self.block.len() => {
                let bytes = &self.block[self.at..end];
                self.at = end;
                Ok(bytes)
            }
            _ => Err(short(n, self.remaining())),
        }
    }

    /// A `long` (an `int` has the same encoding).
    #[inline]
    pub fn long(&mut self) -> Result<i64> {
        let Some(&first) = self.block.get(self.at) else {
            return Err(short(1, 0));
        };
        if first < 0x80 {
            self.at += 1;
            return Ok(unzigzag(u64::from(first)));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<i64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.block.get(self.at) else {
                return Err(short(1, 0));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(unzigzag(value));
            }
        }
        Err(Error::damaged(
            "Avro integer has more than 10 bytes, at most 10 are allowed",
        ))
    }

    /// An `int`.
    #[inline]
    pub fn int(&mut self) -> Result<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| {
            Error::damaged(format!(
                "Avro int must have 32 bits, found the value {value}"
            ))
        })
    }

    /// Length of a `string` or `bytes` value, which fits the bytes that remain.
    #[inline]
    fn length(&mut self) -> Result<usize> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(n) if n <= self.remaining() => Ok(n),
            _ => Err(Error::damaged(format!(
                "Avro value has length {length}, {} bytes remain",
                self.remaining()
            ))),
        }
    }

    /// A `bytes` value, sharing the block's memory.
    #[inline]
    pub fn bytes(&mut self) -> Result<Bytes> {
        let n = self.length()?;
        let bytes = self.block.slice(self.at..self.at + n);
        self.at += n;
        Ok(bytes)
    }

    /// A `bytes` or `string` value, unchecked.
    #[inline]
    pub fn raw(&mut self) -> Result<&'a [u8]> {
        let n = self.length()?;
        self.take(n)
    }

    /// A `string`.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str> {
        let raw = self.raw()?;
        std::str::from_utf8(raw)
            .map_err(|e| Error::damaged("Avro string must be UTF-8").with_source(e))
    }

    /// A `boolean`.
    pub fn boolean(&mut self) -> Result<bool> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            other => Err(Error::damaged(format!(
                "Avro boolean must be 0 or 1, found {other:?}"
            ))),
        }
    }

    /// A `float`.
    pub fn float(&mut self) -> Result<f32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(f32::from_le_bytes(bytes))
    }

    /// A `double`.
    pub fn double(&mut self) -> Result<f64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(bytes))
    }

    /// Branch of a `["null", T]` union: true when a value follows.
    #[inline]
    pub fn non_null(&mut self) -> Result<bool> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            branch => Err(Error::damaged(format!(
                "branch of an optional Avro value must be 0 or 1, found {branch}"
            ))),
        }
    }

    /// Item count of the next block of an `array` or `map`; 0 ends it.
    ///
    /// Never more than the bytes that remain: every item takes at least one.
    #[inline]
    pub fn items(&mut self) -> Result<usize> {
        let count = self.long()?;
        if count < 0 {
            self.length()?;
        }
        match usize::try_from(count.unsigned_abs()) {
            Ok(n) if n <= self.remaining() => Ok(n),
            _ => Err(Error::damaged(format!(
                "Avro array has {count} items, {} bytes remain",
                self.remaining()
            ))),
        }
    }

    /// Skips one value of the given type.
    pub fn skip(&mut self, avro: &AvroType) -> Result<()> {
        match avro {
            AvroType::Null => {}
            AvroType::Boolean => {
                self.take(1)?;
            }
            AvroType::Int(_) | AvroType::Long(_) | AvroType::Enum => {
                self.long()?;
            }
            AvroType::Float => {
                self.take(4)?;
            }
            AvroType::Double => {
                self.take(8)?;
            }
            AvroType::Bytes(_) | AvroType::String => {
                self.raw()?;
            }
            AvroType::Fixed(n, _) => {
                self.take(*n)?;
            }
            AvroType::Record(record) => {
                for field in &record.fields {
                    self.skip(&field.avro)?;
                }
            }
            AvroType::Union(branches) => {
                let branch = self.long()?;
                let chosen = usize::try_from(branch).ok().and_then(|i| branches.get(i));
                let Some(chosen) = chosen else {
                    return Err(Error::damaged(format!(
                        "Avro union has {} branches, found branch {branch}",
                        branches.len()
                    )));
                };
                self.skip(chosen)?;
            }
            AvroType::Array(item) => self.skip_items(|cursor| cursor.skip(item))?,
            AvroType::Map(value) => self.skip_items(|cursor| {
                cursor.raw()?;
                cursor.skip(value)
            })?,
        }
        Ok(())
    }

    fn skip_items(&mut self, skip_item: impl Fn(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block carries its length: jump over it.
                let n = self.length()?;
                self.take(n)?;
                continue;
            }
            for _ in 0..count {
                skip_item(self)?;
            }
        }
    }
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cold]
fn short(wanted: usize, remaining: usize) -> Error {
    Error::damaged(format!(
        "Avro data ends inside a value: {wanted} bytes expected, {remaining} remain"
    ))
}
