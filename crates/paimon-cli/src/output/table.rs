//! The table format.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_schema;

use super::{Rows, WriteError};

/// Collects the first rows, for the widths of the columns, and counts the rest.
pub(crate) struct TableRows {
    max_rows: Option<usize>,
    schema: Option<SchemaRef>,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    all_rows: usize,
}

impl TableRows {
    pub(crate) fn new(max_rows: Option<usize>) -> Self {
        Self {
            max_rows,
            schema: None,
            kept: Vec::new(),
            kept_rows: 0,
            all_rows: 0,
        }
    }
}

impl Rows for TableRows {
    fn begin(&mut self, schema: &SchemaRef, _out: &mut dyn Write) -> Result<(), WriteError> {
        self.schema = Some(schema.clone());
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, _out: &mut dyn Write) -> Result<(), WriteError> {
        self.all_rows = self.all_rows.saturating_add(batch.num_rows());
        let room = self
            .max_rows
            .map_or(usize::MAX, |max| max.saturating_sub(self.kept_rows));
        let rows = batch.num_rows().min(room);
        if rows > 0 {
            self.kept.push(batch.slice(0, rows));
            self.kept_rows += rows;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<Option<String>, WriteError> {
        let Some(schema) = self.schema.take() else {
            return Ok(None);
        };
        let options = FormatOptions::default().with_display_error(true);
        let text = arrow::util::pretty::pretty_format_batches_with_options(&self.kept, &options);
        let text = if self.kept.is_empty() {
            pretty_format_batches_with_schema(schema, &self.kept)?.to_string()
        } else {
            text?.to_string()
        };
        writeln!(out, "{text}")?;
        let hidden = self.all_rows - self.kept_rows;
        Ok((hidden > 0).then(|| {
            format!(
                "{} of {} rows are shown; -n inf shows all",
                self.kept_rows, self.all_rows
            )
        }))
    }
}
