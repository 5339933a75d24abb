//! What is sent to the service and what it answers, as JSON.
//!
//! Java: `org.apache.paimon.rest.requests`, `org.apache.paimon.rest.responses`, `Schema`, `SchemaChange`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use paimon_core::commit::PartitionStatistics;
use paimon_core::schema::{ColumnPosition, SchemaChange};
use paimon_core::spec::{DataField, DataType, Snapshot, TableSchema};
use paimon_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::format_table::empty_schema;
use crate::function::{Function, FunctionChange};
use crate::identifier::Identifier;
use crate::view::{DeclaredView, View, ViewChange, ViewSchema};

/// Options that the service adds to those of the catalog.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfigAnswer {
    defaults: Option<BTreeMap<String, Option<String>>>,
    overrides: Option<BTreeMap<String, Option<String>>>,
}

impl ConfigAnswer {
    /// Defaults under the catalog's options, overrides over them.
    pub(super) fn merged(self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let given = |map: Option<BTreeMap<String, Option<String>>>| {
            let entries = map.unwrap_or_default().into_iter();
            entries.filter_map(|(key, value)| Some((key, value?)))
        };
        let mut merged: BTreeMap<String, String> = given(self.defaults).collect();
        merged.extend(own.clone());
        merged.extend(given(self.overrides));
        merged
    }
}

/// One page of names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamesPage {
    #[serde(
        alias = "databases",
        alias = "tables",
        alias = "views",
        alias = "functions",
        default
    )]
    pub(super) names: Option<Vec<String>>,
    #[serde(default)]
    pub(super) next_page_token: Option<String>,
}

/// A table as the service knows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TableAnswer {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_external: bool,
    #[serde(default)]
    pub(super) schema: Option<SchemaAnswer>,
}

/// A table's schema as the service knows it: all there is of a format table, of others the options tell the kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SchemaAnswer {
    /// Read when they are asked for alone: those of other tables are in schema files.
    fields: Value,
    partition_keys: Option<Vec<String>>,
    pub(super) options: BTreeMap<String, String>,
    comment: Option<String>,
}

impl SchemaAnswer {
    /// # Errors
    /// `Damaged` when the columns are none.
    pub(super) fn into_table_schema(self) -> Result<TableSchema> {
        let fields: Vec<DataField> = serde_json::from_value(self.fields).map_err(|e| {
            Error::damaged("the service's columns of a table cannot be read").with_source(e)
        })?;
        Ok(TableSchema {
            fields,
            partition_keys: self.partition_keys.unwrap_or_default(),
            options: self.options.into_iter().collect(),
            comment: self.comment,
            ..empty_schema()
        })
    }
}

/// Options of a table's store that hold for a while. No `Debug`: they are secrets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TableTokenAnswer {
    pub(super) token: BTreeMap<String, String>,
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    #[serde(default)]
    pub(super) expires_at_millis: Option<u64>,
}

/// A view as the service knows it.
#[derive(Debug, Deserialize)]
pub(super) struct ViewAnswer {
    schema: ViewSchema,
}

impl From<ViewAnswer> for View {
    fn from(answer: ViewAnswer) -> Self {
        answer.schema.into()
    }
}

/// A new view.
#[derive(Debug, Serialize)]
pub(super) struct CreateView<'a> {
    identifier: Name<'a>,
    schema: DeclaredView<'a>,
}

impl<'a> CreateView<'a> {
    pub(super) fn new(identifier: &'a Identifier, view: &'a View) -> Self {
        Self {
            identifier: Name::of(identifier),
            schema: DeclaredView::of(view),
        }
    }
}

/// Changes of a view.
#[derive(Debug, Serialize)]
pub(super) struct AlterView<'a> {
    pub(super) changes: &'a [ViewChange],
}

/// A new function.
#[derive(Debug, Serialize)]
pub(super) struct CreateFunction<'a> {
    pub(super) name: &'a str,
    #[serde(flatten)]
    pub(super) function: &'a Function,
}

/// Changes of a function.
#[derive(Debug, Serialize)]
pub(super) struct AlterFunction<'a> {
    pub(super) changes: &'a [FunctionChange],
}

/// A new database.
#[derive(Debug, Serialize)]
pub(super) struct NewDatabase<'a> {
    pub(super) name: &'a str,
    pub(super) options: &'a BTreeMap<String, String>,
}

/// Changes of a database.
#[derive(Debug, Serialize)]
pub(super) struct AlterDatabase<'a> {
    pub(super) removals: Vec<&'a str>,
    pub(super) updates: &'a BTreeMap<String, String>,
}

