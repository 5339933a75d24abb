//! Where DataFusion's file source has the columns of a table: those of the files first, then the partition columns.
//!
//! Values of partition columns come from a file's partition, never from the file: files that Hive wrote do not hold
//! them, and the files of a primary-key table whose keys move between partitions may hold others.
//! Source: `PartitionUtils` and `FormatReaderMapping` of Java's readers.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::table_schema::TableSchema as SourceSchema;
use paimon_core::arrow_bridge::array_of;
use paimon_core::read::Partition;
use paimon_core::spec::DataField;
use paimon_core::table::Table;

use crate::error::to_datafusion;

/// The columns of a table in the order of the source.
pub(super) struct FileLayout {
    /// Position in the table of each column of the source.
    order: Vec<usize>,
    /// How many of them are in files.
    in_files: usize,
}

impl FileLayout {
    pub(super) fn of(table: &Table) -> Self {
        let schema = table.schema();
        let partition: Vec<usize> = schema
            .partition_keys
            .iter()
            .filter_map(|key| schema.fields.iter().position(|f| f.name == *key))
            .collect();
        let mut order: Vec<usize> = (0..schema.fields.len())
            .filter(|i| !partition.contains(i))
            .collect();
        let in_files = order.len();
        order.extend(partition);
        Self { order, in_files }
    }

    /// The schema of the source.
    pub(super) fn schema(&self, table: &Table) -> SourceSchema {
        let arrow = table.arrow_schema();
        let fields = |own: &[usize]| -> Vec<FieldRef> {
            own.iter().map(|i| arrow.fields()[*i].clone()).collect()
        };
        let (files, partition) = self.order.split_at(self.in_files);
        SourceSchema::builder(Arc::new(Schema::new(fields(files))))
            .with_table_partition_cols(fields(partition))
            .build()
    }

    /// The table's fields in the order of the source.
    pub(super) fn fields(&self, table: &Table) -> Vec<DataField> {
        let fields = &table.schema().fields;
        self.order.iter().map(|i| fields[*i].clone()).collect()
    }

    /// Columns of the table, by the source's count.
    pub(super) fn indices(&self, columns: &[usize]) -> Vec<usize> {
        let place = |column| self.order.iter().position(|own| *own == column);
        columns.iter().filter_map(|c| place(*c)).collect()
    }

    /// Statistics of the table's columns, in the order of the source.
    pub(super) fn statistics(&self, mut statistics: Statistics) -> Statistics {
        let own = std::mem::take(&mut statistics.column_statistics);
        statistics.column_statistics = self.order.iter().map(|i| own[*i].clone()).collect();
        statistics
    }
}

/// The values of the partition columns of a partition.
pub(super) fn partition_values(table: &Table, partition: &Partition) -> Result<Vec<ScalarValue>> {
    let fields = table.schema().partition_fields();
    let scalar = |(field, value): (&DataField, &Option<_>)| {
        let one = array_of(value.as_ref(), &field.data_type, 1).map_err(to_datafusion)?;
        ScalarValue::try_from_array(&one, 0)
    };
    fields.iter().zip(&partition.values).map(scalar).collect()
}
