//! Builds a bitmap index, version 2. Source: `BitmapFileIndex.Writer`, `BitmapFileIndexMetaV2`.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::super::key::KeyType;
use super::bytes::put_int;
use super::values::{StoredKey, Value};
use crate::error::{Error, Result};
use crate::options::parse_bytes;

const VERSION: u8 = 2;
const BLOCK_BYTES: u64 = 16 << 10;

/// First key, number of entries, entries.
type Block = (Vec<u8>, usize, Vec<u8>);

#[derive(Debug)]
pub(super) struct BitmapWriter {
    key_type: KeyType,
    block_bytes: usize,
    values: BTreeMap<StoredKey, RoaringBitmap>,
    nulls: RoaringBitmap,
}

impl BitmapWriter {
    pub fn new<'a>(key_type: KeyType, option: &dyn Fn(&str) -> Option<&'a str>) -> Result<Self> {
        if option("version").is_some_and(|v| v.trim() != "2") {
            return Err(Error::unsupported(
                "bitmap indexes are written in version 2 only",
            ));
        }
        let bytes = option("index-block-size").map_or(Ok(BLOCK_BYTES), parse_bytes)?;
        Ok(Self {
            key_type,
            block_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            values: BTreeMap::new(),
            nulls: RoaringBitmap::new(),
        })
    }

    pub fn add(&mut self, row: u32, value: Option<Value<'_>>) {
        match value {
            None => self.nulls.insert(row),
            Some(value) => self
                .values
                .entry(StoredKey::of(value))
                .or_default()
                .insert(row),
        };
    }

    pub fn finish(self, rows: u32) -> Result<Vec<u8>> {
        let mut out = vec![VERSION];
        put_int(&mut out, usize::try_from(rows).unwrap_or(usize::MAX))?;
        put_int(&mut out, self.values.len())?;
        out.push(u8::from(!self.nulls.is_empty()));
        let mut body = Vec::new();
        if !self.nulls.is_empty() {
            let bytes = serialize(self.nulls.clone())?;
            match single(&self.nulls) {
                Some(offset) => out.extend_from_slice(&offset.to_be_bytes()),
                None => {
                    put_int(&mut out, 0)?;
                    body.extend_from_slice(&bytes);
                }
            }
            put_int(&mut out, bytes.len())?;
        }
        let blocks = self.blocks(&mut body)?;
        put_int(&mut out, blocks.len())?;
        let mut offset = 0;
        for (first, _, entries) in &blocks {
            out.extend_from_slice(first);
            put_int(&mut out, offset)?;
            offset += 4 + entries.len();
        }
        put_int(&mut out, offset)?;
        for (_, count, entries) in &blocks {
            put_int(&mut out, *count)?;
            out.extend_from_slice(entries);
        }
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The blocks; bitmaps are appended to `body`.
    fn blocks(self, body: &mut Vec<u8>) -> Result<Vec<Block>> {
        let mut blocks: Vec<Block> = Vec::new();
        for (key, rows) in self.values {
            let mut entry = Vec::new();
            key.put(self.key_type, &mut entry);
            let encoded_key = entry.clone();
            match single(&rows) {
                Some(offset) => {
                    entry.extend_from_slice(&offset.to_be_bytes());
                    entry.extend_from_slice(&(-1i32).to_be_bytes());
                }
                None => {
                    let bytes = serialize(rows)?;
                    put_int(&mut entry, body.len())?;
                    put_int(&mut entry, bytes.len())?;
                    body.extend_from_slice(&bytes);
                }
            }
            match blocks.last_mut() {
                Some((_, count, entries))
                    if 4 + entries.len() + entry.len() <= self.block_bytes =>
                {
                    *count += 1;
                    entries.extend_from_slice(&entry);
                }
                _ => blocks.push((encoded_key, 1, entry)),
            }
        }
        Ok(blocks)
    }
}

/// Offset that stands for a bitmap of one row.
fn single(rows: &RoaringBitmap) -> Option<i32> {
    let row = rows.min().filter(|_| rows.len() == 1)?;
    i32::try_from(row).ok().map(|row| -1 - row)
}

/// Portable form, with runs where they are shorter.
pub(super) fn serialize(mut rows: RoaringBitmap) -> Result<Vec<u8>> {
    rows.optimize();
    let mut out = Vec::with_capacity(rows.serialized_size());
    rows.serialize_into(&mut out)
        .map_err(|e| Error::internal("encoding a bitmap failed").with_source(e))?;
    Ok(out)
}
