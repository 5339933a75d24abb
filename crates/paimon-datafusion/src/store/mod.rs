//! Store assignment: values of a query as values of a table's columns.
//!
//! ANSI rules: a value that does not fit its column is an error, never NULL and never cut. Texts are read as Paimon
//! reads them; where a time zone matters it is the session's. Nested values are assigned by name when the names agree,
//! else by position.

mod fill;
mod lengths;
mod nested;
mod temporal;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Schema, SchemaRef};
use arrow::util::display::FormatOptions;
use paimon_core::arrow_bridge::{arrow_schema, arrow_type, cast_array};
use paimon_core::spec::{DataField, DataType, MAX_LENGTH, TypeKind};
use paimon_core::{Error, ErrorKind, Result};

const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f";

/// Assigns values to columns.
#[derive(Debug, Clone)]
pub(crate) struct StoreAssignment {
    fields: Vec<DataField>,
    relaxed: SchemaRef,
    zone: Arc<str>,
    fills: bool,
}

impl StoreAssignment {
    /// To these columns, in a session of this time zone.
    pub(crate) fn new(fields: Vec<DataField>, zone: &str) -> Self {
        Self {
            relaxed: relaxed(&arrow_schema(&fields)),
            fields,
            zone: zone.into(),
            fills: false,
        }
    }

    /// Whether fields that nested values lack become null, instead of an error.
    pub(crate) fn filling(self, fills: bool) -> Self {
        Self { fills, ..self }
    }

    /// See [`Self::filling`].
    pub(crate) fn fills(&self) -> bool {
        self.fills
    }

    /// The columns.
    pub(crate) fn fields(&self) -> &[DataField] {
        &self.fields
    }

    /// The columns in Arrow, all of them nullable: rows with nulls in NOT NULL columns get to the writer, which names the
    /// column.
    pub(crate) fn relaxed_schema(&self) -> &SchemaRef {
        &self.relaxed
    }

    /// The time zone.
    pub(crate) fn zone(&self) -> &str {
        &self.zone
    }

    /// Checks the types of columns, by position.
    ///
    /// # Errors
    /// `InvalidInput` naming the column for a different number of columns or a type that cannot be assigned.
    pub(crate) fn check(&self, given: &SchemaRef) -> Result<()> {
        self.batch(&RecordBatch::new_empty(given.clone()))
            .map(|_| ())
    }

    /// The rows as rows of the table. Null where a column is NOT NULL is left to the writer.
    ///
    /// # Errors
    /// `InvalidInput` naming the column and the value that does not fit.
    pub(crate) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.fields.len() {
            return Err(Error::invalid(format!(
                "the table has {} columns, the rows to write have {}",
                self.fields.len(),
                batch.num_columns()
            )));
        }
        let columns = batch
            .columns()
            .iter()
            .enumerate()
            .map(|(i, array)| self.column(i, array))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.relaxed), columns, &options)
            .map_err(|e| Error::internal("assigned columns disagree").with_source(e))
    }

    /// One column.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub(crate) fn column(&self, index: usize, array: &ArrayRef) -> Result<ArrayRef> {
        let field = self
            .fields
            .get(index)
            .ok_or_else(|| Error::internal(format!("no column {index}")))?;
        let filled = match self.fills {
            true => fill::filled(array, &field.data_type),
            false => Ok(array.clone()),
        };
        filled
            .and_then(|array| assign(&array, &field.data_type, &self.zone))
            .map_err(|e| e.with("column", &field.name).with("type", &field.data_type))
    }
}

fn relaxed(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|f| f.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// An array as values of a type.
fn assign(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let target = arrow_type(to);
    let from = array.data_type();
    if *from == ArrowType::Null {
        return Ok(new_null_array(&target, array.len()));
    }
    if let Some(values) = plain_values(from) {
        return assign(&arrow_cast(array, values)?, to, zone);
    }
    let assigned = match &to.kind {
        TypeKind::Array(_)
        | TypeKind::Vector(..)
        | TypeKind::Multiset(_)
        | TypeKind::Map(..)
        | TypeKind::Row(_)
        | TypeKind::Variant => nested::assign(array, to, zone)?,
        TypeKind::Date
        | TypeKind::Time(_)
        | TypeKind::Timestamp(_)
        | TypeKind::LocalZonedTimestamp(_) => temporal::assign(array, to, zone)?,
        TypeKind::Char(_) | TypeKind::VarChar(_) => lengths::texts(array, to, zone)?,
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
            lengths::binaries(array, to)?
        }
        _ if *from == target => array.clone(),
        _ if is_text(from) => from_text(array, to)?,
        _ if fits(from, &to.kind) => arrow_cast(array, &target)?,
        _ => return Err(refused(from, to)),
    };
    if assigned.null_count() > array.logical_null_count() {
        return Err(Error::invalid(format!("a value does not fit {}", to.kind)));
    }
    Ok(assigned)
}

/// Type of the values of a dictionary or of runs.
fn plain_values(from: &ArrowType) -> Option<&ArrowType> {
    match from {
        ArrowType::Dictionary(_, values) => Some(values),
        ArrowType::RunEndEncoded(_, values) => Some(values.data_type()),
        _ => None,
    }
}

/// Whether values of an Arrow type may be assigned to a number or BOOLEAN.
fn fits(from: &ArrowType, to: &TypeKind) -> bool {
    match to {
        TypeKind::Boolean => *from == ArrowType::Boolean,
        _ => from.is_numeric(),
    }
}

fn is_text(from: &ArrowType) -> bool {
    matches!(
        from,
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View
    )
}

/// Texts by Paimon's rules.
fn from_text(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let texts = arrow_cast(array, &ArrowType::Utf8View)?;
    // Paimon's cast would cut the fraction
    let fraction = |t: &&str| to.kind.is_integer() && t.contains('.');
    if let Some(text) = texts.as_string_view().iter().flatten().find(fraction) {
        return Err(Error::invalid(format!("{text:?} is no {}", to.kind)));
    }
    cast_array(&texts, &DataType::string(), to)
}

/// Arrow's cast where every value must fit.
fn arrow_cast(array: &ArrayRef, to: &ArrowType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        format_options: FormatOptions::new()
            .with_timestamp_format(Some(TIMESTAMP_FORMAT))
            .with_timestamp_tz_format(Some(TIMESTAMP_FORMAT)),
    };
    cast_with_options(array, to, &options).map_err(|e| {
        Error::new(ErrorKind::InvalidInput, "a value does not fit its column").with_source(e)
    })
}

fn refused(from: &ArrowType, to: &DataType) -> Error {
    Error::invalid(format!(
        "values of type {from} cannot be written to a column of type {}: cast them",
        to.kind
    ))
}

/// Whether a type is a text or binary without a limit.
fn unlimited(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::VarChar(MAX_LENGTH) | TypeKind::VarBinary(MAX_LENGTH) | TypeKind::Blob
    )
}

#[cfg(test)]
mod tests;
