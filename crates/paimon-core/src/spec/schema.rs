//! A version of a table's schema: the file `schema/schema-<id>`.
//!
//! Source: `TableSchema`, `SchemaSerializer`.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::DataField;
use crate::error::{Error, Result};

/// Columns, keys and options of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSchema {
    /// Format version; 3 today, files without it are version 1.
    #[serde(default = "first_version")]
    pub version: i32,
    /// Number in the file name.
    pub id: i64,
    /// Columns in order.
    pub fields: Vec<DataField>,
    /// Largest field id ever used, nested and dropped ones included.
    #[serde(default)]
    pub highest_field_id: i32,
    /// Partition columns in order.
    #[serde(default)]
    pub partition_keys: Vec<String>,
    /// Primary key columns in order, partition columns included.
    #[serde(default)]
    pub primary_keys: Vec<String>,
    /// Options, always texts.
    #[serde(default)]
    pub options: IndexMap<String, String>,
    /// Table comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Creation time of this version, epoch milliseconds.
    #[serde(default)]
    pub time_millis: i64,
}

fn first_version() -> i32 {
    1
}

impl TableSchema {
    /// Applies the defaults that old format versions imply.
    #[must_use]
    pub fn with_legacy_defaults(mut self) -> Self {
        if self.version <= 1 {
            self.options
                .entry("bucket".into())
                .or_insert_with(|| "1".into());
        }
        if self.version <= 2 {
            self.options
                .entry("file.format".into())
                .or_insert_with(|| "orc".into());
        }
        self
    }

    /// Checks that keys name columns, once each.
    ///
    /// # Errors
    /// `Damaged` naming the key.
    pub fn validate(&self) -> Result<()> {
        for key in self.partition_keys.iter().chain(&self.primary_keys) {
            if self.field(key).is_none() {
                return Err(Error::damaged(format!(
                    "schema {}: key column {key:?} is not a column",
                    self.id
                )));
            }
        }
        let mut names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|w| w[0] == w[1]) {
            None => Ok(()),
            Some(twice) => Err(Error::damaged(format!(
                "schema {}: column {:?} appears twice",
                self.id, twice[0]
            ))),
        }
    }

    /// Column by name.
    pub fn field(&self, name: &str) -> Option<&DataField> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Column by id.
    pub fn field_by_id(&self, id: i32) -> Option<&DataField> {
        self.fields.iter().find(|f| f.id == id)
    }

    /// Columns of the given names; names that are no columns are left out.
    pub fn select(&self, names: &[String]) -> Vec<DataField> {
        names
            .iter()
            .filter_map(|n| self.field(n).cloned())
            .collect()
    }

    /// Partition columns.
    pub fn partition_fields(&self) -> Vec<DataField> {
        self.select(&self.partition_keys)
    }

    /// Primary key columns that are not partition columns, in the order of the primary key.
    pub fn trimmed_primary_keys(&self) -> Vec<String> {
        self.primary_keys
            .iter()
            .filter(|k| !self.partition_keys.contains(k))
            .cloned()
            .collect()
    }

    /// Columns of the trimmed primary key.
    pub fn key_fields(&self) -> Vec<DataField> {
        self.select(&self.trimmed_primary_keys())
    }

    /// Whether the table has a primary key.
    pub fn has_primary_key(&self) -> bool {
        !self.primary_keys.is_empty()
    }
}
