//! New values of some columns of rows that are there: a file beside those of the same row-id range.
//!
//! Source: `DataEvolutionMergeIntoAction`, `MergeIntoPaimonDataEvolutionTable`, page "data evolution".

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::interleave::interleave;
use futures::StreamExt;

use super::context::WriteContext;
use super::file::data_file::{FileRole, FileSettings};
use super::file::paths::DataFilePaths;
use super::file::rolling::RollingFileWriter;
use super::file::rows::FileRows;
use super::options::WriteOptions;
use super::pipeline::RowPipeline;
use super::row_range::RowRange;
use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::spec::{CommitMessage, DataFileMeta, DataIncrement, TableSchema};
use crate::table::Table;

/// Writes files with some of a table's columns.
pub struct ColumnFiles {
    table: Table,
    options: WriteOptions,
    settings: Arc<FileSettings>,
    pipeline: RowPipeline,
    context: WriteContext,
}

impl ColumnFiles {
    /// For columns by position in the schema of a table with data evolution.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option or column when they cannot be written.
    pub fn new(table: &Table, columns: &[usize], context: &WriteContext) -> Result<Self> {
        let core = table.options();
        let options = WriteOptions::new(table.schema(), core)?;
        let mut schema = TableSchema::clone(table.schema());
        let fields = columns.iter().map(|at| schema.fields.get(*at).cloned());
        let fields: Option<Vec<_>> = fields.collect();
        schema.fields = fields.ok_or_else(|| Error::internal("no such column"))?;
        let mut settings = FileSettings::of(&schema, core, &options, FileRole::Data { level: 0 })?;
        settings.layout = settings.layout.naming_columns();
        // one file has all rows of its range
        settings.target_size = u64::MAX;
        settings.target_rows = None;
        settings.indexed = false;
        Ok(Self {
            pipeline: RowPipeline::new(&schema, core, &options)?.keeping_nulls(),
            table: table.clone(),
            settings: Arc::new(settings),
            options,
            context: context.clone(),
        })
    }

    /// Writes the columns of all rows of a range, deleted ones too. `row_ids`, ascending, are those of the rows that have new `values`.
    ///
    /// # Errors
    /// `InvalidInput` for values that the columns do not take, `Damaged` naming a file, `Io` when the store fails. Nothing
    /// is left behind then.
    ///
    /// # Cancel safety
    /// A cancelled call leaves a file behind that no snapshot names.
    pub async fn write(
        &self,
        range: &RowRange,
        row_ids: &[i64],
        values: &RecordBatch,
    ) -> Result<CommitMessage> {
        let split = &range.split;
        let uuid = self.context.ids.uuid();
        let bucket = (&*split.partition, split.bucket);
        let paths = DataFilePaths::of_bucket(&self.table, &self.options, bucket.0, bucket.1, uuid)?;
        let mut writer = RollingFileWriter::new(
            Arc::clone(&self.settings),
            Arc::new(paths),
            self.context.clone(),
            0,
        );
        let written = self.fill(&mut writer, range, row_ids, values).await;
        let file = match written {
            Ok(file) => file,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        Ok(CommitMessage {
            partition: split.partition.bytes.clone(),
            bucket: split.bucket,
            total_buckets: split.total_buckets,
            base: None,
            data: DataIncrement {
                new_files: vec![file],
                ..DataIncrement::default()
            },
            compact: Default::default(),
        })
    }

    /// The columns as they are.
    fn old_rows(&self, range: &RowRange) -> Result<BatchStream> {
        let fields = self.settings.layout.values.iter();
        let names: Vec<&str> = fields.map(|f| f.name.as_str()).collect();
        let reader = self.table.read_builder().with_projection(&names).reader()?;
        reader.read(&range.split)
    }

    async fn fill(
        &self,
        writer: &mut RollingFileWriter,
        range: &RowRange,
        row_ids: &[i64],
        values: &RecordBatch,
    ) -> Result<DataFileMeta> {
        let values = self.pipeline.prepare(values, None)?.values;
        let mut old = self.old_rows(range)?;
        let mut next_id = range.first_row_id;
        let mut changed = 0;
        while let Some(batch) = old.next().await {
            let batch = batch?;
            let mut places = Vec::with_capacity(batch.num_rows());
            for row in 0..batch.num_rows() {
                let is_changed = row_ids.get(changed) == Some(&next_id);
                places.push(match is_changed {
                    true => (1, changed),
                    false => (0, row),
                });
                changed += usize::from(is_changed);
                next_id = next_id.saturating_add(1);
            }
            writer.write(self.merged(&batch, &values, &places)?).await?;
        }
        if next_id != range.end() || changed != row_ids.len() {
            return Err(Error::damaged(format!(
                "a row-id range has {} rows, {} were read of it",
                range.rows,
                next_id.saturating_sub(range.first_row_id)
            ))
            .with("first_row_id", range.first_row_id));
        }
        writer.end_file().await?;
        let mut files = writer.take_files();
        match (files.pop(), files.is_empty()) {
            (Some(mut file), true) => {
                file.first_row_id = Some(range.first_row_id);
                Ok(file)
            }
            _ => Err(Error::internal("a row-id range became other than one file")),
        }
    }

    fn merged(
        &self,
        old: &RecordBatch,
        new: &RecordBatch,
        places: &[(usize, usize)],
    ) -> Result<FileRows> {
        let columns = old.columns().iter().zip(new.columns());
        let columns = columns
            .map(|(old, new)| Ok(interleave(&[old.as_ref(), new.as_ref()], places)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let schema = arrow_schema(&self.settings.layout.values);
        let rows = RecordBatch::try_new(schema, columns)
            .map_err(|e| Error::invalid("rows do not fit the table's columns").with_source(e))?;
        Ok(FileRows::Plain(rows))
    }
}