/// A database of the service.
#[derive(Debug, Deserialize)]
pub(super) struct DatabaseAnswer {
    location: Option<String>,
    owner: Option<String>,
    options: Option<BTreeMap<String, String>>,
}

impl DatabaseAnswer {
    /// Its properties, location and owner among them.
    pub(super) fn properties(self) -> BTreeMap<String, String> {
        let mut properties = self.options.unwrap_or_default();
        for (key, value) in [("location", self.location), ("owner", self.owner)] {
            properties.extend(value.map(|value| (key.to_string(), value)));
        }
        properties
    }
}

/// A name in a request.
#[derive(Debug, Serialize)]
pub(super) struct Name<'a> {
    database: &'a str,
    object: String,
}

impl<'a> Name<'a> {
    pub(super) fn of(identifier: &'a Identifier) -> Self {
        Self {
            database: identifier.database(),
            object: identifier.object(),
        }
    }
}

/// A new table.
#[derive(Debug, Serialize)]
pub(super) struct CreateTable<'a> {
    identifier: Name<'a>,
    schema: Declared<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declared<'a> {
    fields: &'a [DataField],
    partition_keys: &'a [String],
    primary_keys: &'a [String],
    options: &'a IndexMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
}

impl<'a> From<&'a TableSchema> for Declared<'a> {
    fn from(schema: &'a TableSchema) -> Self {
        Self {
            fields: &schema.fields,
            partition_keys: &schema.partition_keys,
            primary_keys: &schema.primary_keys,
            options: &schema.options,
            comment: schema.comment.as_deref(),
        }
    }
}

impl<'a> CreateTable<'a> {
    pub(super) fn new(identifier: &'a Identifier, schema: &'a TableSchema) -> Self {
        Self {
            identifier: Name::of(identifier),
            schema: schema.into(),
        }
    }
}

/// The schema that is to be the newest again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RollbackSchema {
    pub(super) schema_id: i64,
}

/// What a table becomes.
#[derive(Debug, Serialize)]
pub(super) struct ReplaceTable<'a> {
    schema: Declared<'a>,
}

impl<'a> ReplaceTable<'a> {
    pub(super) fn new(schema: &'a TableSchema) -> Self {
        Self {
            schema: schema.into(),
        }
    }
}

/// A table's new name.
#[derive(Debug, Serialize)]
pub(super) struct RenameTable<'a> {
    pub(super) source: Name<'a>,
    pub(super) destination: Name<'a>,
}

/// A snapshot to publish.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitTable<'a> {
    pub(super) table_id: Option<&'a str>,
    pub(super) base_snapshot_uuid: Option<&'a str>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) statistics: Vec<StatisticsMessage<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommitTableAnswer {
    pub(super) success: bool,
}

/// What a snapshot adds to a partition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatisticsMessage<'a> {
    spec: IndexMap<&'a str, &'a str>,
    record_count: i64,
    file_size_in_bytes: i64,
    file_count: i64,
    last_file_creation_time: i64,
    total_buckets: i32,
}

impl<'a> From<&'a PartitionStatistics> for StatisticsMessage<'a> {
    fn from(of: &'a PartitionStatistics) -> Self {
        let spec = of.spec.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        Self {
            spec: spec.collect(),
            record_count: of.record_count,
            file_size_in_bytes: of.file_size_in_bytes,
            file_count: of.file_count,
            last_file_creation_time: of.last_file_creation_ms,
            total_buckets: of.total_buckets,
        }
    }
}

/// Changes of a schema.
///
/// # Errors
/// `Internal` for a type that has no JSON.
pub(super) fn alter_table(changes: &[SchemaChange]) -> Result<Value> {
    let changes: Vec<Value> = changes.iter().map(change).collect::<Result<_>>()?;
    Ok(json!({ "changes": changes }))
}

