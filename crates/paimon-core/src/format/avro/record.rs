//! Records and ROW values: which stored field goes to which column.

use arrow_array::{ArrayRef, new_null_array};

use super::column::Column;
use crate::arrow_bridge::arrow_type;
use crate::codec::avro::{AvroRecord, AvroType, Cursor};
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType};

/// A column with its place in the file.
pub(super) struct Slot {
    name: String,
    /// Stored as `["null", T]`.
    optional: bool,
    nullable: bool,
    column: Column,
}

/// Reads the wanted fields of a record and skips the others.
pub(super) struct RecordReader {
    steps: Vec<Step>,
    slots: Vec<Slot>,
}

/// One stored field.
enum Step {
    Read(usize, AvroType),
    Skip(AvroType),
}

impl Slot {
    /// A stored value.
    pub fn stored(name: &str, data_type: &DataType, avro: &AvroType) -> Result<Self> {
        let build = || {
            let (avro, optional) = avro.optional()?;
            Ok(Self {
                name: name.to_string(),
                optional,
                nullable: data_type.nullable,
                column: Column::new(data_type, avro)?,
            })
        };
        build().map_err(|e: Error| e.with_default("column", name))
    }

    fn missing(field: &DataField) -> Self {
        Self {
            name: field.name.clone(),
            optional: false,
            nullable: true,
            column: Column::Missing(arrow_type(&field.data_type)),
        }
    }

    /// Whether the file lacks it.
    pub fn is_missing(&self) -> bool {
        matches!(self.column, Column::Missing(_))
    }

    /// Reads one value.
    #[inline]
    pub fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if self.optional && !cursor.non_null()? {
            if !self.nullable {
                return Err(
                    Error::damaged("value is null in a NOT NULL column").with("column", &self.name)
                );
            }
            self.column.append_null();
            return Ok(());
        }
        match self.column.append(cursor) {
            Ok(()) => Ok(()),
            Err(e) => Err(e.with_default("column", &self.name)),
        }
    }

    /// A placeholder below a null.
    pub fn append_null(&mut self) {
        self.column.append_null();
    }

    /// The `rows` values read.
    pub fn finish(&mut self, rows: usize) -> Result<ArrayRef> {
        match &self.column {
            Column::Missing(arrow) => Ok(new_null_array(arrow, rows)),
            _ => self
                .column
                .finish()
                .map_err(|e| e.with_default("column", &self.name)),
        }
    }
}

impl RecordReader {
    /// Finds `fields` in the writer's record by name.
    ///
    /// # Errors
    /// `Damaged` when a field has an Avro type that does not fit, `Unsupported` for types not stored in Avro.
    pub fn compile(fields: &[DataField], record: &AvroRecord) -> Result<Self> {
        let mut slots: Vec<Slot> = fields.iter().map(Slot::missing).collect();
        let mut steps = Vec::with_capacity(record.fields.len());
        for stored in &record.fields {
            let wanted = fields.iter().position(|f| f.name == stored.name);
            let wanted = wanted.filter(|i| slots[*i].is_missing());
            steps.push(match wanted {
                Some(i) => {
                    slots[i] = Slot::stored(&stored.name, &fields[i].data_type, &stored.avro)?;
                    Step::Read(i, stored.avro.clone())
                }
                None => Step::Skip(stored.avro.clone()),
            });
        }
        Ok(Self { steps, slots })
    }

    /// Checks that no NOT NULL field of a ROW is missing, which Arrow could not express.
    pub fn check_complete(&self, fields: &[DataField]) -> Result<()> {
        let lost = self
            .slots
            .iter()
            .zip(fields)
            .find(|(slot, field)| slot.is_missing() && !field.data_type.nullable);
        match lost {
            None => Ok(()),
            Some((_, field)) => Err(Error::damaged(format!(
                "file lacks the NOT NULL field `{}` of a ROW",
                field.name
            ))),
        }
    }

    /// Whether the file lacks a column.
    pub fn is_missing(&self, column: usize) -> bool {
        self.slots.get(column).is_some_and(Slot::is_missing)
    }

    /// Reads one record.
    pub fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        for step in &self.steps {
            match step {
                Step::Read(i, _) => self.slots[*i].read(cursor)?,
                Step::Skip(avro) => cursor.skip(avro)?,
            }
        }
        Ok(())
    }

    /// Skips one record.
    pub fn skip(&self, cursor: &mut Cursor<'_>) -> Result<()> {
        for step in &self.steps {
            let (Step::Read(_, avro) | Step::Skip(avro)) = step;
            cursor.skip(avro)?;
        }
        Ok(())
    }

    /// A placeholder record below a null.
    pub fn append_null(&mut self) {
        for slot in &mut self.slots {
            slot.append_null();
        }
    }

    /// The columns of the `rows` records read.
    pub fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.slots.iter_mut().map(|s| s.finish(rows)).collect()
    }
}
