//! CSV and TSV: a header line, values as text, null as nothing, an empty text as `""`.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use paimon_datafusion::nested_options;

use super::{Rows, WriteError};

/// Values separated by one character.
pub(crate) struct DelimitedRows {
    separator: char,
}

impl DelimitedRows {
    pub(crate) fn new(separator: char) -> Self {
        Self { separator }
    }

    fn write(&self, value: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let quote = value.is_empty() || value.contains([self.separator, '"', '\n', '\r']);
        if quote {
            write!(out, "\"{}\"", value.replace('"', "\"\""))
        } else {
            out.write_all(value.as_bytes())
        }
    }
}

impl Rows for DelimitedRows {
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> Result<(), WriteError> {
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                write!(out, "{}", self.separator)?;
            }
            self.write(field.name(), out)?;
        }
        writeln!(out)?;
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> Result<(), WriteError> {
        let options = FormatOptions::default()
            .with_display_error(false)
            .with_null("");
        let nested = nested_options();
        let columns = batch
            .columns()
            .iter()
            .map(|c| {
                let options = if c.data_type().is_nested() {
                    &nested
                } else {
                    &options
                };
                ArrayFormatter::try_new(c.as_ref(), options)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (i, (formatter, array)) in columns.iter().zip(batch.columns()).enumerate() {
                if i > 0 {
                    write!(out, "{}", self.separator)?;
                }
                // an untyped null has no validity bits
                if array.is_null(row) || array.data_type().is_null() {
                    continue;
                }
                text.clear();
                formatter.value(row).write(&mut text)?;
                self.write(&text, out)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut dyn Write) -> Result<Option<String>, WriteError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, NullArray, StringArray};

    use super::*;

    #[test]
    fn nulls_and_empty_texts_differ() {
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\""), Some("")]));
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        let batch = RecordBatch::try_from_iter([("id", ids), ("n", nulls), ("t", texts)]).unwrap();
        let mut out = Vec::new();
        let mut rows = DelimitedRows::new(',');
        assert!(rows.begin(&batch.schema(), &mut out).is_ok());
        assert!(rows.batch(&batch, &mut out).is_ok());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id,n,t\n1,,\"a,\"\"b\"\"\"\n,,\"\"\n"
        );
    }
}
