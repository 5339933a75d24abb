//! Builds a range bitmap: a dictionary and the bit slices of the ranks. Source: `RangeBitmap.Appender`,
//! `ChunkedDictionary.Appender`, `BitSliceIndexBitmap.Appender`.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::super::key::KeyType;
use super::bitmap::serialize;
use super::bytes::put_int;
use super::values::{StoredKey, Value};
use crate::error::Result;
use crate::options::parse_bytes;

const VERSION: u8 = 1;
const CHUNK_BYTES: u64 = 16 << 10;

#[derive(Debug)]
pub(super) struct RangeWriter {
    key_type: KeyType,
    chunk_bytes: usize,
    values: BTreeMap<StoredKey, RoaringBitmap>,
}

impl RangeWriter {
    pub fn new<'a>(key_type: KeyType, option: &dyn Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let bytes = option("chunk-size").map_or(Ok(CHUNK_BYTES), parse_bytes)?;
        // keys this narrow stand in the head of their chunk only
        let narrow = matches!(key_type, KeyType::Boolean | KeyType::Byte | KeyType::Short);
        Ok(Self {
            key_type,
            chunk_bytes: if narrow {
                0
            } else {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            },
            values: BTreeMap::new(),
        })
    }

    pub fn add(&mut self, row: u32, value: Option<Value<'_>>) {
        if let Some(value) = value {
            let rows = self.values.entry(StoredKey::of(value)).or_default();
            rows.insert(row);
        }
    }

    pub fn finish(self, rows: u32) -> Result<Vec<u8>> {
        let mut head = vec![VERSION];
        put_int(&mut head, usize::try_from(rows).unwrap_or(usize::MAX))?;
        put_int(&mut head, self.values.len())?;
        if let (Some((min, _)), Some((max, _))) =
            (self.values.first_key_value(), self.values.last_key_value())
        {
            min.put(self.key_type, &mut head);
            max.put(self.key_type, &mut head);
        }
        let dictionary = self.dictionary()?;
        put_int(&mut head, dictionary.len())?;
        let mut out = Vec::new();
        put_int(&mut out, head.len())?;
        out.extend_from_slice(&head);
        out.extend_from_slice(&dictionary);
        put_slices(&mut out, self.values)?;
        Ok(out)
    }

    fn dictionary(&self) -> Result<Vec<u8>> {
        let (mut offsets, mut chunks, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut open: Option<Chunk> = None;
        let mut count = 0usize;
        for (code, key) in self.values.keys().enumerate() {
            let mut encoded = Vec::new();
            key.put(self.key_type, &mut encoded);
            if let Some(chunk) = &mut open
                && chunk.try_add(&encoded, self.chunk_bytes)?
            {
                continue;
            }
            if let Some(full) = open.take() {
                full.close(self.key_type, &mut offsets, &mut chunks, &mut keys)?;
            }
            count += 1;
            open = Some(Chunk::new(code, encoded, self.key_type));
        }
        if let Some(last) = open {
            last.close(self.key_type, &mut offsets, &mut chunks, &mut keys)?;
        }
        let mut out = Vec::new();
        put_int(&mut out, 13)?;
        out.push(VERSION);
        put_int(&mut out, count)?;
        put_int(&mut out, offsets.len())?;
        put_int(&mut out, chunks.len())?;
        out.extend_from_slice(&offsets);
        out.extend_from_slice(&chunks);
        out.extend_from_slice(&keys);
        Ok(out)
    }
}

/// Keys of consecutive codes.
struct Chunk {
    code: usize,
    first: Vec<u8>,
    size: usize,
    /// Start of every key in `keys`; text only.
    offsets: Option<Vec<u8>>,
    keys: Vec<u8>,
}

impl Chunk {
    fn new(code: usize, first: Vec<u8>, key_type: KeyType) -> Self {
        Self {
            code,
            first,
            size: 0,
            offsets: (key_type == KeyType::Text).then(Vec::new),
            keys: Vec::new(),
        }
    }

    /// Takes a key unless the chunk is full.
    fn try_add(&mut self, key: &[u8], limit: usize) -> Result<bool> {
        let held = self.keys.len() + self.offsets.as_ref().map_or(0, Vec::len);
        let more = key.len() + if self.offsets.is_some() { 4 } else { 0 };
        if held + more > limit {
            return Ok(false);
        }
        if let Some(offsets) = &mut self.offsets {
            put_int(offsets, self.keys.len())?;
        }
        self.keys.extend_from_slice(key);
        self.size += 1;
        Ok(true)
    }

    fn close(
        self,
        key_type: KeyType,
        offsets: &mut Vec<u8>,
        chunks: &mut Vec<u8>,
        keys: &mut Vec<u8>,
    ) -> Result<()> {
        put_int(offsets, chunks.len())?;
        chunks.push(VERSION);
        chunks.extend_from_slice(&self.first);
        put_int(chunks, self.code)?;
        put_int(chunks, keys.len())?;
        put_int(chunks, self.size)?;
        match &self.offsets {
            Some(own) => {
                put_int(chunks, own.len())?;
                put_int(chunks, self.keys.len())?;
                keys.extend_from_slice(own);
            }
            None => {
                put_int(chunks, self.keys.len())?;
                put_int(chunks, key_type.width())?;
            }
        }
        keys.extend_from_slice(&self.keys);
        Ok(())
    }
}

fn put_slices(out: &mut Vec<u8>, values: BTreeMap<StoredKey, RoaringBitmap>) -> Result<()> {
    // without values the largest code is -1, of which all 64 digits count
    let digits = match values.len() {
        0 => 64,
        n => usize::BITS - (n - 1).leading_zeros(),
    };
    let mut slices = vec![RoaringBitmap::new(); usize::try_from(digits.max(1)).unwrap_or(64)];
    let mut existing = RoaringBitmap::new();
    for (code, rows) in values.into_values().enumerate() {
        for (digit, slice) in slices.iter_mut().enumerate() {
            if code >> digit & 1 == 1 {
                *slice |= &rows;
            }
        }
        existing |= rows;
    }
    let existing = serialize(existing)?;
    let slices = slices
        .into_iter()
        .map(serialize)
        .collect::<Result<Vec<_>>>()?;
    let mut head = vec![VERSION, u8::try_from(slices.len()).unwrap_or(64)];
    put_int(&mut head, existing.len())?;
    put_int(&mut head, slices.len() * 8)?;
    let mut offset = 0;
    for slice in &slices {
        put_int(&mut head, offset)?;
        put_int(&mut head, slice.len())?;
        offset += slice.len();
    }
    put_int(out, head.len())?;
    out.extend_from_slice(&head);
    out.extend_from_slice(&existing);
    slices.iter().for_each(|slice| out.extend_from_slice(slice));
    Ok(())
}
