//! Managed BLOBs of primary-key tables: their data files hold descriptors, packs in the same folder the values.
//!
//! ```text
//! u8 version 2 | i64 LE magic "BLOBDESC" | i32 LE bytes of the URI | URI | i64 LE offset | i64 LE length
//! ```
//!
//! Source: `BlobDescriptor`, `PrimaryKeyBlobExternalizer`. A table may have been moved since: of the URI only the names
//! of the pack and of its folder count.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch};
use futures::{StreamExt, TryStreamExt};

use super::scan::FileScan;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::io::{FileIo, checked_name};
use crate::read::split::is_side_file;
use crate::spec::{DataField, DataType, TypeKind};

const VERSION: u8 = 2;
const MAGIC: &[u8; 8] = b"CSEDBOLB";
/// Ends the name of a pack.
const PACK_SUFFIX: &str = ".managed.blob";
/// Values of a batch, bytes: a longer one is cut.
const BATCH_BYTES: u64 = 16 << 20;

/// Whether a file holds values that descriptors in data files point to.
pub(crate) fn is_pack(name: &str) -> bool {
    name.ends_with(PACK_SUFFIX)
}

/// Puts values in the place of descriptors.
#[derive(Debug, Clone)]
pub(super) struct ManagedBlobs {
    io: FileIo,
    /// Folder of the data file.
    folder: String,
    /// Positions of the BLOB columns.
    columns: Vec<usize>,
}

/// Where a value lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Descriptor {
    pack: String,
    range: Range<u64>,
}

/// Rows of a batch, and per BLOB column what its values point to.
struct Piece {
    batch: RecordBatch,
    descriptors: Vec<Vec<Option<Descriptor>>>,
}

impl ManagedBlobs {
    /// For the columns of a scan; `None` where they hold no managed BLOBs.
    ///
    /// # Errors
    /// `Unsupported` for BLOBs inside of other types.
    pub(super) fn of(scan: &FileScan) -> Result<Option<Self>> {
        let keyed = !scan.table.schema().primary_keys.is_empty();
        if !keyed || is_side_file(&scan.file.meta.file_name) {
            return Ok(None);
        }
        let fields = scan.fields.iter();
        if let Some(field) = fields.clone().find(|f| holds_blobs(&f.data_type)) {
            return Err(nested(field));
        }
        let is_blob = |f: &&DataField| matches!(f.data_type.kind, TypeKind::Blob);
        let columns: Vec<usize> = fields
            .enumerate()
            .filter(|(_, f)| is_blob(f))
            .map(|(i, _)| i)
            .collect();
        let folder = scan.file.path.rsplit_once('/').map_or("", |(f, _)| f);
        Ok((!columns.is_empty()).then(|| Self {
            io: scan.table.io().clone(),
            folder: folder.to_string(),
            columns,
        }))
    }

    /// The same rows with values; a batch whose values are large comes in several.
    pub(super) fn resolve(self, stream: BatchStream) -> BatchStream {
        let blobs = Arc::new(self);
        stream
            .map(move |batch| {
                let pieces = blobs.pieces(&batch?)?;
                let blobs = Arc::clone(&blobs);
                let values = futures::stream::iter(pieces).then(move |piece| {
                    let blobs = Arc::clone(&blobs);
                    async move { blobs.fetched(piece).await }
                });
                Ok::<_, Error>(values)
            })
            .try_flatten()
            .boxed()
    }

