//! Folders of partitions.
//!
//! Java: `PartitionPathUtils`, `InternalRowPartitionComputer`.
//!
//! ```text
//! <table>/dt=2024-01-01/hour=7/data-..      or, by the value alone,      <table>/2024-01-01/7/data-..
//! ```

use arrow::array::{Array, ArrayRef};
use paimon_catalog::FormatTable;
use paimon_core::arrow_bridge::{array_of, datum_at};
use paimon_core::spec::{DataField, Datum, escape, partition_value_text, unescape};
use paimon_core::{Error, Result};

use super::options::FileOptions;
use super::values::typed;

/// How partitions are folders.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The partition columns, in the order of folders.
    pub(super) keys: Vec<DataField>,
    default_name: String,
    only_value: bool,
    legacy: bool,
}

impl Layout {
    pub(super) fn new(table: &FormatTable, options: &FileOptions) -> Self {
        Self {
            keys: table.schema().partition_fields(),
            default_name: options.default_partition.clone(),
            only_value: options.only_value,
            legacy: options.legacy_names,
        }
    }

    /// Value that the folder of a level stands for, as text and `None` for null; the outer `None` when the folder is no
    /// partition.
    pub(super) fn value(&self, level: usize, folder: &str) -> Option<Option<String>> {
        let key = self.keys.get(level)?;
        let value = if self.only_value {
            if is_hidden(folder) && folder != self.default_name {
                return None;
            }
            unescape(folder)
        } else {
            let (name, value) = folder.split_once('=')?;
            if is_hidden(folder) || unescape(name) != key.name {
                return None;
            }
            unescape(value)
        };
        Some((value != self.default_name).then_some(value))
    }

    /// A value of the column of a level, of one row.
    ///
    /// # Errors
    /// `Damaged` naming the folder when its text is no value of the column.
    pub(super) fn typed_value(&self, level: usize, value: Option<&str>) -> Result<ArrayRef> {
        let key = self
            .keys
            .get(level)
            .ok_or_else(|| Error::internal("a partition folder lies too deep"))?;
        let read = typed(&[value], &key.data_type)?;
        match read.malformed.is_empty() {
            true => Ok(read.array),
            false => Err(Error::damaged(format!(
                "the folder of a partition is no {}: {:?}",
                key.data_type.kind,
                value.unwrap_or_default()
            ))
            .with("column", &key.name)),
        }
    }

    /// `k1=v1/k2=v2` of values of one row each.
    ///
    /// # Errors
    /// `Internal` for values of other types.
    pub(super) fn name(&self, values: &[ArrayRef]) -> Result<String> {
        let mut parts = Vec::with_capacity(self.keys.len());
        for (key, value) in self.keys.iter().zip(values) {
            let datum = datum_at(value.as_ref(), 0, &key.data_type)?;
            let text =
                partition_value_text(datum.as_ref(), &key.data_type, &self.default_name, false);
            parts.push(format!("{}={text}", key.name));
        }
        Ok(parts.join("/"))
    }

    /// Whether a partition of these values has those that are given.
    ///
    /// # Errors
    /// `Internal` for a column that is no partition column.
    pub(super) fn matches(
        &self,
        values: &[ArrayRef],
        given: &[(String, Option<Datum>)],
    ) -> Result<bool> {
        for (name, datum) in given {
            let level = self.keys.iter().position(|k| k.name == *name);
            let found = level.and_then(|l| Some((self.keys.get(l)?, values.get(l)?)));
            let Some((key, value)) = found else {
                return Err(
                    Error::internal("a given column is no partition column").with("column", name)
                );
            };
            let wanted = array_of(datum.as_ref(), &key.data_type, 1)?;
            if wanted.to_data() != value.to_data() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folder of a row's partition, below the table; empty without partition columns. `columns` are those of the
    /// keys.
    ///
    /// # Errors
    /// `Internal` for columns of other types.
    pub(super) fn folder(&self, columns: &[ArrayRef], row: usize) -> Result<String> {
        let mut folders = Vec::with_capacity(self.keys.len());
        for (key, column) in self.keys.iter().zip(columns) {
            let datum = datum_at(column.as_ref(), row, &key.data_type)?;
            let text = partition_value_text(
                datum.as_ref(),
                &key.data_type,
                &self.default_name,
                self.legacy,
            );
            let value = escape(&text);
            folders.push(match self.only_value {
                true => value,
                false => format!("{}={value}", escape(&key.name)),
            });
        }
        Ok(folders.join("/"))
    }
}

/// Whether a file or folder is none of the table's.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('_') || name.starts_with('.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{Date32Array, StringViewArray};
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn layout(only_value: bool, legacy: bool) -> Layout {
        let field =
            |name: &str, text: &str| DataField::new(0, name, parse_data_type(text).unwrap());
        Layout {
            keys: vec![field("p", "STRING"), field("dt", "DATE")],
            default_name: "__DEFAULT_PARTITION__".to_string(),
            only_value,
            legacy,
        }
    }

    #[test]
    fn folders_come_back_as_values() {
        let texts: StringViewArray = [Some("a/b"), None, Some("")].into_iter().collect();
        let days = Date32Array::from(vec![Some(19_857), None, Some(0)]);
        let columns: [ArrayRef; 2] = [Arc::new(texts), Arc::new(days)];
        for (only_value, legacy, folders) in [
            (
                false,
                true,
                [
                    "p=a%2Fb/dt=19857",
                    "p=__DEFAULT_PARTITION__/dt=__DEFAULT_PARTITION__",
                    "p=__DEFAULT_PARTITION__/dt=0",
                ],
            ),
            (
                true,
                false,
                [
                    "a%2Fb/2024-05-14",
                    "__DEFAULT_PARTITION__/__DEFAULT_PARTITION__",
                    "__DEFAULT_PARTITION__/1970-01-01",
                ],
            ),
        ] {
            let layout = layout(only_value, legacy);
            for (row, expected) in folders.iter().enumerate() {
                let folder = layout.folder(&columns, row).unwrap();
                assert_eq!(folder, *expected);
                let (p, dt) = folder.split_once('/').unwrap();
                // a blank text and null are one partition
                let p = layout.value(0, p).unwrap();
                assert_eq!(p.as_deref(), [Some("a/b"), None, None][row]);
                let dt = layout.value(1, dt).unwrap();
                let dt = layout.typed_value(1, dt.as_deref()).unwrap();
                assert_eq!(dt.as_ref(), columns[1].slice(row, 1).as_ref());
            }
        }
    }

    #[test]
    fn folders_of_others_are_no_partitions() {
        let named = layout(false, true);
        for folder in ["_temporary", ".staged", "q=1", "x", "_p=1"] {
            assert!(named.value(0, folder).is_none(), "{folder}");
        }
        let bare = layout(true, true);
        assert!(bare.value(0, "_temporary").is_none());
        assert_eq!(bare.value(0, "__DEFAULT_PARTITION__"), Some(None));
        assert!(named.typed_value(1, Some("soon")).is_err());
    }
}
