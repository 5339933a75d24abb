//! JSON: one array per statement, or one object per line. Nulls are written; keys of maps are their texts.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use paimon_datafusion::with_text_keys;

use super::{Rows, WriteError};

/// Objects, in an array or by line.
pub(crate) struct JsonRows {
    array: bool,
    first: bool,
}

impl JsonRows {
    pub(crate) fn array() -> Self {
        Self {
            array: true,
            first: true,
        }
    }

    pub(crate) fn lines() -> Self {
        Self {
            array: false,
            first: true,
        }
    }
}

impl Rows for JsonRows {
    fn begin(&mut self, _schema: &SchemaRef, out: &mut dyn Write) -> Result<(), WriteError> {
        if self.array {
            write!(out, "[")?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut lines = Vec::new();
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, LineDelimited>(&mut lines);
        writer.write(&with_text_keys(batch)?)?;
        writer.finish()?;
        drop(writer);
        if !self.array {
            out.write_all(&lines)?;
            return Ok(());
        }
        // inside of values a line break is always escaped
        for line in lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            if !self.first {
                write!(out, ",")?;
            }
            self.first = false;
            out.write_all(line)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<Option<String>, WriteError> {
        if self.array {
            writeln!(out, "]")?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};

    use super::*;

    fn print(mut rows: JsonRows, batches: usize) -> String {
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let mut out = Vec::new();
        assert!(rows.begin(&batch.schema(), &mut out).is_ok());
        for _ in 0..batches {
            assert!(rows.batch(&batch, &mut out).is_ok());
        }
        assert!(rows.end(&mut out).is_ok());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn arrays_span_batches() {
        assert_eq!(print(JsonRows::array(), 0), "[]\n");
        assert_eq!(
            print(JsonRows::array(), 2),
            "[{\"id\":1},{\"id\":null},{\"id\":1},{\"id\":null}]\n"
        );
        assert_eq!(print(JsonRows::lines(), 1), "{\"id\":1}\n{\"id\":null}\n");
    }
}
