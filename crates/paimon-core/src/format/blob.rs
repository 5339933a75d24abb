//! `.blob` files: the values of one BLOB column.
//!
//! ```text
//! entries   { i32 LE magic 1481511375 | value | i64 LE length of the entry | i32 LE crc32 of all before it }*
//! index     per row: zigzag varint, difference of the entry's length to that of the row before; length -1 is null
//! end       i32 LE bytes of the index | u8 version 1
//! ```
//!
//! A null has no entry. Java class: `BlobFormatReader`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::StreamExt;

use super::{BatchStream, FileReadRequest, POSITION_COLUMN};
use crate::arrow_bridge::arrow_field;
use crate::error::{Error, Result};
use crate::io::InputFile;
use crate::spec::DataField;

const MAGIC: [u8; 4] = 1_481_511_375i32.to_le_bytes();
const VERSION: u8 = 1;
/// Magic, length and checksum of an entry.
const FRAME_BYTES: u64 = 16;
/// Index length and version.
const END_BYTES: u64 = 5;
const INDEX_BYTES_MAX: u64 = 256 * 1024 * 1024;
const FIRST_READ_BYTES: u64 = 64 * 1024;
/// A batch takes no more rows once its values have this many bytes.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a `.blob` file.
///
/// Batches of one `BinaryView` column, named as the one requested field, with at most `batch_size` rows in file order;
/// a batch ends early when its values are large. Then the position column if asked for. Only entries of wanted rows
/// are fetched. The predicate is ignored.
///
/// # Errors
/// `InvalidInput` unless exactly one BLOB or binary column is requested; `Damaged` for a file that breaks the format,
/// has another row count than the selection or fails a checksum; `Io` when the store fails.
///
/// # Cancel safety
/// Dropping the future or the stream ends outstanding requests.
pub async fn read_blob(request: FileReadRequest) -> Result<BatchStream> {
    let location = request.file.location();
    let reader = BlobReader::open(request)
        .await
        .map_err(|e| e.with_default("path", &location))?;
    let batches = futures::stream::try_unfold(reader, |mut reader| async move {
        let batch = reader.next().await?;
        Ok(batch.map(|batch| (batch, reader)))
    });
    Ok(batches
        .map(move |b| b.map_err(|e: Error| e.with_default("path", &location)))
        .boxed())
}

struct BlobReader {
    file: InputFile,
    schema: SchemaRef,
    field: DataField,
    with_position: bool,
    batch_size: usize,
    /// Wanted rows that are left: position and entry, `None` for null.
    rows: std::vec::IntoIter<(u64, Option<Range<u64>>)>,
}

