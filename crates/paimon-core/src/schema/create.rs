//! New tables: from what a user declares to the file `schema/schema-0`.
//!
//! Source: `Schema`, `ReassignFieldId`, `SchemaManager.createTable`.

use indexmap::IndexMap;

use super::{SchemaManager, validate_schema};
use crate::codec::write_json;
use crate::error::{Error, Result};
use crate::io::Publication;
use crate::options::parse_bool;
use crate::spec::{DataField, DataType, SYSTEM_ID_MIN, TableSchema, TypeKind};

/// Format version of schemas written today.
pub(super) const VERSION: i32 = 3;

const PRIMARY_KEY: &str = "primary-key";
const PARTITION: &str = "partition";

/// Options that are known from elsewhere and never stored.
const NOT_STORED: &[&str] = &["path", "branch"];

/// A column of a table to be created; its field ids are given later.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    /// Name.
    pub name: String,
    /// Type. Ids of nested fields are of no account.
    pub data_type: DataType,
    /// Comment.
    pub comment: Option<String>,
    /// Default as text, cast to the type when a row has null.
    pub default: Option<String>,
}

/// A table to be created. Java's name: `Schema`.
///
/// Keys may be given as lists or as the options `primary-key` and `partition`.
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
    /// A new table like the one of a schema.
    pub fn like(schema: &TableSchema) -> Self {
        let column = |f: &DataField| NewColumn {
            name: f.name.clone(),
            data_type: f.data_type.clone(),
            comment: f.description.clone(),
            default: f.default_value.clone(),
        };
        Self {
            columns: schema.fields.iter().map(column).collect(),
            partition_keys: schema.partition_keys.clone(),
            primary_keys: schema.primary_keys.clone(),
            options: schema.options.clone(),
            comment: schema.comment.clone(),
        }
    }

    /// The first schema of a table: keys moved out of the options, key columns NOT NULL, fields numbered depth first,
    /// all rules checked. `now_ms` is the creation time, epoch milliseconds.
    ///
    /// # Errors
    /// `InvalidInput` naming the option or column that breaks a rule, `Unsupported` naming the option or column that
    /// this engine cannot honour.
    pub fn into_schema(mut self, now_ms: i64) -> Result<TableSchema> {
        self.take_keys()?;
        for key in NOT_STORED {
            self.options.shift_remove(*key);
        }
        self.check_names()?;
        for column in &self.columns {
            check_comment(&column.name, column.comment.as_deref())?;
        }
        let nullable_key = match self.options.get("primary-key.nullable") {
            Some(text) => parse_bool(text).map_err(|e| e.with("option", "primary-key.nullable"))?,
            None => false,
        };
        let primary_keys = &self.primary_keys;
        let field = |column: NewColumn| {
            let mut field = DataField::new(0, column.name, column.data_type);
            if primary_keys.contains(&field.name) {
                field.data_type.nullable = nullable_key;
            }
            field.description = column.comment;
            field.default_value = column.default;
            field
        };
        let mut fields: Vec<DataField> = self.columns.into_iter().map(field).collect();
        let mut next_id = 0;
        assign_ids(&mut fields, &mut next_id)?;
        let schema = TableSchema {
            version: VERSION,
            id: 0,
            fields,
            highest_field_id: next_id - 1,
            partition_keys: self.partition_keys,
            primary_keys: self.primary_keys,
            options: self.options,
            comment: self.comment,
            time_millis: now_ms,
        };
        validate_schema(&schema)?;
        check_engine(&schema)?;
        Ok(schema)
    }

    fn take_keys(&mut self) -> Result<()> {
        for (option, keys, what) in [
            (PRIMARY_KEY, &mut self.primary_keys, "primary key"),
            (PARTITION, &mut self.partition_keys, "partition columns"),
        ] {
            let Some(text) = self.options.shift_remove(option) else {
                continue;
            };
            if !keys.is_empty() {
                return Err(Error::invalid(format!(
                    "the {what} are given twice: as a clause and as option `{option}`"
                ))
                .with("option", option));
            }
            *keys = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_string)
                .collect();
        }
        Ok(())
    }

    fn check_names(&self) -> Result<()> {
        if self.columns.is_empty() {
            return Err(Error::invalid("a table must have at least one column"));
        }
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        for (i, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Error::invalid("a column must have a name"));
            }
            if names[..i].contains(name) {
                return Err(
                    Error::invalid(format!("column {name:?} appears twice")).with("column", name)
                );
            }
        }
        for (keys, what) in [
            (&self.primary_keys, "primary key"),
            (&self.partition_keys, "partition"),
        ] {
            if let Some(unknown) = keys.iter().find(|k| !names.contains(&k.as_str())) {
                return Err(Error::invalid(format!(
                    "{what} column {unknown:?} is not a column: there are {}",
                    names.join(", ")
                ))
                .with("column", unknown));
            }
        }
        Ok(())
    }
}

