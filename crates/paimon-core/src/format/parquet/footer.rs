//! Reading and checking a file's footer.
//!
//! ```text
//! "PAR1" | column chunks ... | page indexes | metadata (Thrift) | length u32 LE | "PAR1"
//! ```

use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FooterTail, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataPushDecoder, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::schema::types::SchemaDescriptor;

use super::columns::physical;
use crate::error::{Error, ErrorKind, Result};
use crate::io::InputFile;

/// Metadata larger than this is refused.
const METADATA_MAX_BYTES: u64 = 64 << 20;
/// Bytes of the first read at the end of the file: holds the whole footer of most files.
const TAIL_BYTES: u64 = 64 << 10;
/// Length and magic at the very end.
const TRAILER_BYTES: u64 = 8;
/// Page indexes larger than this are not loaded.
const PAGE_INDEX_MAX_BYTES: u64 = 64 << 20;

/// Which page indexes to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageIndexes {
    /// Where pages lie and which rows they hold.
    Offsets,
    /// The same with minimum, maximum and null count of each page.
    OffsetsAndColumns,
}

/// A parsed footer whose offsets, lengths and counts fit the file.
#[derive(Debug)]
pub(super) struct Footer {
    metadata: Arc<ParquetMetaData>,
    /// By leaf column: whether it is INT96 in the file (FIXED_LEN_BYTE_ARRAY(12) in `metadata`).
    int96: Vec<bool>,
    rows: u64,
}

impl Footer {
    /// Reads the footer with one request, two when it is longer than usual.
    pub(super) async fn read(file: &InputFile) -> Result<Self> {
        let size = file.size();
        if size < TRAILER_BYTES + 4 {
            return Err(Error::damaged(format!(
                "a Parquet file has at least 12 bytes, found {size}"
            )));
        }
        let tail = file
            .read_range(size.saturating_sub(TAIL_BYTES)..size)
            .await?;
        let length = metadata_length(&tail, size)?;
        let wanted = length + TRAILER_BYTES;
        let tail = if wanted > tail.len() as u64 {
            file.read_range(size - wanted..size).await?
        } else {
            tail
        };
        let start = tail
            .len()
            .checked_sub(usize::try_from(wanted).unwrap_or(usize::MAX));
        let end = tail.len() - 8;
        let bytes = start.and_then(|s| tail.get(s..end)).unwrap_or_default();
        Self::parse(bytes, size - wanted)
    }

    /// Parses the Thrift metadata; `data_end` is where it begins in the file.
    fn parse(bytes: &[u8], data_end: u64) -> Result<Self> {
        guarded("footer", || {
            let schema = ParquetMetaDataReader::decode_schema(bytes)?;
            let int96 = physical::int96_leaves(&schema);
            let schema = match physical::readable(schema.root_schema())? {
                Some(root) => Arc::new(SchemaDescriptor::new(root)),
                None => schema,
            };
            let options = ParquetMetaDataOptions::new().with_schema(schema);
            let metadata =
                ParquetMetaDataReader::decode_metadata_with_options(bytes, Some(&options))?;
            Ok((metadata, int96))
        })
        .and_then(|(metadata, int96)| Self::checked(metadata, int96, data_end))
    }

    fn checked(metadata: ParquetMetaData, int96: Vec<bool>, data_end: u64) -> Result<Self> {
        let mut rows = 0u64;
        for (i, group) in metadata.row_groups().iter().enumerate() {
            let count = check_row_group(group, data_end).map_err(|e| e.with("row_group", i))?;
            rows = rows
                .checked_add(count)
                .ok_or_else(|| Error::damaged("row groups have more than 2^64 rows"))?;
        }
        if u64::try_from(metadata.file_metadata().num_rows()).ok() != Some(rows) {
            return Err(Error::damaged(format!(
                "row groups have {rows} rows, the footer says {}",
                metadata.file_metadata().num_rows()
            )));
        }
        Ok(Self {
            metadata: Arc::new(metadata),
            int96,
            rows,
        })
    }

    /// The same footer with page indexes, where the file has them.
    pub(super) async fn load_pages(&self, file: &InputFile, indexes: PageIndexes) -> Result<Self> {
        let metadata = ParquetMetaData::clone(&self.metadata);
        let columns = match indexes {
            PageIndexes::Offsets => PageIndexPolicy::Skip,
            PageIndexes::OffsetsAndColumns => PageIndexPolicy::Optional,
        };
        let mut decoder = guarded("page index", || {
            Ok(
                ParquetMetaDataPushDecoder::try_new_with_metadata(file.size(), metadata)?
                    .with_offset_index_policy(PageIndexPolicy::Optional)
                    .with_column_index_policy(columns),
            )
        })?;
        loop {
            match guarded("page index", || decoder.try_decode())? {
                DecodeResult::Data(metadata) => {
                    return Ok(Self {
                        metadata: Arc::new(without_broken_offsets(metadata)),
                        int96: self.int96.clone(),
                        rows: self.rows,
                    });
                }
                DecodeResult::NeedsData(ranges) => {
                    check_index_ranges(&ranges, file.size())?;
                    let bytes = file.read_ranges(&ranges).await?;
                    guarded("page index", || decoder.push_ranges(ranges, bytes))?;
                }
                DecodeResult::Finished => {
                    return Err(Error::internal("page index decoder finished without data"));
                }
            }
        }
    }

