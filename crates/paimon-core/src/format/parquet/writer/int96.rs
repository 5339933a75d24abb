//! TIMESTAMP(7..9) as INT96: 8 bytes little-endian nanoseconds of the day, 4 bytes little-endian Julian day.
//!
//! Nanoseconds of the day are never negative, so that Java releases that refuse negative ones read the files too.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, make_array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType as ArrowType, Field, FieldRef, Fields, TimeUnit};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

use crate::error::{Error, Result};

const BYTES: i32 = 12;
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
/// Julian day number of 1970-01-01.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;

/// The type handed to the column writers: nanosecond timestamps become 12 bytes.
pub(super) fn written_type(data_type: &ArrowType) -> ArrowType {
    match data_type {
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => ArrowType::FixedSizeBinary(BYTES),
        ArrowType::List(f) => ArrowType::List(written_field(f)),
        ArrowType::FixedSizeList(f, n) => ArrowType::FixedSizeList(written_field(f), *n),
        ArrowType::Map(f, sorted) => ArrowType::Map(written_field(f), *sorted),
        ArrowType::Struct(fields) => {
            ArrowType::Struct(fields.iter().map(written_field).collect::<Fields>())
        }
        other => other.clone(),
    }
}

fn written_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(
        field.name(),
        written_type(field.data_type()),
        field.is_nullable(),
    ))
}

/// The array handed to the column writers, of [`written_type`].
///
/// # Errors
/// `Internal` when an array does not fit its own type.
pub(super) fn as_written(array: &ArrayRef) -> Result<ArrayRef> {
    let target = written_type(array.data_type());
    if target == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    if let Some(values) = array.as_primitive_opt::<TimestampNanosecondType>() {
        let mut bytes = Vec::with_capacity(values.len().saturating_mul(12));
        for value in values.values() {
            bytes.extend_from_slice(&int96(*value)?);
        }
        let nulls = values.nulls().cloned();
        let array = FixedSizeBinaryArray::try_new(BYTES, Buffer::from_vec(bytes), nulls)?;
        return Ok(Arc::new(array));
    }
    // Slices are made whole first: the children of a sliced list keep all their rows, which is right for the offsets.
    let data = array.to_data();
    let children = data
        .child_data()
        .iter()
        .map(|child| Ok(as_written(&make_array(child.clone()))?.to_data()))
        .collect::<Result<Vec<_>>>()?;
    let data = data
        .into_builder()
        .data_type(target)
        .child_data(children)
        .build()?;
    Ok(make_array(data))
}

fn int96(nanos: i64) -> Result<[u8; 12]> {
    let day = i32::try_from(nanos.div_euclid(NANOS_PER_DAY) + EPOCH_JULIAN_DAY)
        .map_err(|_| Error::internal("Julian day outside of the INT range"))?;
    let mut out = [0; 12];
    out[..8].copy_from_slice(&nanos.rem_euclid(NANOS_PER_DAY).to_le_bytes());
    out[8..].copy_from_slice(&day.to_le_bytes());
    Ok(out)
}

/// Makes a chunk of 12-byte values one of INT96. Encodings are the same; statistics are left out, INT96 has no order.
pub(super) fn relabel(close: &mut ColumnCloseResult, leaf: &ColumnDescPtr) -> ParquetResult<()> {
    let old = &close.metadata;
    let mut new = ColumnChunkMetaData::builder(Arc::clone(leaf))
        .set_compression_codec(old.compression_codec())
        .set_encodings_mask(*old.encodings_mask())
        .set_total_compressed_size(old.compressed_size())
        .set_total_uncompressed_size(old.uncompressed_size())
        .set_num_values(old.num_values())
        .set_data_page_offset(old.data_page_offset())
        .set_dictionary_page_offset(old.dictionary_page_offset());
    if let Some(levels) = old.repetition_level_histogram() {
        new = new.set_repetition_level_histogram(Some(levels.clone()));
    }
    if let Some(levels) = old.definition_level_histogram() {
        new = new.set_definition_level_histogram(Some(levels.clone()));
    }
    if let Some(stats) = old.page_encoding_stats() {
        new = new.set_page_encoding_stats(stats.clone());
    }
    close.metadata = new.build()?;
    close.column_index = None;
    close.bloom_filter = None;
    Ok(())
}
