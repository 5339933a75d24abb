//! Building the file index of a data file while it is written.
//!
//! Source: `DataFileIndexWriter`, `FileIndexFormat.Writer`, `FileIndexOptions`. Bodies and container are those that the
//! readers of this module document; byte for byte what Java writes where Java's order is defined.

mod bitmap;
mod bloom;
mod bsi;
mod bytes;
mod column;
mod evolved;
mod range;
mod values;

#[cfg(test)]
mod tests;

use ::bytes::Bytes;
use arrow_array::RecordBatch;
use indexmap::IndexMap;

use self::bytes::{put_int, put_utf};
use self::column::{IndexKind, IndexedColumn};
use super::container::{MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::spec::DataField;

/// Type of an index and its content; `None` where there is none.
type TypedBody = (&'static str, Option<Vec<u8>>);

const PREFIX: &str = "file-index.";

/// Builds the indexes of one data file.
pub struct FileIndexWriter {
    columns: Vec<IndexedColumn>,
    rows: u32,
}

impl FileIndexWriter {
    /// The indexes that options `file-index.<type>.columns` ask for; `None` when they ask for none.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown column or a malformed value, `Unsupported` for a type of index or column that
    /// cannot be indexed; all name the option.
    pub fn new(fields: &[DataField], options: &IndexMap<String, String>) -> Result<Option<Self>> {
        let mut columns = Vec::new();
        for (key, value) in options {
            let index_type = key
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.strip_suffix(".columns"));
            let Some(index_type) = index_type else {
                continue;
            };
            let kind = IndexKind::parse(index_type).map_err(|e| e.with("option", key))?;
            for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                let prefix = format!("{PREFIX}{index_type}.{name}.");
                let option = |suffix: &str| {
                    options
                        .get(&format!("{prefix}{suffix}"))
                        .map(String::as_str)
                };
                let column = IndexedColumn::new(fields, name, kind, &option)
                    .map_err(|e| e.with_default("option", key))?;
                columns.push(column);
            }
        }
        Ok((!columns.is_empty()).then_some(Self { columns, rows: 0 }))
    }

    /// The container of no index at all.
    ///
    /// # Errors
    /// Never.
    pub fn without() -> Result<Bytes> {
        container(&IndexMap::new())
    }

    /// Names of the columns that it looks at.
    pub fn columns(&self) -> Vec<&str> {
        let name = |c: &IndexedColumn| c.name.find('[').unwrap_or(c.name.len());
        self.columns.iter().map(|c| &c.name[..name(c)]).collect()
    }

    /// Takes the next rows of the file into account.
    ///
    /// # Errors
    /// `ResourceExhausted` for a file of more than `i32::MAX` rows.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        for column in &mut self.columns {
            column.update(batch, self.rows)?;
        }
        let count = u32::try_from(batch.num_rows()).ok();
        let rows = count.and_then(|n| self.rows.checked_add(n));
        self.rows = rows.filter(|n| i32::try_from(*n).is_ok()).ok_or_else(|| {
            Error::new(
                crate::ErrorKind::ResourceExhausted,
                "a data file with an index has too many rows",
            )
        })?;
        Ok(())
    }

    /// The container of all indexes.
    ///
    /// # Errors
    /// `Internal` when an index is larger than the format allows.
    pub fn finish(self) -> Result<Bytes> {
        let rows = self.rows;
        let mut by_column: IndexMap<String, Vec<TypedBody>> = IndexMap::new();
        for column in self.columns {
            let (name, index_type) = (column.name.clone(), column.kind.name());
            let body = column.finish(rows)?;
            by_column.entry(name).or_default().push((index_type, body));
        }
        container(&by_column)
    }
}

/// The bytes of indexes by column.
fn container(by_column: &IndexMap<String, Vec<TypedBody>>) -> Result<Bytes> {
    // magic, version, head length, number of columns, redundant length
    let mut head_length = 8 + 4 + 4 + 4 + 4;
    for (column, indexes) in by_column {
        head_length += utf_length(column)? + 4;
        for (index_type, _) in indexes {
            head_length += utf_length(index_type)? + 8;
        }
    }
    let mut head = Vec::with_capacity(head_length);
    head.extend_from_slice(&MAGIC.to_be_bytes());
    head.extend_from_slice(&VERSION.to_be_bytes());
    put_int(&mut head, head_length)?;
    put_int(&mut head, by_column.len())?;
    let mut body = Vec::new();
    for (column, indexes) in by_column {
        put_utf(&mut head, column)?;
        put_int(&mut head, indexes.len())?;
        for (index_type, bytes) in indexes {
            put_utf(&mut head, index_type)?;
            match bytes {
                Some(bytes) => {
                    put_int(&mut head, head_length + body.len())?;
                    put_int(&mut head, bytes.len())?;
                    body.extend_from_slice(bytes);
                }
                None => {
                    head.extend_from_slice(&(-1i32).to_be_bytes());
                    put_int(&mut head, 0)?;
                }
            }
        }
    }
    put_int(&mut head, 0)?;
    head.extend_from_slice(&body);
    Ok(head.into())
}

fn utf_length(text: &str) -> Result<usize> {
    let mut out = Vec::new();
    put_utf(&mut out, text)?;
    Ok(out.len())
}
