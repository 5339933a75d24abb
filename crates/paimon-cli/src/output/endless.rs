//! Rows that come without end: in groups, each complete when it is printed.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Printer, Rows, WriteError};
use crate::args::Format;

/// Prints groups of rows: a table or a JSON array each, or lines below one header.
pub(crate) struct EndlessRows<'a> {
    printer: &'a Printer,
    schema: SchemaRef,
    rows: Option<Box<dyn Rows>>,
    /// The header is there from earlier on.
    goes_on: bool,
}

impl<'a> EndlessRows<'a> {
    /// Rows of this schema; `goes_on`: below others that were printed earlier.
    pub(crate) fn new(printer: &'a Printer, schema: SchemaRef, goes_on: bool) -> Self {
        Self {
            printer,
            schema,
            rows: None,
            goes_on,
        }
    }

    fn is_lines(&self) -> bool {
        matches!(
            self.printer.format,
            Format::Csv | Format::Tsv | Format::Ndjson
        )
    }

    /// Some rows of a group.
    pub(crate) fn batch(
        &mut self,
        batch: &RecordBatch,
        out: &mut dyn Write,
    ) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let has_header = self.goes_on && self.is_lines();
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => {
                let rows = none.insert(self.printer.rows());
                if !has_header {
                    rows.begin(&self.schema, out)?;
                }
                rows
            }
        };
        rows.batch(batch, out)
    }

    /// Ends a group, if it has rows.
    pub(crate) fn end_group(&mut self, out: &mut dyn Write) -> Result<(), WriteError> {
        if self.is_lines() {
            return Ok(());
        }
        if let Some(mut rows) = self.rows.take()
            && let Some(note) = rows.end(out)?
            && !self.printer.quiet
        {
            super::say(&note);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};

    use super::*;
    use crate::args::MaxRows;

    fn printed(format: Format, goes_on: bool) -> String {
        let printer = Printer {
            format,
            max_rows: MaxRows(None),
            quiet: true,
        };
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let mut rows = EndlessRows::new(&printer, batch.schema(), goes_on);
        let mut out = Vec::new();
        for _ in 0..2 {
            assert!(rows.batch(&batch.slice(0, 0), &mut out).is_ok());
            assert!(rows.end_group(&mut out).is_ok());
            assert!(rows.batch(&batch, &mut out).is_ok());
            assert!(rows.end_group(&mut out).is_ok());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_group_is_complete() {
        assert_eq!(printed(Format::Csv, false), "id\n1\n2\n1\n2\n");
        assert_eq!(printed(Format::Csv, true), "1\n2\n1\n2\n");
        let array = "[{\"id\":1},{\"id\":2}]\n";
        assert_eq!(printed(Format::Json, true), [array, array].concat());
        let table = printed(Format::Table, false);
        assert_eq!(table.matches("| id |").count(), 2, "{table}");
        assert_eq!(printed(Format::Ndjson, false).lines().count(), 4);
    }
}
