//! Schemas of new tables: field ids, keys, checks, publication.
//!
//! Source: `Schema`, `SchemaValidation`, `SchemaManager.createTable`.

use indexmap::IndexMap;

use super::{SchemaManager, validate_schema};
use crate::error::{Error, Result};
use crate::io::Publication;
use crate::spec::{DataField, DataType, TableSchema, TypeKind};

/// Version of schema files.
const SCHEMA_VERSION: i32 = 3;

/// Options that become part of the schema or are given by the catalog: they are not stored.
const NOT_STORED: &[&str] = &["primary-key", "partition", "path", "branch"];

/// A column of a table to be created; its field ids are given later.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    /// Name.
    pub name: String,
    /// Type.
    pub data_type: DataType,
    /// Comment.
    pub comment: Option<String>,
    /// Default as text, cast to the type when a row has null.
    pub default: Option<String>,
}

/// A table to be created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewTable {
    /// Columns in order.
    pub columns: Vec<NewColumn>,
    /// Partition columns in order; empty when the option `partition` names them.
    pub partition_keys: Vec<String>,
    /// Primary key columns in order; empty when the option `primary-key` names them.
    pub primary_keys: Vec<String>,
    /// Options.
    pub options: IndexMap<String, String>,
    /// Comment.
    pub comment: Option<String>,
}

impl NewTable {
    /// The first schema of the table, made at `now_ms`, epoch milliseconds. Field ids are given depth first, columns of
    /// the primary key are NOT NULL.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` naming the column or option that does not fit.
    pub fn into_schema(mut self, now_ms: i64) -> Result<TableSchema> {
        let from_option = |options: &IndexMap<String, String>, key: &str| -> Vec<String> {
            let text = options.get(key).map_or("", String::as_str);
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            parts.map(str::to_string).collect()
        };
        if self.primary_keys.is_empty() {
            self.primary_keys = from_option(&self.options, "primary-key");
        }
        if self.partition_keys.is_empty() {
            self.partition_keys = from_option(&self.options, "partition");
        }
        let mut highest = -1;
        let fields = self
            .columns
            .into_iter()
            .map(|column| field(column, &self.primary_keys, &mut highest))
            .collect();
        self.options
            .retain(|key, _| !NOT_STORED.contains(&key.as_str()));
        let schema = TableSchema {
            version: SCHEMA_VERSION,
            id: 0,
            fields,
            highest_field_id: highest.max(0),
            partition_keys: self.partition_keys,
            primary_keys: self.primary_keys,
            options: self.options,
            comment: self.comment,
            time_millis: now_ms,
        };
        if schema.fields.is_empty() {
            return Err(Error::invalid("a table needs a column"));
        }
        validate_schema(&schema)?;
        check_engine(&schema)?;
        Ok(schema)
    }
}

fn field(column: NewColumn, primary_keys: &[String], highest: &mut i32) -> DataField {
    *highest += 1;
    let mut field = DataField::new(*highest, column.name, column.data_type);
    if primary_keys.contains(&field.name) {
        field.data_type.nullable = false;
    }
    number(&mut field.data_type, highest);
    field.description = column.comment;
    field.default_value = column.default;
    field
}

/// Gives the fields of nested rows their ids.
fn number(data_type: &mut DataType, highest: &mut i32) {
    match &mut data_type.kind {
        TypeKind::Array(e) | TypeKind::Multiset(e) | TypeKind::Vector(e, _) => number(e, highest),
        TypeKind::Map(key, value) => {
            number(key, highest);
            number(value, highest);
        }
        TypeKind::Row(fields) => {
            for field in fields {
                *highest += 1;
                field.id = *highest;
                number(&mut field.data_type, highest);
            }
        }
        _ => {}
    }
}

/// A merge engine without a key to merge by would be ignored.
fn check_engine(schema: &TableSchema) -> Result<()> {
    let engine = schema.options.get("merge-engine");
    match engine.filter(|e| !e.eq_ignore_ascii_case("deduplicate")) {
        Some(engine) if !schema.has_primary_key() => Err(Error::invalid(format!(
            "`merge-engine` = {engine} needs a primary key"
        ))
        .with("option", "merge-engine")),
        _ => Ok(()),
    }
}