    fn pieces(&self, batch: &RecordBatch) -> Result<Vec<Piece>> {
        let mut of_columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            of_columns.push(self.descriptors(binaries(batch.column(*column))?)?);
        }
        let bytes = |row: usize| -> u64 {
            let ranges = of_columns.iter().filter_map(|c| c[row].as_ref());
            ranges.map(|d| d.range.end - d.range.start).sum()
        };
        let mut pieces = Vec::new();
        let (mut start, mut size) = (0, 0u64);
        for row in 0..batch.num_rows() {
            size = size.saturating_add(bytes(row));
            if size >= BATCH_BYTES || row + 1 == batch.num_rows() {
                let rows = start..row + 1;
                pieces.push(Piece {
                    batch: batch.slice(start, rows.len()),
                    descriptors: of_columns
                        .iter()
                        .map(|c| c[rows.clone()].to_vec())
                        .collect(),
                });
                (start, size) = (row + 1, 0);
            }
        }
        Ok(pieces)
    }

    fn descriptors(&self, column: &BinaryViewArray) -> Result<Vec<Option<Descriptor>>> {
        let folder = self.folder.rsplit('/').next().unwrap_or_default();
        column
            .iter()
            .map(|value| match value.filter(|v| is_descriptor(v)) {
                Some(value) => parse(value, folder),
                None => Ok(None),
            })
            .collect()
    }

    async fn fetched(&self, piece: Piece) -> Result<RecordBatch> {
        let mut columns = piece.batch.columns().to_vec();
        for (column, descriptors) in self.columns.iter().zip(&piece.descriptors) {
            if descriptors.iter().any(Option::is_some) {
                columns[*column] = self.values(&columns[*column], descriptors).await?;
            }
        }
        Ok(RecordBatch::try_new(piece.batch.schema(), columns)?)
    }

    async fn values(
        &self,
        column: &ArrayRef,
        descriptors: &[Option<Descriptor>],
    ) -> Result<ArrayRef> {
        let mut packs: BTreeMap<&str, Vec<(usize, Range<u64>)>> = BTreeMap::new();
        for (row, descriptor) in descriptors.iter().enumerate() {
            if let Some(d) = descriptor {
                let rows = packs.entry(&d.pack).or_default();
                rows.push((row, d.range.clone()));
            }
        }
        let mut fetched = vec![None; descriptors.len()];
        for (pack, rows) in packs {
            let location = format!("{}/{pack}", self.folder);
            let file = self.io.open(&location).await?;
            if rows.iter().any(|(_, range)| range.end > file.size()) {
                return Err(
                    Error::damaged("a BLOB ends behind the end of its file").with("path", location)
                );
            }
            let ranges: Vec<_> = rows.iter().map(|(_, range)| range.clone()).collect();
            for ((row, _), bytes) in rows.iter().zip(file.read_ranges(&ranges).await?) {
                fetched[*row] = Some(bytes);
            }
        }
        let mut values = BinaryViewBuilder::with_capacity(fetched.len());
        for (own, fetched) in binaries(column)?.iter().zip(&fetched) {
            values.append_option(fetched.as_deref().or(own));
        }
        Ok(Arc::new(values.finish()))
    }
}

fn binaries(column: &ArrayRef) -> Result<&BinaryViewArray> {
    let values = column.as_any().downcast_ref();
    values.ok_or_else(|| Error::internal("a BLOB column is no column of bytes"))
}

fn holds_blobs(data_type: &DataType) -> bool {
    let is_or_holds = |t: &DataType| t.kind == TypeKind::Blob || holds_blobs(t);
    match &data_type.kind {
        TypeKind::Array(element) | TypeKind::Multiset(element) => is_or_holds(element),
        TypeKind::Map(key, value) => is_or_holds(key) || is_or_holds(value),
        TypeKind::Row(fields) => fields.iter().any(|f| is_or_holds(&f.data_type)),
        _ => false,
    }
}

fn nested(field: &DataField) -> Error {
    Error::unsupported(format!(
        "BLOBs inside of {} of tables with primary key are not read",
        field.data_type.kind
    ))
    .with("column", &field.name)
}

fn is_descriptor(value: &[u8]) -> bool {
    value.first() == Some(&VERSION) && value.get(1..9) == Some(MAGIC)
}

