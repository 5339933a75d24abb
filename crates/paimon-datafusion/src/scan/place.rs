//! Where rows are stored, as columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringViewArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use paimon_core::arrow_bridge::{array_of, arrow_field};
use paimon_core::options::MergeEngine;
use paimon_core::spec::{ROW_ID, SEQUENCE_NUMBER};
use paimon_core::table::Table;

use super::positions::NumberedFile;
use crate::error::to_datafusion;

/// Number of the row's file in [`super::TargetFiles`].
pub(crate) const FILE_COLUMN: &str = "__paimon_file";

/// Physical position of the row in its file.
pub(crate) const ROW_COLUMN: &str = "__paimon_row_index";

/// Id of the row, in tables with row tracking.
pub(crate) const ROW_ID_COLUMN: &str = "__paimon_row_id";

/// Location of the row's file.
const PATH_COLUMN: &str = "__paimon_file_path";

/// Values of the partition columns.
const PARTITION_COLUMN: &str = "__paimon_partition";

/// Bucket of the row.
const BUCKET_COLUMN: &str = "__paimon_bucket";

/// What is known of the place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Number of the file among those that a statement changes.
    File,
    /// Physical position in the file.
    Row,
    /// Id of the row, in a column of this name.
    RowId(&'static str),
    /// `_SEQUENCE_NUMBER`
    Sequence,
    /// `__paimon_file_path`: location of the file.
    Path,
    /// `__paimon_partition`: values of the partition columns.
    Partition,
    /// `__paimon_bucket`
    Bucket,
}

/// Whether statements find the rows that they change by their places: those of a table without primary key, and those
/// of merge engine first-row, which are never merged when they are read.
pub(crate) fn finds_rows_by_place(table: &Table) -> bool {
    let first_row = table.options().merge_engine == MergeEngine::FirstRow;
    !table.schema().has_primary_key() || first_row
}

impl Place {
    /// The places that follow a table's own columns where rows are changed.
    pub(super) fn of_changes(table: &Table) -> Vec<Self> {
        if table.options().data_evolution {
            return vec![Self::RowId(ROW_ID)];
        }
        let id = table
            .options()
            .row_tracking
            .then_some(Self::RowId(ROW_ID_COLUMN));
        [Self::File, Self::Row].into_iter().chain(id).collect()
    }

    /// The metadata column of a name; `None` where the table has none.
    pub(super) fn of_name(table: &Table, name: &str) -> Option<Self> {
        let tracked = table.options().row_tracking;
        match name {
            PATH_COLUMN => Some(Self::Path),
            ROW_COLUMN => Some(Self::Row),
            PARTITION_COLUMN => Some(Self::Partition),
            BUCKET_COLUMN => Some(Self::Bucket),
            ROW_ID if tracked => Some(Self::RowId(ROW_ID)),
            SEQUENCE_NUMBER if tracked => Some(Self::Sequence),
            _ => None,
        }
    }

    /// Name of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => FILE_COLUMN,
            Self::Row => ROW_COLUMN,
            Self::RowId(name) => name,
            Self::Sequence => SEQUENCE_NUMBER,
            Self::Path => PATH_COLUMN,
            Self::Partition => PARTITION_COLUMN,
            Self::Bucket => BUCKET_COLUMN,
        }
    }

    /// The place whose column has a name.
    pub fn of_column(name: &str) -> Option<Self> {
        let all = [
            Self::File,
            Self::Row,
            Self::RowId(ROW_ID),
            Self::RowId(ROW_ID_COLUMN),
            Self::Sequence,
            Self::Path,
            Self::Partition,
            Self::Bucket,
        ];
        all.into_iter().find(|place| place.name() == name)
    }

    /// Its column.
    pub(super) fn field(self, table: &Table) -> Field {
        match self {
            Self::File => Field::new(FILE_COLUMN, DataType::Int32, false),
            Self::Row => Field::new(ROW_COLUMN, DataType::Int64, false),
            Self::RowId(name) => Field::new(name, DataType::Int64, !table.options().data_evolution),
            Self::Sequence => Field::new(SEQUENCE_NUMBER, DataType::Int64, true),
            Self::Path => Field::new(PATH_COLUMN, DataType::Utf8View, false),
            Self::Partition => {
                let values = DataType::Struct(partition_columns(table));
                Field::new(PARTITION_COLUMN, values, false)
            }
            Self::Bucket => Field::new(BUCKET_COLUMN, DataType::Int32, false),
        }
    }
}

fn partition_columns(table: &Table) -> Fields {
    let fields = table.schema().partition_fields();
    fields.iter().map(arrow_field).collect()
}

/// What is the same in all rows of a file.
pub(super) fn place_of_file(
    table: &Table,
    file: &NumberedFile,
    place: Place,
    rows: usize,
) -> Result<ArrayRef> {
    Ok(match place {
        Place::File => Arc::new(Int32Array::from(vec![file.number; rows])),
        Place::Bucket => Arc::new(Int32Array::from(vec![file.bucket; rows])),
        Place::Path => {
            let path: &str = &file.file.path;
            Arc::new(StringViewArray::from(vec![path; rows]))
        }
        Place::Partition => {
            let fields = table.schema().partition_fields();
            let values = fields.iter().zip(&file.partition.values);
            let values = values
                .map(|(field, value)| array_of(value.as_ref(), &field.data_type, rows))
                .collect::<paimon_core::Result<Vec<_>>>()
                .map_err(to_datafusion)?;
            match values.is_empty() {
                true => Arc::new(StructArray::new_empty_fields(rows, None)),
                false => Arc::new(StructArray::try_new(
                    partition_columns(table),
                    values,
                    None,
                )?),
            }
        }
        Place::Row | Place::RowId(_) | Place::Sequence => {
            return Err(DataFusionError::Internal(
                "this place is that of a row".into(),
            ));
        }
    })
}
