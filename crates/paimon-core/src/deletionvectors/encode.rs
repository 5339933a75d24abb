//! Deletion vectors to the bytes of an index file.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::{DeletionVector, DeletionVectorVersion, FILE_VERSION, MAGIC_32, MAGIC_64};
use crate::error::{Error, Result};
use crate::spec::DeletionVectorMeta;

/// Bitmaps of 2^32 rows that a vector may span: keys are written without gaps.
const BITMAPS_MAX: u32 = 1024;

/// A whole index file with `vectors` (data file name, vector) in the given order, and their ranges.
///
/// # Errors
/// `InvalidInput` when a position does not fit the version, `ResourceExhausted` when the file passes 2 GiB.
pub fn encode_deletion_vectors(
    vectors: Vec<(String, DeletionVector)>,
    version: DeletionVectorVersion,
) -> Result<(Vec<u8>, Vec<DeletionVectorMeta>)> {
    let mut file = vec![FILE_VERSION];
    let mut metas = Vec::with_capacity(vectors.len());
    for (data_file_name, mut vector) in vectors {
        let cardinality = file_number(vector.cardinality())?;
        vector.positions.optimize();
        let data = match version {
            DeletionVectorVersion::V1 => data_32(&vector.positions),
            DeletionVectorVersion::V2 => data_64(&vector.positions),
        }
        .map_err(|e| e.with("data_file", &data_file_name))?;
        let offset = range_number(file.len())?;
        file.extend_from_slice(&range_number(data.len())?.to_be_bytes());
        file.extend_from_slice(&data);
        file.extend_from_slice(&crc32fast::hash(&data).to_be_bytes());
        let length = match version {
            DeletionVectorVersion::V1 => data.len(),
            DeletionVectorVersion::V2 => data.len() + 8,
        };
        metas.push(DeletionVectorMeta {
            data_file_name,
            offset,
            length: range_number(length)?,
            cardinality: Some(cardinality),
        });
    }
    range_number(file.len())?;
    Ok((file, metas))
}

fn range_number(bytes: usize) -> Result<i32> {
    i32::try_from(bytes).map_err(|_| {
        Error::new(
            crate::ErrorKind::ResourceExhausted,
            format!("deletion vector file would pass 2 GiB ({bytes} bytes)"),
        )
    })
}

fn file_number(cardinality: u64) -> Result<i64> {
    i64::try_from(cardinality)
        .map_err(|_| Error::invalid(format!("deletion vector of {cardinality} rows")))
}

fn data_32(positions: &RoaringTreemap) -> Result<Vec<u8>> {
    let limit = u64::from(i32::MAX.cast_unsigned());
    if let Some(last) = positions.max()
        && last > limit
    {
        return Err(Error::invalid(format!(
            "row {last} does not fit a 32-bit deletion vector, the largest is {limit}; \
             set deletion-vectors.bitmap64"
        )));
    }
    let mut data = MAGIC_32.to_be_bytes().to_vec();
    match positions.bitmaps().next() {
        Some((_, bitmap)) => write_bitmap(bitmap, &mut data)?,
        None => write_bitmap(&RoaringBitmap::new(), &mut data)?,
    }
    Ok(data)
}

fn data_64(positions: &RoaringTreemap) -> Result<Vec<u8>> {
    let count = positions
        .bitmaps()
        .map(|(key, _)| key.saturating_add(1))
        .max();
    let count = count.unwrap_or(0);
    if count > BITMAPS_MAX {
        return Err(Error::invalid(format!(
            "deletion vector spans {count} times 2^32 rows, at most {BITMAPS_MAX} are supported"
        )));
    }
    let mut data = MAGIC_64.to_le_bytes().to_vec();
    data.extend_from_slice(&u64::from(count).to_le_bytes());
    let mut next = 0;
    for (key, bitmap) in positions.bitmaps() {
        // Java expects the keys without gaps
        for missing in next..key {
            data.extend_from_slice(&missing.to_le_bytes());
            write_bitmap(&RoaringBitmap::new(), &mut data)?;
        }
        data.extend_from_slice(&key.to_le_bytes());
        write_bitmap(bitmap, &mut data)?;
        next = key + 1;
    }
    Ok(data)
}

fn write_bitmap(bitmap: &RoaringBitmap, out: &mut Vec<u8>) -> Result<()> {
    bitmap
        .serialize_into(out)
        .map_err(|e| Error::internal("cannot serialise a deletion vector").with_source(e))
}
