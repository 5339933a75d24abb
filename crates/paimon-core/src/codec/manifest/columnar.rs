//! Manifests stored as ORC or Parquet, which releases up to 1.4 write with `manifest.format=orc` or `parquet`.
//!
//! They are rare and small: the readers of data files read them, their rows are put into Avro form, fields by name, and
//! decoded like any other.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, ListArray, RecordBatch, StructArray};
use arrow_cast::cast;
use arrow_schema::{DataType as ArrowType, TimeUnit};
use bytes::Bytes;

use super::layout::{self, Field, Shape};
use crate::codec::avro::{Codec, ContainerWriter, put_bytes, put_long};
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, MAX_LENGTH, TypeKind};

/// Which records a file of the `manifest` folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestRecords {
    /// Those of a manifest list.
    Lists,
    /// Those of a manifest.
    Entries,
    /// Those of an index manifest.
    IndexEntries,
}

impl ManifestRecords {
    /// The columns of a file in ORC or Parquet, all of which may be missing in it.
    pub fn columns(self) -> Vec<DataField> {
        columns(self.fields())
    }

    /// The file as Avro, from its columns as [`Self::columns`] names them.
    ///
    /// # Errors
    /// `Damaged` when a required value is missing.
    pub fn to_avro(self, batches: &[RecordBatch]) -> Result<Bytes> {
        let fields = self.fields();
        let mut writer = ContainerWriter::new(layout::avro_schema(fields, true), Codec::Null);
        for batch in batches {
            let record = Values::record(fields, &StructArray::from(batch.clone()))?;
            for row in 0..batch.num_rows() {
                let mut out = Vec::new();
                record.put(&mut out, row)?;
                writer.append(|open| open.extend_from_slice(&out))?;
            }
        }
        writer.finish().map(Bytes::from)
    }

    fn fields(self) -> &'static [Field] {
        match self {
            Self::Lists => &layout::MANIFEST_FILE,
            Self::Entries => &layout::ENTRY,
            Self::IndexEntries => &layout::INDEX_ENTRY,
        }
    }
}

fn columns(fields: &[Field]) -> Vec<DataField> {
    let typed = fields.iter().map(|field| match field.name {
        // ints in Avro, which has nothing smaller
        "_KIND" | "_FILE_SOURCE" => (field.name, DataType::nullable(TypeKind::TinyInt)),
        name => (name, column_type(&field.shape)),
    });
    (0..)
        .zip(typed)
        .map(|(id, (name, data_type))| DataField::new(id, name, data_type))
        .collect()
}

fn column_type(shape: &Shape) -> DataType {
    DataType::nullable(match shape {
        Shape::Int => TypeKind::Int,
        Shape::Long => TypeKind::BigInt,
        Shape::Timestamp => TypeKind::Timestamp(3),
        Shape::Bytes => TypeKind::VarBinary(MAX_LENGTH),
        Shape::String => TypeKind::VarChar(MAX_LENGTH),
        Shape::Record(fields) => TypeKind::Row(columns(fields)),
        Shape::Array(item, _) => TypeKind::Array(Box::new(column_type(item))),
    })
}

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::damaged("manifest in ORC or Parquet cannot be read").with_source(cause)
}

/// A column in the form its Avro encoding needs.
enum Values {
    /// Not in the file.
    Missing,
    Long(Int64Array),
    Bytes(BinaryArray),
    Record(StructArray, Vec<(&'static Field, Values)>),
    /// Items, and whether they are stored as `["null", T]`.
    Array(ListArray, Box<Values>, bool),
}

impl Values {
    fn new(shape: &'static Shape, array: &ArrayRef) -> Result<Self> {
        let mismatch = || {
            Error::damaged(format!(
                "field has the type {}, which Paimon does not give it",
                array.data_type()
            ))
        };
        Ok(match shape {
            Shape::Int | Shape::Long => Self::long(array)?,
            Shape::Timestamp => {
                let millis = ArrowType::Timestamp(TimeUnit::Millisecond, None);
                Self::long(&cast(array, &millis).map_err(unreadable)?)?
            }
            Shape::Bytes | Shape::String => {
                let bytes = cast(array, &ArrowType::Binary).map_err(unreadable)?;
                Self::Bytes(bytes.as_binary::<i32>().clone())
            }
            Shape::Record(fields) => {
                Self::record(fields, array.as_struct_opt().ok_or_else(mismatch)?)?
            }
            Shape::Array(item, optional) => {
                let list = array.as_list_opt::<i32>().ok_or_else(mismatch)?;
                let items = Self::new(item, list.values())?;
                Self::Array(list.clone(), Box::new(items), *optional)
            }
        })
    }

    fn long(array: &ArrayRef) -> Result<Self> {
        let longs = cast(array, &ArrowType::Int64).map_err(unreadable)?;
        Ok(Self::Long(longs.as_primitive::<Int64Type>().clone()))
    }

    fn record(fields: &'static [Field], array: &StructArray) -> Result<Self> {
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let values = match array.column_by_name(field.name) {
                Some(column) => {
                    Self::new(&field.shape, column).map_err(|e| e.with("field", field.name))?
                }
                None => Self::Missing,
            };
            columns.push((field, values));
        }
        Ok(Self::Record(array.clone(), columns))
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Missing => true,
            Self::Long(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Record(array, _) => array.is_null(row),
            Self::Array(array, ..) => array.is_null(row),
        }
    }

    fn put_optional(&self, out: &mut Vec<u8>, row: usize) -> Result<()> {
        let present = !self.is_null(row);
        put_long(out, i64::from(present));
        if present { self.put(out, row) } else { Ok(()) }
    }

    /// Appends the value of a row, which is not null.
    fn put(&self, out: &mut Vec<u8>, row: usize) -> Result<()> {
        if self.is_null(row) {
            return Err(Error::damaged("required value is missing or null"));
        }
        match self {
            Self::Missing => {}
            Self::Long(array) => put_long(out, array.value(row)),
            Self::Bytes(array) => put_bytes(out, array.value(row)),
            Self::Record(_, columns) => {
                for (field, values) in columns {
                    if field.optional {
                        values.put_optional(out, row)?;
                    } else {
                        values
                            .put(out, row)
                            .map_err(|e| e.with("field", field.name))?;
                    }
                }
            }
            Self::Array(array, items, optional) => {
                let (Some(&start), Some(&end)) =
                    (array.offsets().get(row), array.offsets().get(row + 1))
                else {
                    return Err(Error::internal("row is outside its column"));
                };
                let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
                if !range.is_empty() {
                    put_long(out, i64::try_from(range.len()).unwrap_or(i64::MAX));
                }
                for item in range {
                    if *optional {
                        items.put_optional(out, item)?;
                    } else {
                        items.put(out, item)?;
                    }
                }
                put_long(out, 0);
            }
        }
        Ok(())
    }
}