    /// The metadata.
    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// Rows of the file.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether a leaf column is INT96 in the file.
    pub(super) fn is_int96(&self, leaf: usize) -> bool {
        self.int96.get(leaf).copied().unwrap_or(false)
    }

    /// Bytes in memory.
    pub(super) fn memory_size(&self) -> usize {
        self.metadata.memory_size() + self.int96.len()
    }
}

/// Rows of one row group as a `u64`.
pub(super) fn group_rows(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0)
}

fn metadata_length(tail: &Bytes, size: u64) -> Result<u64> {
    let trailer = tail
        .len()
        .checked_sub(8)
        .and_then(|start| tail.get(start..))
        .and_then(|t| <&[u8; 8]>::try_from(t).ok())
        .ok_or_else(|| Error::internal("footer tail is shorter than eight bytes"))?;
    let trailer = FooterTail::try_new(trailer)
        .map_err(|e| damaged("a Parquet file ends with PAR1, found something else", e))?;
    if trailer.is_encrypted_footer() {
        return Err(Error::unsupported(
            "encrypted Parquet files are not supported",
        ));
    }
    let length = trailer.metadata_length() as u64;
    if length > METADATA_MAX_BYTES {
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("footer has {length} bytes, at most {METADATA_MAX_BYTES} are accepted"),
        ));
    }
    if length + TRAILER_BYTES + 4 > size {
        return Err(Error::damaged(format!(
            "footer of {length} bytes does not fit into a file of {size} bytes"
        )));
    }
    Ok(length)
}

fn check_row_group(group: &RowGroupMetaData, data_end: u64) -> Result<u64> {
    let rows = u64::try_from(group.num_rows())
        .map_err(|_| Error::damaged(format!("row count is negative: {}", group.num_rows())))?;
    for column in group.columns() {
        let start = column
            .dictionary_page_offset()
            .unwrap_or_else(|| column.data_page_offset());
        let end = u64::try_from(start)
            .ok()
            .zip(u64::try_from(column.compressed_size()).ok());
        let fits = end
            .and_then(|(start, length)| start.checked_add(length))
            .is_some_and(|end| end <= data_end);
        if !fits || column.data_page_offset() < 0 || column.file_path().is_some() {
            return Err(Error::damaged(format!(
                "column chunk of {} bytes at {start} is not within the {data_end} bytes of data",
                column.compressed_size()
            ))
            .with("column", column.column_path()));
        }
        let flat = column.column_descr().max_rep_level() == 0;
        if flat && column.num_values() != group.num_rows() {
            return Err(Error::damaged(format!(
                "column chunk has {} values, its row group {rows} rows",
                column.num_values()
            ))
            .with("column", column.column_path()));
        }
    }
    Ok(rows)
}

fn check_index_ranges(ranges: &[std::ops::Range<u64>], size: u64) -> Result<()> {
    for range in ranges {
        let length = range.end.saturating_sub(range.start);
        if range.start > range.end || range.end > size || length > PAGE_INDEX_MAX_BYTES {
            return Err(Error::damaged(format!(
                "page index at {}..{} is not within a file of {size} bytes",
                range.start, range.end
            )));
        }
    }
    Ok(())
}

/// Drops the page indexes when any page lies outside its column chunk or rows do not ascend.
fn without_broken_offsets(metadata: ParquetMetaData) -> ParquetMetaData {
    let sound = metadata.offset_index().is_none_or(|index| {
        index.len() == metadata.num_row_groups()
            && metadata
                .row_groups()
                .iter()
                .zip(index)
                .all(|(group, columns)| {
                    columns.len() == group.num_columns()
                        && group
                            .columns()
                            .iter()
                            .zip(columns)
                            .all(|(chunk, pages)| super::pages::is_sound(group, chunk, pages))
                })
    });
    if sound {
        return metadata;
    }
    metadata
        .into_builder()
        .set_column_index(None)
        .set_offset_index(None)
        .build()
}

/// A Parquet library error as damage of the file.
pub(super) fn damaged(message: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::damaged(message).with_source(other),
        },
        other => Error::damaged(message).with_source(other),
    }
}

/// Runs a step of the Parquet library on bytes we do not trust: its errors and its panics are damage of the file.
pub(super) fn guarded<T>(
    what: &'static str,
    step: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(damaged(&format!("cannot read the {what}"), e)),
        Err(_) => Err(Error::damaged(format!(
            "cannot read the {what}: the decoder stopped at inconsistent bytes"
        ))),
    }
}
