//! ARRAY, MAP, MULTISET and ROW values.

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType as ArrowType, FieldRef, Fields};

use super::record::{RecordReader, Slot};
use crate::arrow_bridge::arrow_type;
use crate::codec::avro::{AvroRecord, AvroType, Cursor};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{DataField, DataType};

/// Ends of the values and which are null.
struct Ends {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    last: i32,
}

impl Ends {
    fn new() -> Self {
        Self {
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
            last: 0,
        }
    }

    /// Counts `n` more items of the value being read.
    fn grow(&mut self, n: usize) -> Result<()> {
        let last = i32::try_from(n).ok().and_then(|n| self.last.checked_add(n));
        self.last = last.ok_or_else(|| {
            Error::new(
                ErrorKind::ResourceExhausted,
                "a batch may hold 2^31 items of one nested column",
            )
        })?;
        Ok(())
    }

    fn close(&mut self, valid: bool) {
        self.offsets.push(self.last);
        self.nulls.append(valid);
    }

    fn items(&self) -> usize {
        usize::try_from(self.last).unwrap_or(0)
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<arrow_buffer::NullBuffer>) {
        self.last = 0;
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        (offsets, self.nulls.finish())
    }
}

/// ARRAY or VECTOR stored as Avro array.
pub(super) struct ListColumn {
    ends: Ends,
    item: Slot,
    item_field: FieldRef,
    /// The Arrow type and length of a VECTOR.
    vector: Option<(ArrowType, i32)>,
}

impl ListColumn {
    pub fn new(data_type: &DataType, element: &DataType, item: &AvroType) -> Result<Self> {
        let arrow = arrow_type(data_type);
        let (item_field, length) = match &arrow {
            ArrowType::List(field) => (field.clone(), None),
            ArrowType::FixedSizeList(field, length) => (field.clone(), Some(*length)),
            _ => return Err(Error::internal("ARRAY must be an Arrow list")),
        };
        Ok(Self {
            ends: Ends::new(),
            item: Slot::stored("element", element, item)?,
            item_field,
            vector: length.map(|length| (arrow, length)),
        })
    }

    pub fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        loop {
            let count = cursor.items()?;
            if count == 0 {
                self.ends.close(true);
                return Ok(());
            }
            self.ends.grow(count)?;
            for _ in 0..count {
                self.item.read(cursor)?;
            }
        }
    }

    pub fn append_null(&mut self) {
        self.ends.close(false);
    }

    pub fn finish(&mut self) -> Result<ArrayRef> {
        let items = self.item.finish(self.ends.items())?;
        let (offsets, nulls) = self.ends.finish();
        let list = ListArray::try_new(self.item_field.clone(), offsets, items, nulls)?;
        let Some((vector, length)) = &self.vector else {
            return Ok(Arc::new(list));
        };
        let checked = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(&list, vector, &checked)
            .map_err(|e| Error::damaged(format!("a VECTOR holds {length} values: {e}")))
    }
}

/// MAP or MULTISET: an Avro map when keys are strings, else an array of records `key`, `value`.
pub(super) struct MapColumn {
    ends: Ends,
    entries: Entries,
    /// Entries are stored as `["null", record]`.
    optional: bool,
    entries_field: FieldRef,
    entry_fields: Fields,
}

enum Entries {
    /// Key and value one after another.
    Map(Box<(Slot, Slot)>),
    Records(RecordReader),
}

impl MapColumn {
    pub fn new(
        data_type: &DataType,
        key: &DataType,
        value: &DataType,
        avro: &AvroType,
    ) -> Result<Self> {
        let ArrowType::Map(entries_field, _) = arrow_type(data_type) else {
            return Err(Error::internal("MAP must be an Arrow map"));
        };
        let ArrowType::Struct(entry_fields) = entries_field.data_type().clone() else {
            return Err(Error::internal("entries of a map must be structs"));
        };
        let key = key.with_nullable(false);
        let (entries, optional) = match avro {
            AvroType::Map(stored) => {
                let key = Slot::stored("key", &key, &AvroType::String)?;
                let value = Slot::stored("value", value, stored)?;
                (Entries::Map(Box::new((key, value))), false)
            }
            AvroType::Array(item) => {
                let (item, optional) = item.optional()?;
                let AvroType::Record(record) = item else {
                    return Err(Error::damaged(format!(
                        "entries of a map must be Avro records, found {}",
                        item.kind_name()
                    )));
                };
                let fields = [
                    DataField::new(0, "key", key),
                    DataField::new(1, "value", value.clone()),
                ];
                let reader = RecordReader::compile(&fields, record)?;
                if reader.is_missing(0) || reader.is_missing(1) {
                    return Err(Error::damaged(
                        "entries of a map must have the fields `key` and `value`",
                    ));
                }
                (Entries::Records(reader), optional)
            }
            other => {
                return Err(Error::damaged(format!(
                    "map is stored as Avro {}",
                    other.kind_name()
                )));
            }
        };
        Ok(Self {
            ends: Ends::new(),
            entries,
            optional,
            entries_field,
            entry_fields,
        })
    }

    pub fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        loop {
            let count = cursor.items()?;
            if count == 0 {
                self.ends.close(true);
                return Ok(());
            }
            self.ends.grow(count)?;
            for _ in 0..count {
                if self.optional && !cursor.non_null()? {
                    return Err(Error::damaged("entry of a map is null"));
                }
                match &mut self.entries {
                    Entries::Map(entry) => {
                        entry.0.read(cursor)?;
                        entry.1.read(cursor)?;
                    }
                    Entries::Records(reader) => reader.read(cursor)?,
                }
            }
        }
    }

    pub fn append_null(&mut self) {
        self.ends.close(false);
    }

    pub fn finish(&mut self) -> Result<ArrayRef> {
        let rows = self.ends.items();
        let columns = match &mut self.entries {
            Entries::Map(entry) => vec![entry.0.finish(rows)?, entry.1.finish(rows)?],
            Entries::Records(reader) => reader.finish(rows)?,
        };
        let entries =
            StructArray::try_new_with_length(self.entry_fields.clone(), columns, None, rows)?;
        let (offsets, nulls) = self.ends.finish();
        let map = MapArray::try_new(self.entries_field.clone(), offsets, entries, nulls, false)?;
        Ok(Arc::new(map))
    }
}

/// ROW stored as Avro record, fields by name.
pub(super) struct RowColumn {
    reader: RecordReader,
    nulls: NullBufferBuilder,
    fields: Fields,
}

impl RowColumn {
    pub fn new(data_type: &DataType, fields: &[DataField], record: &AvroRecord) -> Result<Self> {
        let ArrowType::Struct(arrow_fields) = arrow_type(data_type) else {
            return Err(Error::internal("ROW must be an Arrow struct"));
        };
        let reader = RecordReader::compile(fields, record)?;
        reader.check_complete(fields)?;
        Ok(Self {
            reader,
            nulls: NullBufferBuilder::new(0),
            fields: arrow_fields,
        })
    }

    pub fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        self.reader.read(cursor)?;
        self.nulls.append_non_null();
        Ok(())
    }

    pub fn append_null(&mut self) {
        self.reader.append_null();
        self.nulls.append_null();
    }

    pub fn finish(&mut self) -> Result<ArrayRef> {
        let rows = self.nulls.len();
        let columns = self.reader.finish(rows)?;
        let nulls = self.nulls.finish();
        let row = StructArray::try_new_with_length(self.fields.clone(), columns, nulls, rows)?;
        Ok(Arc::new(row))
    }
}