/// A comment must not turn a column into a BLOB or a VECTOR. Source: `ColumnDirectiveUtils`.
pub(super) fn check_comment(column: &str, comment: Option<&str>) -> Result<()> {
    let comment = comment.unwrap_or_default();
    match comment.starts_with("__BLOB") || comment.starts_with("__VECTOR") {
        false => Ok(()),
        true => Err(Error::unsupported(
            "comments that begin with __BLOB or __VECTOR are directives, which are not supported",
        )
        .with("column", column)),
    }
}

/// Numbers fields depth first: a column, then the fields inside its type, then the next column.
pub(super) fn assign_ids(fields: &mut [DataField], next: &mut i32) -> Result<()> {
    for field in fields {
        if *next >= SYSTEM_ID_MIN {
            return Err(Error::invalid(format!(
                "a table has at most {SYSTEM_ID_MIN} fields"
            )));
        }
        field.id = *next;
        *next += 1;
        assign_nested(&mut field.data_type, next)?;
    }
    Ok(())
}

fn assign_nested(data_type: &mut DataType, next: &mut i32) -> Result<()> {
    match &mut data_type.kind {
        TypeKind::Array(e) | TypeKind::Vector(e, _) | TypeKind::Multiset(e) => {
            assign_nested(e, next)
        }
        TypeKind::Map(key, value) => {
            assign_nested(key, next)?;
            assign_nested(value, next)
        }
        TypeKind::Row(fields) => assign_ids(fields, next),
        _ => Ok(()),
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
    /// Creates the file of a schema unless a schema of its id exists: of several callers exactly one succeeds.
    ///
    /// # Errors
    /// `Io` when the store fails. The file may be there all the same.
    ///
    /// # Cancel safety
    /// A cancelled call may have created the file.
    pub async fn create(&self, schema: &TableSchema) -> Result<Publication> {
        let path = format!("{}/schema-{}", self.folder, schema.id);
        self.io.publish(&path, write_json(schema)?.into()).await
    }

    /// Takes back a schema that was created a moment ago, unless a newer one builds on it. Returns whether it did.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn withdraw(&self, id: i64) -> Result<bool> {
        if self.ids().await?.last() != Some(&id) {
            return Ok(false);
        }
        self.cache.lock().remove(&id);
        self.io
            .discard(&format!("{}/schema-{id}", self.folder))
            .await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::path::Path;
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::codec::parse_json;
    use crate::io::FileIo;
    use crate::spec::parse_data_type;

    fn declared(columns: &[(&str, &str)], options: &[(&str, &str)]) -> NewTable {
        let column = |(name, text): &(&str, &str)| NewColumn {
            name: (*name).to_string(),
            data_type: parse_data_type(text).unwrap(),
            comment: None,
            default: None,
        };
        NewTable {
            columns: columns.iter().map(column).collect(),
            options: options
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            ..NewTable::default()
        }
    }

    #[test]
    fn ids_are_given_depth_first_and_keys_leave_the_options() {
        let columns = [
            ("id", "INT"),
            ("r", "ROW<x INT, y ROW<z STRING>>"),
            ("a", "ARRAY<ROW<u INT, w MAP<INT, ROW<q INT>>>>"),
            ("p", "STRING"),
        ];
        let options = [
            ("primary-key", "p, id"),
            ("partition", "p"),
            ("path", "/x"),
            ("bucket", "2"),
            ("unknown.key", "kept"),
        ];
        let schema = declared(&columns, &options).into_schema(7).unwrap();
        let ids: Vec<i32> = schema.fields.iter().map(|f| f.id).collect();
        assert_eq!((ids, schema.highest_field_id), (vec![0, 1, 5, 9], 9));
        let text = serde_json::to_string(&schema.fields[2].data_type).unwrap();
        assert!(
            text.contains("\"id\":6") && text.contains("\"id\":8"),
            "{text}"
        );
        assert_eq!(schema.primary_keys, ["p", "id"]);
        assert_eq!(schema.partition_keys, ["p"]);
        assert!(!schema.fields[0].data_type.nullable && !schema.fields[3].data_type.nullable);
        let keys: Vec<&str> = schema.options.keys().map(String::as_str).collect();
        assert_eq!(keys, ["bucket", "unknown.key"]);
        assert_eq!((schema.version, schema.id, schema.time_millis), (3, 0, 7));
    }

    #[test]
    fn keys_of_a_nullable_primary_key_become_nullable() {
        let options = [("primary-key", "id"), ("primary-key.nullable", "true")];
        let schema = declared(&[("id", "INT NOT NULL"), ("v", "INT")], &options);
        let schema = schema.into_schema(0).unwrap();
        assert!(schema.fields[0].data_type.nullable);
    }

    #[test]
    fn wrong_declarations_are_refused() {
        let twice = NewTable {
            primary_keys: vec!["a".into()],
            ..declared(&[("a", "INT"), ("b", "INT")], &[("primary-key", "a")])
        };
        let mut directive = declared(&[("a", "BYTES")], &[]);
        directive.columns[0].comment = Some("__BLOB_FIELD".into());
        let mut default = declared(&[("a", "INT")], &[]);
        default.columns[0].default = Some("many".into());
        for (schema, named) in [
            (declared(&[], &[]), "column"),
            (declared(&[("a", "INT"), ("a", "INT")], &[]), "a"),
            (declared(&[("a", "INT")], &[("primary-key", "b")]), "b"),
            (declared(&[("a", "INT")], &[("partition", "c")]), "c"),
            (twice, "primary-key"),
            (directive, "__BLOB"),
            (default, "default"),
            (
                declared(&[("a", "INT")], &[("merge-engine", "aggregation")]),
                "merge-engine",
            ),
            (
                declared(&[("a", "INT")], &[("merge-engine", "no-such")]),
                "merge-engine",
            ),
        ] {
            let error = schema.into_schema(0).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }

    #[tokio::test]
    async fn a_schema_is_created_once() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let manager = SchemaManager::new(io, "memory:/t");
        let schema = declared(&[("a", "INT")], &[]).into_schema(1).unwrap();
        assert_eq!(manager.create(&schema).await.unwrap(), Publication::Created);
        assert_eq!(manager.create(&schema).await.unwrap(), Publication::Exists);
        assert_eq!(*manager.schema(0).await.unwrap(), schema);
    }

    #[test]
    fn files_are_laid_out_as_java_writes_them() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
        let mut same = 0;
        for entry in std::fs::read_dir(golden).unwrap() {
            let entry = entry.unwrap();
            // hand-made files
            if entry.file_name().to_string_lossy().starts_with("odd-") {
                continue;
            }
            let folder = entry.path().join("table/schema");
            let Ok(files) = std::fs::read_dir(folder) else {
                continue;
            };
            for file in files {
                let path = file.unwrap().path();
                let Ok(bytes) = std::fs::read(&path) else {
                    continue;
                };
                let Ok(schema) = parse_json::<TableSchema>(&bytes, "schema") else {
                    continue;
                };
                if schema.version != VERSION {
                    continue;
                }
                let ours = String::from_utf8(write_json(&schema).unwrap()).unwrap();
                assert_eq!(ours, String::from_utf8_lossy(&bytes), "{}", path.display());
                same += 1;
            }
        }
        assert!(same > 100, "{same} files");
    }
}