/// What a descriptor points to; `None` for a file that is no pack. Packs lie in the folder of the data file.
fn parse(value: &[u8], folder: &str) -> Result<Option<Descriptor>> {
    let broken = || Error::damaged("a BLOB descriptor is broken");
    let length = value.get(9..13).and_then(|b| b.try_into().ok());
    let length = length.map(i32::from_le_bytes).ok_or_else(broken)?;
    let end = usize::try_from(length)
        .map_err(|_| broken())?
        .saturating_add(13);
    let uri = value.get(13..end).and_then(|b| std::str::from_utf8(b).ok());
    let uri = uri.ok_or_else(broken)?;
    let [offset, bytes] = [end, end.saturating_add(8)].map(|at| {
        let number = value.get(at..at.saturating_add(8))?;
        u64::try_from(i64::from_le_bytes(number.try_into().ok()?)).ok()
    });
    let (offset, bytes) = offset.zip(bytes).ok_or_else(broken)?;
    let mut names = uri.rsplit('/');
    let (pack, beside) = (names.next().unwrap_or_default(), names.next());
    if !is_pack(pack) {
        return Ok(None);
    }
    if beside != Some(folder) {
        return Err(Error::unsupported(format!(
            "a BLOB of a row in {folder} lies in {}",
            beside.unwrap_or("another folder")
        )));
    }
    Ok(Some(Descriptor {
        pack: checked_name(pack)?.to_string(),
        range: offset..offset.checked_add(bytes).ok_or_else(broken)?,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn descriptor(uri: &str, offset: i64, length: i64) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(MAGIC);
        bytes.extend(i32::try_from(uri.len()).unwrap().to_le_bytes());
        bytes.extend(uri.as_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes
    }

    #[test]
    fn descriptors_point_into_packs_beside_the_data_file() {
        let uri = "file:/old/t/bucket-0/data-x-0.managed.blob";
        let bytes = descriptor(uri, 4, 7);
        assert!(is_descriptor(&bytes));
        let found = parse(&bytes, "bucket-0").unwrap().unwrap();
        assert_eq!(
            (found.pack.as_str(), found.range),
            ("data-x-0.managed.blob", 4..11)
        );
        assert!(parse(&bytes, "bucket-1").is_err());
        let other = descriptor("s3://b/picture.png", 0, 7);
        assert_eq!(parse(&other, "bucket-0").unwrap(), None);
        assert!(!is_descriptor(b"BLOBDESC"));
    }

    #[test]
    fn broken_descriptors_are_errors() {
        let uri = "bucket-0/data-x-0.managed.blob";
        let whole = descriptor(uri, 4, 7);
        for length in 9..whole.len() {
            assert!(parse(&whole[..length], "bucket-0").is_err(), "{length}");
        }
        for (offset, length) in [(-1, 7), (4, -7), (i64::MAX, i64::MAX)] {
            let far = parse(&descriptor(uri, offset, length), "bucket-0");
            assert!(far.is_err() || far.unwrap().unwrap().range.end > u64::from(u32::MAX));
        }
        assert!(parse(&descriptor("bucket-0/..\\x.managed.blob", 0, 1), "bucket-0").is_err());
    }

    #[test]
    fn batches_of_large_values_come_in_pieces() {
        let blobs = ManagedBlobs {
            io: FileIo::for_location("memory:///t").unwrap(),
            folder: "memory:///t/bucket-0".into(),
            columns: vec![0],
        };
        let uri = "bucket-0/data-x-0.managed.blob";
        let value = descriptor(uri, 0, i64::try_from(BATCH_BYTES / 2).unwrap());
        let values = [
            Some(value.as_slice()),
            None,
            Some(&value),
            Some(&value),
            Some(b"own"),
        ];
        let column: ArrayRef = Arc::new(BinaryViewArray::from_iter(values));
        let batch = RecordBatch::try_from_iter([("b", column)]).unwrap();
        let pieces = blobs.pieces(&batch).unwrap();
        let rows: Vec<_> = pieces.iter().map(|p| p.batch.num_rows()).collect();
        assert_eq!(rows, [3, 2]);
        assert_eq!(pieces[1].descriptors[0].len(), 2);
        assert!(blobs.pieces(&batch.slice(0, 0)).unwrap().is_empty());
    }

    #[test]
    fn blobs_inside_of_other_types_are_found() {
        let blob = DataType::nullable(TypeKind::Blob);
        let array = DataType::nullable(TypeKind::Array(Box::new(blob.clone())));
        assert!(!holds_blobs(&blob) && holds_blobs(&array));
        let row = TypeKind::Row(vec![DataField::new(1, "a", array)]);
        let field = DataField::new(2, "r", DataType::nullable(row));
        assert!(holds_blobs(&field.data_type));
        assert!(nested(&field).to_string().contains("BLOBs inside of ROW"));
    }
}
