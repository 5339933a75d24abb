//! The indexes that options ask for, of a file whose schema may be an older one.
//!
//! Source: `FileIndexProcessor.SchemaCache`. Columns are told by their ids: a file has the indexes of the columns that it
//! holds, under the names that it knows.

use indexmap::IndexMap;

use super::{FileIndexWriter, PREFIX};
use crate::error::Result;
use crate::spec::DataField;

impl FileIndexWriter {
    /// As [`Self::new`], of a file of `file_fields` in a table of `fields`. Columns that the file lacks, or has with a type
    /// that cannot be indexed so, are left out.
    ///
    /// # Errors
    /// As [`Self::new`] for the table's own columns.
    pub fn of_file(
        fields: &[DataField],
        options: &IndexMap<String, String>,
        file_fields: &[DataField],
    ) -> Result<Option<Self>> {
        let of_table = Self::new(fields, options)?;
        if of_table.is_none() || fields == file_fields {
            return Ok(of_table);
        }
        Self::new(file_fields, &translated(fields, options, file_fields))
    }
}

/// The options with the names of columns that a file has.
fn translated(
    fields: &[DataField],
    options: &IndexMap<String, String>,
    file_fields: &[DataField],
) -> IndexMap<String, String> {
    let mut all = IndexMap::new();
    for (key, value) in options {
        let kind = key.strip_prefix(PREFIX);
        let Some(kind) = kind.and_then(|rest| rest.strip_suffix(".columns")) else {
            continue;
        };
        let mut names = Vec::new();
        for name in value.split(',').map(str::trim) {
            let Some(own) = name_in_file(name, fields, file_fields) else {
                continue;
            };
            let one = of_column(options, kind, name, &own);
            if FileIndexWriter::new(file_fields, &one).is_ok() {
                names.push(own);
                all.extend(one);
            }
        }
        match names.is_empty() {
            true => all.shift_remove(key),
            false => all.insert(key.clone(), names.join(",")),
        };
    }
    all
}

/// The options of one index, its column by another name.
fn of_column(
    options: &IndexMap<String, String>,
    kind: &str,
    name: &str,
    own: &str,
) -> IndexMap<String, String> {
    let prefix = format!("{PREFIX}{kind}.{name}.");
    let renamed = options.iter().filter_map(|(key, value)| {
        let what = key.strip_prefix(&prefix)?;
        Some((format!("{PREFIX}{kind}.{own}.{what}"), value.clone()))
    });
    let mut one: IndexMap<_, _> = renamed.collect();
    one.insert(format!("{PREFIX}{kind}.columns"), own.to_string());
    one
}

/// `column` or `column[key]` as the file names it.
fn name_in_file(name: &str, fields: &[DataField], file_fields: &[DataField]) -> Option<String> {
    let (column, key) = name.split_at(name.find('[').unwrap_or(name.len()));
    let id = fields.iter().find(|f| f.name == column)?.id;
    let own = file_fields.iter().find(|f| f.id == id)?;
    Some(format!("{}{key}", own.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::parse_data_type;

    fn fields(columns: &[(i32, &str, &str)]) -> Vec<DataField> {
        let field = |(id, name, text): &(i32, &str, &str)| {
            DataField::new(*id, *name, parse_data_type(text).unwrap())
        };
        columns.iter().map(field).collect()
    }

    fn options(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn columns_are_those_of_the_file_by_id() {
        let table = fields(&[
            (0, "id", "BIGINT"),
            (1, "label", "STRING"),
            (2, "new", "INT"),
            (3, "m", "MAP<STRING, INT>"),
        ]);
        let file = fields(&[
            (0, "id", "INT"),
            (1, "name", "STRING"),
            (3, "old", "MAP<STRING, INT>"),
        ]);
        let options = options(&[
            ("bucket", "1"),
            ("file-index.bloom-filter.columns", "label, new,m[k]"),
            ("file-index.bloom-filter.label.items", "30"),
            ("file-index.bitmap.columns", "new"),
        ]);
        let expected = [
            ("file-index.bloom-filter.name.items", "30"),
            ("file-index.bloom-filter.columns", "name,old[k]"),
        ];
        let found = translated(&table, &options, &file);
        for (key, value) in expected {
            assert_eq!(found[key], value);
        }
        assert_eq!(found.len(), 2, "{found:?}");
        let writer = FileIndexWriter::of_file(&table, &options, &file).unwrap();
        let names: Vec<String> = writer
            .unwrap()
            .columns
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(names, ["name", "old[k]"]);
    }

    #[test]
    fn a_type_that_cannot_be_indexed_is_left_out() {
        let table = fields(&[(0, "a", "INT"), (1, "b", "INT")]);
        let file = fields(&[(0, "a", "DECIMAL(9, 2)"), (1, "b", "INT")]);
        let asked = options(&[("file-index.bitmap.columns", "a,b")]);
        let found = translated(&table, &asked, &file);
        assert_eq!(found["file-index.bitmap.columns"], "b");
        let only = options(&[("file-index.bitmap.columns", "a")]);
        let writer = FileIndexWriter::of_file(&table, &only, &file).unwrap();
        assert!(writer.is_none());
        let unknown = options(&[("file-index.bitmap.columns", "gone")]);
        assert!(FileIndexWriter::of_file(&table, &unknown, &file).is_err());
    }
}