impl SchemaManager {
    /// Publishes the first schema of a table.
    ///
    /// # Errors
    /// `InvalidInput` when the table exists already, `Io` when the store fails.
    ///
    /// # Cancel safety
    /// A cancelled call may have created the table.
    pub async fn create(&self, schema: &TableSchema) -> Result<()> {
        let exists = || Error::invalid("the table exists already");
        if !self.ids().await?.is_empty() {
            return Err(exists());
        }
        let bytes = serde_json::to_vec_pretty(schema)
            .map_err(|e| Error::internal("a schema is no JSON").with_source(e))?;
        let path = format!("{}/schema-{}", self.folder, schema.id);
        match self.io.publish(&path, bytes.into()).await? {
            Publication::Created => Ok(()),
            Publication::Exists => Err(exists()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::parse_data_type;

    fn table(columns: &[(&str, &str)], keys: &[&str], options: &[(&str, &str)]) -> NewTable {
        NewTable {
            columns: columns
                .iter()
                .map(|(name, data_type)| NewColumn {
                    name: (*name).to_string(),
                    data_type: parse_data_type(data_type).unwrap(),
                    comment: None,
                    default: None,
                })
                .collect(),
            primary_keys: keys.iter().map(ToString::to_string).collect(),
            options: options
                .iter()
                .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
                .collect(),
            ..NewTable::default()
        }
    }

    #[test]
    fn ids_go_depth_first_and_keys_are_not_null() {
        let columns = [
            ("a", "INT"),
            ("r", "ROW<x INT, y ARRAY<ROW<z INT>>>"),
            ("b", "INT"),
        ];
        let schema = table(&columns, &["b"], &[]).into_schema(1).unwrap();
        let text = serde_json::to_string(&schema.fields).unwrap();
        let ids: Vec<&str> = text
            .split("\"id\":")
            .skip(1)
            .map(|t| t.split(',').next().unwrap())
            .collect();
        assert_eq!(ids, ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(schema.highest_field_id, 5);
        assert!(!schema.fields[2].data_type.nullable);
        assert!(schema.fields[0].data_type.nullable);
    }

    #[test]
    fn keys_may_come_as_options_which_are_not_stored() {
        let options = [("primary-key", "a, b"), ("partition", "b"), ("bucket", "2")];
        let schema = table(&[("a", "INT"), ("b", "INT")], &[], &options);
        let schema = schema.into_schema(1).unwrap();
        assert_eq!(schema.primary_keys, ["a", "b"]);
        assert_eq!(schema.partition_keys, ["b"]);
        assert_eq!(schema.options.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let columns = [("a", "INT"), ("b", "STRING"), ("m", "MAP<INT, INT>")];
        for (keys, options, word) in [
            (&["c"][..], &[][..], "c"),
            (&["a", "a"], &[], "twice"),
            (&["m"], &[], "simple type"),
            (&[], &[("bucket", "0")], "bucket"),
            (&[], &[("bucket", "2")], "bucket-key"),
            (&[], &[("bucket", "2"), ("bucket-key", "z")], "z"),
            (
                &["a"],
                &[("bucket", "2"), ("bucket-key", "b")],
                "primary key",
            ),
            (&[], &[("bucket-key", "a")], "bucket key"),
            (&[], &[("merge-engine", "aggregation")], "merge-engine"),
            (&["a"], &[("merge-engine", "no-such")], "merge-engine"),
            (&["a"], &[("sequence.field", "z")], "sequence.field"),
            (
                &["a"],
                &[
                    ("merge-engine", "aggregation"),
                    ("fields.b.aggregate-function", "nonsense"),
                ],
                "nonsense",
            ),
        ] {
            let error = table(&columns, keys, options).into_schema(1).unwrap_err();
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
        let twice = table(&[("a", "INT"), ("a", "INT")], &[], &[]);
        assert!(twice.into_schema(1).is_err());
    }
}