impl BlobReader {
    async fn open(request: FileReadRequest) -> Result<Self> {
        let [field] = request.fields.as_slice() else {
            return Err(Error::invalid(format!(
                "a blob file holds one column, {} were requested",
                request.fields.len()
            )));
        };
        if field.data_type.kind.is_nested() {
            return Err(Error::unsupported(format!(
                "BLOBs inside of {} are not read",
                field.data_type.kind
            ))
            .with("column", &field.name));
        }
        if !field.data_type.kind.is_binary() {
            return Err(
                Error::invalid("a blob file holds a BLOB column").with("column", &field.name)
            );
        }
        let entries = read_index(&request.file).await?;
        if let Some(selection) = &request.selection
            && selection.rows() != entries.len()
        {
            return Err(Error::damaged(format!(
                "file must have {} rows, found {}",
                selection.rows(),
                entries.len()
            )));
        }
        let wanted = |row: usize| {
            let position = row as u64;
            request
                .selection
                .as_ref()
                .is_none_or(|s| s.bits().value(row))
                && request
                    .row_range
                    .as_ref()
                    .is_none_or(|r| r.contains(&position))
        };
        let rows: Vec<_> = entries
            .into_iter()
            .enumerate()
            .filter(|(row, _)| wanted(*row))
            .map(|(row, entry)| (row as u64, entry))
            .collect();
        let mut fields = vec![arrow_field(field)];
        if request.with_position {
            fields.push(Field::new(POSITION_COLUMN, ArrowType::Int64, false));
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            field: field.clone(),
            with_position: request.with_position,
            batch_size: request.batch_size.max(1),
            rows: rows.into_iter(),
            file: request.file,
        })
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let rest = self.rows.as_slice();
        let mut bytes = 0u64;
        let mut count = 0;
        while count < rest.len().min(self.batch_size) && (count == 0 || bytes < BATCH_BYTES) {
            bytes += rest[count].1.as_ref().map_or(0, |r| r.end - r.start);
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        let rows: Vec<_> = self.rows.by_ref().take(count).collect();
        let ranges: Vec<_> = rows.iter().filter_map(|(_, entry)| entry.clone()).collect();
        let mut entries = self.file.read_ranges(&ranges).await?.into_iter();
        let mut values = BinaryViewBuilder::with_capacity(count);
        for (row, entry) in &rows {
            match entry.as_ref().and_then(|_| entries.next()) {
                Some(entry) => append(&mut values, entry).map_err(|e| e.with("row", row))?,
                None if !self.field.data_type.nullable => {
                    return Err(Error::damaged("NOT NULL column holds nulls")
                        .with("column", &self.field.name));
                }
                None => values.append_null(),
            }
        }
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(values.finish())];
        if self.with_position {
            let positions: Vec<i64> = rows
                .iter()
                .map(|(row, _)| i64::try_from(*row).unwrap_or(i64::MAX))
                .collect();
            arrays.push(Arc::new(Int64Array::from(positions)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        Ok(Some(batch))
    }
}

/// Checks the frame of an entry and appends its value without copying it.
fn append(values: &mut BinaryViewBuilder, entry: Bytes) -> Result<()> {
    let parts = entry
        .split_last_chunk::<4>()
        .and_then(|(framed, crc)| Some((framed, crc, framed.split_last_chunk::<8>()?)));
    let Some((framed, crc, (rest, length))) = parts else {
        return Err(Error::damaged("blob entry is shorter than its frame"));
    };
    if !rest.starts_with(&MAGIC) || u64::from_le_bytes(*length) != entry.len() as u64 {
        return Err(Error::damaged(format!(
            "blob entry must start with magic {MAGIC:02x?} and end with its length {}, found {:02x?} and {}",
            entry.len(),
            &rest[..rest.len().min(4)],
            u64::from_le_bytes(*length)
        )));
    }
    let found = crc32fast::hash(framed);
    if found != u32::from_le_bytes(*crc) {
        return Err(Error::damaged(format!(
            "blob entry must have CRC-32 {:08x}, found {found:08x}",
            u32::from_le_bytes(*crc)
        )));
    }
    let value = entry.slice(MAGIC.len()..rest.len());
    let Ok(length) = u32::try_from(value.len()) else {
        return Err(Error::unsupported(format!(
            "blob value of {} bytes: at most 4 GiB are supported",
            value.len()
        )));
    };
    let block = values.append_block(Buffer::from(value));
    values.try_append_view(block, 0, length)?;
    Ok(())
}

/// The entry of every row; `None` for null.
async fn read_index(file: &InputFile) -> Result<Vec<Option<Range<u64>>>> {
    let size = file.size();
    if size < END_BYTES {
        return Err(Error::damaged(format!(
            "blob file must have at least {END_BYTES} bytes, found {size}"
        )));
    }
    let first = size.min(FIRST_READ_BYTES);
    let tail = file.read_range(size - first..size).await?;
    let Some((rest, &[a, b, c, d, version])) = tail.split_last_chunk::<5>() else {
        return Err(Error::damaged("blob file is cut"));
    };
    if version != VERSION {
        return Err(Error::unsupported(format!(
            "blob file must have version {VERSION}, found {version}"
        )));
    }
    let index_bytes = i32::from_le_bytes([a, b, c, d]);
    let end = size - END_BYTES;
    let index_bytes = u64::try_from(index_bytes)
        .ok()
        .filter(|&n| n <= end.min(INDEX_BYTES_MAX))
        .ok_or_else(|| {
            Error::damaged(format!(
                "blob index must have 0 to {} bytes, found {index_bytes}",
                end.min(INDEX_BYTES_MAX)
            ))
        })?;
    match rest
        .len()
        .checked_sub(usize::try_from(index_bytes).unwrap_or(usize::MAX))
    {
        Some(start) => parse_index(&rest[start..], end - index_bytes),
        None => {
            let index = file.read_range(end - index_bytes..end).await?;
            parse_index(&index, end - index_bytes)
        }
    }
}

/// Entries lie one after the other and fill the `end` bytes before the index.
fn parse_index(mut index: &[u8], end: u64) -> Result<Vec<Option<Range<u64>>>> {
    let mut entries = Vec::new();
    let mut start = 0u64;
    let mut length = 0i64;
    while !index.is_empty() {
        let next = varint(&mut index).and_then(|delta| length.checked_add(delta));
        length = next.ok_or_else(|| Error::damaged("blob index is not a list of varints"))?;
        if length == -1 {
            entries.push(None);
            continue;
        }
        let stop = u64::try_from(length)
            .ok()
            .filter(|&n| n >= FRAME_BYTES)
            .and_then(|n| start.checked_add(n))
            .filter(|&n| n <= end);
        let Some(stop) = stop else {
            return Err(Error::damaged(format!(
                "blob entry must have -1 or {FRAME_BYTES} to {} bytes, found {length}",
                end - start
            ))
            .with("row", entries.len()));
        };
        entries.push(Some(start..stop));
        start = stop;
    }
    if start != end {
        return Err(Error::damaged(format!(
            "blob entries must fill {end} bytes, found {start}"
        )));
    }
    Ok(entries)
}

fn varint(data: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;
    use crate::error::ErrorKind;
    use crate::io::FileIo;
    use crate::spec::{DataType, TypeKind};

    /// Written by Java: 00112233, null and an empty value.
    const JAVA: &str = "cf114e58001122331400000000000000\
        8b3e7dffcf114e581000000000000000537f df03282922 03000000 01";

    fn java() -> Vec<u8> {
        hex::decode(JAVA.replace(' ', "")).unwrap()
    }

    async fn read(bytes: Vec<u8>, range: Option<Range<u64>>) -> Result<Vec<RecordBatch>> {
        let store = Arc::new(InMemory::new());
        let size = bytes.len() as u64;
        store
            .put(&Path::from("f.blob"), bytes.into())
            .await
            .unwrap();
        let io = FileIo::with_store(store, "memory://");
        let request = FileReadRequest {
            file: io.input("memory:///f.blob", size).unwrap(),
            fields: vec![DataField::new(2, "b", DataType::nullable(TypeKind::Blob))],
            selection: None,
            row_range: range,
            predicate: None,
            batch_size: 2,
            step_bytes: crate::format::DEFAULT_STEP_BYTES,
            with_position: true,
        };
        read_blob(request).await?.try_collect().await
    }

    #[tokio::test]
    async fn values_of_java_come_out_with_their_positions() {
        let batches = read(java(), None).await.unwrap();
        assert_eq!(batches.len(), 2);
        let first = batches[0]["b"].as_binary_view();
        assert_eq!(first.value(0), [0x00, 0x11, 0x22, 0x33]);
        assert!(first.is_null(1));
        assert_eq!(batches[1]["b"].as_binary_view().value(0), b"");
        let positions = batches[1][POSITION_COLUMN].as_primitive::<Int64Type>();
        assert_eq!(positions.value(0), 2);
        let batches = read(java(), Some(2..9)).await.unwrap();
        assert_eq!(batches[0]["b"].as_binary_view().value(0), b"");
    }

    #[tokio::test]
    async fn every_flipped_byte_is_noticed() {
        let bytes = java();
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x10;
            let kind = read(broken, None).await.expect_err("broken").kind();
            assert!(
                matches!(kind, ErrorKind::Damaged | ErrorKind::Unsupported),
                "byte {at}"
            );
        }
        for length in 0..bytes.len() {
            let cut = bytes[..length].to_vec();
            assert!(read(cut, None).await.is_err(), "{length} bytes");
        }
    }
}