fn change(change: &SchemaChange) -> Result<Value> {
    Ok(match change {
        SchemaChange::SetOption { key, value } => {
            json!({ "action": "setOption", "key": key, "value": value })
        }
        SchemaChange::RemoveOption { key } => json!({ "action": "removeOption", "key": key }),
        SchemaChange::UpdateComment(comment) => {
            json!({ "action": "updateComment", "comment": comment })
        }
        SchemaChange::AddColumn {
            path,
            data_type,
            comment,
            position,
        } => {
            let name = path.last().map(String::as_str).unwrap_or_default();
            json!({
                "action": "addColumn",
                "fieldNames": path,
                "dataType": type_json(data_type)?,
                "comment": comment,
                "move": position.as_ref().map(|p| place(name, p)),
            })
        }
        SchemaChange::RenameColumn { path, to } => {
            json!({ "action": "renameColumn", "fieldNames": path, "newName": to })
        }
        SchemaChange::DropColumn { path } => json!({ "action": "dropColumn", "fieldNames": path }),
        SchemaChange::UpdateColumnPosition { column, position } => {
            json!({ "action": "updateColumnPosition", "move": place(column, position) })
        }
        SchemaChange::DropPrimaryKey => json!({ "action": "dropPrimaryKey" }),
        other => column_change(other)?,
    })
}

/// A change of what a column is.
fn column_change(change: &SchemaChange) -> Result<Value> {
    Ok(match change {
        SchemaChange::UpdateColumnType {
            path,
            data_type,
            keep_nullability,
        } => json!({
            "action": "updateColumnType",
            "fieldNames": path,
            "newDataType": type_json(data_type)?,
            "keepNullability": keep_nullability,
        }),
        SchemaChange::UpdateColumnNullability { path, nullable } => json!({
            "action": "updateColumnNullability",
            "fieldNames": path,
            "newNullability": nullable,
        }),
        SchemaChange::UpdateColumnComment { path, comment } => {
            json!({ "action": "updateColumnComment", "fieldNames": path, "newComment": comment })
        }
        SchemaChange::UpdateColumnDefault { path, default } => json!({
            "action": "updateColumnDefaultValue",
            "fieldNames": path,
            "newDefaultValue": default,
        }),
        other => {
            return Err(Error::internal(format!("a change has no JSON: {other:?}")));
        }
    })
}

fn place(column: &str, position: &ColumnPosition) -> Value {
    let (kind, other) = match position {
        ColumnPosition::First => ("FIRST", None),
        ColumnPosition::Last => ("LAST", None),
        ColumnPosition::After(other) => ("AFTER", Some(other)),
        ColumnPosition::Before(other) => ("BEFORE", Some(other)),
    };
    json!({ "fieldName": column, "referenceFieldName": other, "type": kind })
}

/// A type as it stands in a field.
fn type_json(data_type: &DataType) -> Result<Value> {
    let field = serde_json::to_value(DataField::new(0, "", data_type.clone()));
    let mut field = field.map_err(|e| Error::internal("a type is no JSON").with_source(e))?;
    Ok(field["type"].take())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;

    use super::*;

    #[test]
    fn changes_have_the_json_of_java() {
        let changes = [
            SchemaChange::SetOption {
                key: "k".into(),
                value: "v".into(),
            },
            SchemaChange::AddColumn {
                path: vec!["a".into(), "b".into()],
                data_type: parse_data_type("DECIMAL(10, 2) NOT NULL").unwrap(),
                comment: None,
                position: Some(ColumnPosition::After("c".into())),
            },
            SchemaChange::UpdateColumnPosition {
                column: "x".into(),
                position: ColumnPosition::First,
            },
            SchemaChange::DropPrimaryKey,
        ];
        let expected = json!({ "changes": [
            { "action": "setOption", "key": "k", "value": "v" },
            { "action": "addColumn", "fieldNames": ["a", "b"], "dataType": "DECIMAL(10, 2) NOT NULL", "comment": null,
              "move": { "fieldName": "b", "referenceFieldName": "c", "type": "AFTER" } },
            { "action": "updateColumnPosition",
              "move": { "fieldName": "x", "referenceFieldName": null, "type": "FIRST" } },
            { "action": "dropPrimaryKey" },
        ] });
        assert_eq!(alter_table(&changes).unwrap(), expected);
        let row = type_json(&parse_data_type("ROW<a INT>").unwrap()).unwrap();
        assert_eq!(row["type"], "ROW");
    }

    #[test]
    fn options_of_the_service_are_merged_as_java_does() {
        let answer =
            json!({ "defaults": { "a": "1", "b": "1", "n": null }, "overrides": { "c": "3" } });
        let answer: ConfigAnswer = serde_json::from_value(answer).unwrap();
        let own = [("b", "2"), ("c", "2")].map(|(k, v)| (k.to_string(), v.to_string()));
        let merged: Vec<_> = answer.merged(&BTreeMap::from(own)).into_iter().collect();
        let expected = [("a", "1"), ("b", "2"), ("c", "3")];
        assert_eq!(
            merged,
            expected.map(|(k, v)| (k.to_string(), v.to_string()))
        );
    }
}
