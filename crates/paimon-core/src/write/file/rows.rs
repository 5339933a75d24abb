//! Rows on their way into data files, and how they lie there. Source: `KeyValue`, `KeyValueDataFileWriter`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, RecordBatchOptions};

use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, Result};
use crate::spec::{
    DataField, SYSTEM_ID_MIN, TableSchema, row_id_field, sequence_number_field, value_kind_field,
};

/// Rows of a primary-key table with what the merge needs to know of them.
#[derive(Debug, Clone)]
pub struct KeyValueBatch {
    /// The table's columns.
    pub values: RecordBatch,
    /// Sequence number of every row, no nulls.
    pub sequence: Int64Array,
    /// Kind of every row: 0 +I, 1 -U, 2 +U, 3 -D; no nulls.
    pub kinds: Int8Array,
}

impl KeyValueBatch {
    /// Rows of a range.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Self {
        Self {
            values: self.values.slice(start, len),
            sequence: self.sequence.slice(start, len),
            kinds: self.kinds.slice(start, len),
        }
    }
}

/// Rows for a data file.
#[derive(Debug, Clone)]
pub enum FileRows {
    /// Rows of an append table; the file writer numbers them. Rows that keep their ids ([`FileLayout::with_row_ids`])
    /// have `_ROW_ID` and `_SEQUENCE_NUMBER` behind the table's columns.
    Plain(RecordBatch),
    /// Rows of a primary-key table, sorted by key.
    Keyed(KeyValueBatch),
}

impl FileRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values().num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table's columns, and those behind them.
    pub fn values(&self) -> &RecordBatch {
        match self {
            Self::Plain(values) => values,
            Self::Keyed(rows) => &rows.values,
        }
    }

    pub(in crate::write) fn slice(&self, start: usize, len: usize) -> Self {
        match self {
            Self::Plain(values) => Self::Plain(values.slice(start, len)),
            Self::Keyed(rows) => Self::Keyed(rows.slice(start, len)),
        }
    }
}

/// The columns of a table's data files.
///
/// Append files hold the table's columns; those with rows that keep their ids `_ROW_ID` and `_SEQUENCE_NUMBER`, too. Key-value files hold `_KEY_*`, `_SEQUENCE_NUMBER`, `_VALUE_KIND` and the
/// table's columns; thin ones leave the `_KEY_*` columns out.
#[derive(Debug, Clone)]
pub struct FileLayout {
    /// The table's columns.
    pub values: Vec<DataField>,
    /// Positions of the trimmed primary key among them, in key order; empty in append tables.
    pub keys: Vec<usize>,
    keyed: bool,
    thin: bool,
    row_ids: bool,
    some_columns: bool,
}

impl FileLayout {
    /// Layout of a table's files.
    pub fn of(schema: &TableSchema, thin: bool) -> Self {
        let position = |name: &String| schema.fields.iter().position(|f| f.name == *name);
        Self {
            values: schema.fields.clone(),
            keys: schema
                .trimmed_primary_keys()
                .iter()
                .filter_map(position)
                .collect(),
            keyed: schema.has_primary_key(),
            thin,
            row_ids: false,
            some_columns: false,
        }
    }

    /// The layout of append files that store ids and sequence numbers of their rows, as rewritten rows of tables with
    /// row tracking need it.
    #[must_use]
    pub fn with_row_ids(mut self) -> Self {
        self.row_ids = true;
        self
    }

    /// The layout of files that hold some of a table's columns (data evolution): their metadata names them.
    #[must_use]
    pub fn naming_columns(mut self) -> Self {
        self.some_columns = true;
        self
    }

    /// Whether metadata names the columns of the file.
    pub fn names_columns(&self) -> bool {
        self.some_columns || self.row_ids
    }

    /// Whether ids and sequence numbers of rows are stored.
    pub fn has_row_ids(&self) -> bool {
        self.row_ids
    }

    /// Whether rows have keys, sequence numbers and kinds.
    pub fn is_keyed(&self) -> bool {
        self.keyed
    }

    /// Whether key columns are stored once.
    pub fn is_thin(&self) -> bool {
        self.thin
    }

    /// The key columns as they are called in the table.
    pub fn key_fields(&self) -> Vec<DataField> {
        self.keys.iter().map(|i| self.values[*i].clone()).collect()
    }

    /// The columns of a file, in order.
    pub fn file_fields(&self) -> Vec<DataField> {
        if !self.keyed {
            let system = [row_id_field(), sequence_number_field()];
            let system = system.into_iter().filter(|_| self.row_ids);
            return self.values.iter().cloned().chain(system).collect();
        }
        let mut fields = Vec::with_capacity(self.values.len() + self.keys.len() + 2);
        if !self.thin {
            fields.extend(self.key_fields().into_iter().map(|f| {
                let id = SYSTEM_ID_MIN.saturating_add(f.id);
                DataField::new(id, format!("_KEY_{}", f.name), f.data_type)
            }));
        }
        for mut system in [sequence_number_field(), value_kind_field()] {
            system.data_type.nullable = false;
            fields.push(system);
        }
        fields.extend(self.values.iter().cloned());
        fields
    }

    /// The columns of a file for these rows.
    ///
    /// # Errors
    /// `Internal` when the rows are of the other kind of table.
    pub(in crate::write) fn file_batch(
        &self,
        rows: &FileRows,
        fields: &[DataField],
    ) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = match rows {
            FileRows::Plain(values) if !self.keyed => values.columns().to_vec(),
            FileRows::Keyed(rows) if self.keyed => {
                let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
                if !self.thin {
                    columns.extend(self.keys.iter().map(|i| rows.values.column(*i).clone()));
                }
                columns.push(Arc::new(rows.sequence.clone()));
                columns.push(Arc::new(rows.kinds.clone()));
                columns.extend(rows.values.columns().iter().cloned());
                columns
            }
            _ => {
                return Err(Error::internal(
                    "rows of another kind of table than the file's",
                ));
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(arrow_schema(fields), columns, &options)
            .map_err(|e| Error::invalid("rows do not fit the table's columns").with_source(e))
    }
}
