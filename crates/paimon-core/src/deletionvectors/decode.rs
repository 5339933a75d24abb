//! Deletion vectors from the bytes of an index file.

use std::ops::Range;

use bytes::Bytes;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::{DeletionVector, DeletionVectorVersion, MAGIC_32, MAGIC_64};
use crate::error::{Error, Result};
use crate::spec::DeletionVectorMeta;

/// Bytes around the data of a vector: size field and checksum.
const FRAME: u64 = 8;

/// Byte range to fetch from the index file of `file_size` bytes for one vector.
///
/// The stored length leaves the frame out in the 32-bit layout and includes it in the 64-bit one, and only the bytes
/// tell which it is: the range covers both and may reach 8 bytes into the next vector.
///
/// # Errors
/// `Damaged` when the vector does not lie in the file.
pub fn read_range_of(meta: &DeletionVectorMeta, file_size: u64) -> Result<Range<u64>> {
    let outside = || {
        Error::damaged(format!(
            "deletion vector at offset {} with length {} does not lie in its file of {file_size} bytes",
            meta.offset, meta.length
        ))
        .with("data_file", &meta.data_file_name)
    };
    let offset = u64::try_from(meta.offset).map_err(|_| outside())?;
    let length = u64::try_from(meta.length).map_err(|_| outside())?;
    if offset + length > file_size {
        return Err(outside());
    }
    Ok(offset..(offset + length + FRAME).min(file_size))
}

/// Decodes one vector from `bytes`, which start at its size field (see [`read_range_of`]); bytes after its checksum
/// are ignored. `path` is the index file, for errors.
///
/// # Errors
/// `Damaged` when size, checksum, bitmap or the cardinality of `meta` disagree.
pub fn decode_deletion_vector(
    bytes: &Bytes,
    meta: &DeletionVectorMeta,
    path: &str,
) -> Result<DeletionVector> {
    decode(bytes, meta).map_err(|e| {
        e.with_default("path", path)
            .with_default("data_file", &meta.data_file_name)
            .with_default("offset", meta.offset)
    })
}

fn decode(bytes: &[u8], meta: &DeletionVectorMeta) -> Result<DeletionVector> {
    let data = checked_data(bytes)?;
    let (magic, payload) = data
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::damaged("deletion vector is shorter than its magic number"))?;
    let version = if u32::from_be_bytes(*magic) == MAGIC_32 {
        DeletionVectorVersion::V1
    } else if u32::from_le_bytes(*magic) == MAGIC_64 {
        DeletionVectorVersion::V2
    } else {
        return Err(Error::damaged(format!(
            "deletion vector has magic number {}, expected {MAGIC_32} or {MAGIC_64}",
            u32::from_be_bytes(*magic)
        )));
    };
    let framing = match version {
        DeletionVectorVersion::V1 => 0,
        DeletionVectorVersion::V2 => 8,
    };
    if usize::try_from(meta.length).ok() != data.len().checked_add(framing) {
        return Err(Error::damaged(format!(
            "deletion vector has {} bytes of data, the index manifest says length {}",
            data.len(),
            meta.length
        )));
    }
    let positions = match version {
        DeletionVectorVersion::V1 => RoaringTreemap::from_bitmaps([(0, whole_bitmap(payload)?)]),
        DeletionVectorVersion::V2 => treemap(payload)?,
    };
    if let Some(expected) = meta.cardinality
        && u64::try_from(expected) != Ok(positions.len())
    {
        return Err(Error::damaged(format!(
            "deletion vector deletes {} rows, the index manifest says {expected}",
            positions.len()
        )));
    }
    Ok(DeletionVector { positions })
}

/// The data between size field and checksum.
fn checked_data(bytes: &[u8]) -> Result<&[u8]> {
    let (size, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::damaged("deletion vector is cut before its size field"))?;
    let size = i32::from_be_bytes(*size);
    let cut = || {
        Error::damaged(format!(
            "deletion vector says {size} bytes of data, {} bytes remain for data and checksum",
            rest.len()
        ))
    };
    let (data, rest) = usize::try_from(size)
        .ok()
        .and_then(|size| rest.split_at_checked(size))
        .ok_or_else(cut)?;
    let expected = u32::from_be_bytes(*rest.first_chunk::<4>().ok_or_else(cut)?);
    let found = crc32fast::hash(data);
    if expected != found {
        return Err(Error::damaged(format!(
            "deletion vector has checksum {found:#010x}, the file says {expected:#010x}"
        )));
    }
    Ok(data)
}

fn whole_bitmap(mut bytes: &[u8]) -> Result<RoaringBitmap> {
    let bitmap = next_bitmap(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(left_over(bytes));
    }
    Ok(bitmap)
}

fn left_over(bytes: &[u8]) -> Error {
    Error::damaged(format!(
        "deletion vector has {} bytes after its bitmap",
        bytes.len()
    ))
}

fn next_bitmap(bytes: &mut &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes)
        .map_err(|e| Error::damaged("deletion vector holds a broken bitmap").with_source(e))
}

fn treemap(bytes: &[u8]) -> Result<RoaringTreemap> {
    let cut = || Error::damaged("64-bit deletion vector is cut");
    let (count, mut rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let count = i64::from_le_bytes(*count);
    let mut bitmaps: Vec<(u32, RoaringBitmap)> = Vec::new();
    for _ in 0..count.max(0) {
        let (key, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let key = u32::from_le_bytes(*key);
        rest = after;
        if bitmaps.last().is_some_and(|(last, _)| *last >= key) {
            return Err(Error::damaged(format!(
                "64-bit deletion vector has key {key} out of order"
            )));
        }
        bitmaps.push((key, next_bitmap(&mut rest)?));
    }
    if count < 0 {
        return Err(Error::damaged(format!(
            "64-bit deletion vector says {count} bitmaps"
        )));
    }
    if !rest.is_empty() {
        return Err(left_over(rest));
    }
    bitmaps.retain(|(_, bitmap)| !bitmap.is_empty());
    Ok(RoaringTreemap::from_bitmaps(bitmaps))
}
