//! Format tables: folders of files of one format without snapshots.
//!
//! Java: `org.apache.paimon.table.FormatTable`, `CatalogUtils.validateFormatTableOptions`.

use std::collections::BTreeMap;

use paimon_core::io::FileIo;
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::{DataField, DataType, TableSchema, TypeKind};
use paimon_core::{Error, Result};

/// Option key of a table's kind.
pub(crate) const TYPE: &str = "type";
/// [`TYPE`] of format tables.
pub(crate) const FORMAT_TABLE: &str = "format-table";
/// Option key of the format of files.
pub(crate) const FILE_FORMAT: &str = "file.format";
/// Who reads: `paimon` or the engine.
const IMPLEMENTATION: &str = "format-table.implementation";
/// Whether partitions are those that the catalog knows, whatever folders there are.
const PARTITIONED: &str = "metastore.partitioned-table";

/// Format of the files of a format table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// `csv`
    Csv,
    /// `json`, one object a line
    Json,
    /// `text`, one column
    Text,
    /// `parquet`
    Parquet,
    /// `orc`
    Orc,
}

impl FileFormat {
    /// The format of that name, in any case.
    ///
    /// # Errors
    /// `Unsupported` for any other.
    pub fn parse(name: &str) -> Result<Self> {
        let all = [Self::Csv, Self::Json, Self::Text, Self::Parquet, Self::Orc];
        let found = all
            .into_iter()
            .find(|f| f.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            Error::unsupported(format!(
                "format tables have files of csv, json, text, parquet or orc, found {name:?}"
            ))
            .with("option", FILE_FORMAT)
        })
    }

    /// Its name in options and at the end of file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Text => "text",
            Self::Parquet => "parquet",
            Self::Orc => "orc",
        }
    }
}

/// A folder of files of one format, with Hive's layout of partitions.
#[derive(Debug, Clone)]
pub struct FormatTable {
    /// Database and table, for messages.
    pub name: String,
    /// Where the files are.
    pub location: String,
    /// The store of the location.
    pub io: FileIo,
    /// Format of the files.
    pub format: FileFormat,
    /// Columns, partition columns among them.
    pub fields: Vec<DataField>,
    /// Names of the partition columns, in the order of folders.
    pub partition_keys: Vec<String>,
    /// Options, those of the format among them.
    pub options: BTreeMap<String, String>,
    /// What it is for.
    pub comment: Option<String>,
}

impl FormatTable {
    /// A table of what a catalog knows of it.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` naming the option or the column.
    pub fn new(name: &str, location: &str, io: FileIo, schema: TableSchema) -> Result<Self> {
        let checked = || {
            check_options(&schema)?;
            format_of(&schema)
        };
        let format = checked().map_err(|e| e.with_default("table", name))?;
        Ok(Self {
            name: name.to_string(),
            location: location.trim_end_matches('/').to_string(),
            io,
            format,
            fields: schema.fields,
            partition_keys: schema.partition_keys,
            options: schema.options.into_iter().collect(),
            comment: schema.comment,
        })
    }

    /// The table after some changes of its columns and options; its files stay as they are.
    ///
    /// Java: `SchemaManager.generateTableSchema`, as services apply it to format tables. Not as there, files that
    /// lie there are still read as before: their format stays, and so do names and places of columns by which values are found.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` or `Unsupported` naming the column or option.
    pub fn altered(&self, changes: &[SchemaChange]) -> Result<Self> {
        let named = |e: Error| e.with_default("table", &self.name);
        let schema = self.schema().changed(changes, false, 0).map_err(named)?;
        check_columns(&schema).map_err(named)?;
        let new = Self::new(&self.name, &self.location, self.io.clone(), schema)?;
        self.check_files(&new).map_err(named)?;
        Ok(new)
    }

    /// Whether the files that are there still mean the same.
    fn check_files(&self, new: &Self) -> Result<()> {
        if new.format != self.format {
            return Err(Error::invalid(format!(
                "the files of the table are {}: make a table of {} and insert its rows",
                self.format.name(),
                new.format.name()
            ))
            .with("option", FILE_FORMAT));
        }
        let (before, after) = (self.stored(), new.stored());
        if matches!(self.format, FileFormat::Csv | FileFormat::Text) {
            let moved = before
                .iter()
                .zip(&after)
                .find(|(old, new)| old.id != new.id);
            return match moved {
                None => Ok(()),
                Some((old, _)) => Err(Error::invalid(
                    "fields of files go by position: columns come and go behind all others that are no partition columns",
                )
                .with("column", &old.name)),
            };
        }
        let pairs = after.iter().filter_map(|new| {
            let old = before.iter().find(|old| old.id == new.id)?;
            Some((*old, *new))
        });
        match pairs.filter_map(|(old, new)| renamed(old, new)).next() {
            None => Ok(()),
            Some(name) => Err(Error::invalid(
                "files name their columns: make a table with the new name and insert the rows",
            )
            .with("column", name)),
        }
    }

    /// The columns that files hold.
    fn stored(&self) -> Vec<&DataField> {
        let is_key = |f: &&DataField| self.partition_keys.contains(&f.name);
        self.fields.iter().filter(|f| !is_key(f)).collect()
    }

    /// Its columns, keys and options as a schema.
    pub fn schema(&self) -> TableSchema {
        TableSchema {
            fields: self.fields.clone(),
            partition_keys: self.partition_keys.clone(),
            options: self
                .options
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            comment: self.comment.clone(),
            highest_field_id: highest_id(&self.fields),
            ..empty_schema()
        }
    }
}

/// The highest id of a column or of a field inside a type.
fn highest_id(fields: &[DataField]) -> i32 {
    let within = |field: &DataField| highest_id_in(&field.data_type).max(field.id);
    fields.iter().map(within).max().unwrap_or(0)
}

fn highest_id_in(data_type: &DataType) -> i32 {
    match &data_type.kind {
        TypeKind::Row(fields) => highest_id(fields),
        TypeKind::Array(element) | TypeKind::Multiset(element) => highest_id_in(element),
        TypeKind::Map(key, value) => highest_id_in(key).max(highest_id_in(value)),
        _ => 0,
    }
}

/// A schema without columns, to be filled.
pub(crate) fn empty_schema() -> TableSchema {
    TableSchema {
        version: 3,
        id: 0,
        fields: Vec::new(),
        highest_field_id: 0,
        partition_keys: Vec::new(),
        primary_keys: Vec::new(),
        options: NewTable::default().options,
        comment: None,
        time_millis: 0,
    }
}

/// Whether the options make a table a format table.
pub(crate) fn is_format_table<'a>(
    mut options: impl Iterator<Item = (&'a String, &'a String)>,
) -> bool {
    options.any(|(key, value)| key == TYPE && value.eq_ignore_ascii_case(FORMAT_TABLE))
}

/// The format of a table's files.
///
/// # Errors
/// `Unsupported` for one that format tables do not have.
pub(crate) fn format_of(schema: &TableSchema) -> Result<FileFormat> {
    // the default format of tables
    let name = schema
        .options
        .get(FILE_FORMAT)
        .map_or("parquet", String::as_str);
    FileFormat::parse(name)
}

#[cfg(any(feature = "hive", feature = "rest"))]
/// The schema of a new format table; its options name its kind and format.
///
/// # Errors
/// `InvalidInput` for a primary key, a partition column that is not there and malformed options.
pub(crate) fn new_schema(mut table: NewTable) -> Result<TableSchema> {
    if !table.primary_keys.is_empty() || table.options.contains_key("primary-key") {
        return Err(
            Error::invalid("a format table has no primary key").with("option", "primary-key")
        );
    }
    if let Some(keys) = table.options.shift_remove("partition") {
        table.partition_keys = keys.split(',').map(|k| k.trim().to_string()).collect();
    }
    let mut schema = TableSchema {
        partition_keys: table.partition_keys,
        options: table.options,
        comment: table.comment,
        ..empty_schema()
    };
    for (id, column) in (0i32..).zip(table.columns) {
        schema.fields.push(DataField {
            description: column.comment,
            default_value: column.default,
            ..DataField::new(id, column.name, column.data_type)
        });
        schema.highest_field_id = id;
    }
    check_columns(&schema)?;
    check_options(&schema)?;
    let format = format_of(&schema)?;
    schema
        .options
        .insert(FILE_FORMAT.to_string(), format.name().to_string());
    Ok(schema)
}

fn check_columns(schema: &TableSchema) -> Result<()> {
    if schema.fields.len() <= schema.partition_keys.len() {
        return Err(Error::invalid(
            "a format table needs a column that is no partition column",
        ));
    }
    for (i, field) in schema.fields.iter().enumerate() {
        if schema
            .fields
            .iter()
            .skip(i + 1)
            .any(|f| f.name == field.name)
        {
            return Err(Error::invalid("a column is declared twice").with("column", &field.name));
        }
    }
    for key in &schema.partition_keys {
        if schema.field(key).is_none() {
            return Err(Error::invalid("a partition column is no column").with("column", key));
        }
    }
    Ok(())
}

/// Refuses options of format tables that mean something this engine does not do.
///
/// # Errors
/// `Unsupported` naming the option.
fn check_options(schema: &TableSchema) -> Result<()> {
    let given = |key: &str| schema.options.get(key).map(String::as_str);
    if given(IMPLEMENTATION).is_some_and(|v| !v.eq_ignore_ascii_case("paimon")) {
        return Err(Error::unsupported(
            "format tables are read and written here alone: expected 'paimon'",
        )
        .with("option", IMPLEMENTATION));
    }
    match given(PARTITIONED).is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        true => Err(Error::unsupported(
            "partitions of format tables are their folders: those that a catalog manages are not supported",
        )
        .with("option", PARTITIONED)),
        false => Ok(()),
    }
}

/// The new name of a field that has another one than before, the column itself or one inside of it.
fn renamed<'a>(old: &DataField, new: &'a DataField) -> Option<&'a str> {
    if old.name != new.name {
        return Some(&new.name);
    }
    renamed_inside(&old.data_type.kind, &new.data_type.kind)
}

fn renamed_inside<'a>(old: &TypeKind, new: &'a TypeKind) -> Option<&'a str> {
    match (old, new) {
        (TypeKind::Row(before), TypeKind::Row(after)) => after.iter().find_map(|new| {
            let old = before.iter().find(|old| old.id == new.id)?;
            renamed(old, new)
        }),
        (TypeKind::Array(old), TypeKind::Array(new))
        | (TypeKind::Multiset(old), TypeKind::Multiset(new)) => {
            renamed_inside(&old.kind, &new.kind)
        }
        (TypeKind::Map(old_key, old), TypeKind::Map(new_key, new)) => {
            renamed_inside(&old_key.kind, &new_key.kind)
                .or_else(|| renamed_inside(&old.kind, &new.kind))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::schema::ColumnPosition;
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn table(format: &str) -> FormatTable {
        let field = |(id, name, text): (i32, &str, &str)| {
            DataField::new(id, name, parse_data_type(text).unwrap())
        };
        let mut schema = TableSchema {
            fields: [(0, "a", "INT"), (1, "b", "STRING"), (2, "p", "INT")]
                .map(field)
                .to_vec(),
            partition_keys: vec!["p".to_string()],
            ..empty_schema()
        };
        for (key, value) in [(TYPE, FORMAT_TABLE), (FILE_FORMAT, format)] {
            schema.options.insert(key.to_string(), value.to_string());
        }
        let io = FileIo::for_location("memory:/f").unwrap();
        FormatTable::new("db.f", "memory:/f", io, schema).unwrap()
    }

    fn add(position: Option<ColumnPosition>) -> SchemaChange {
        SchemaChange::AddColumn {
            path: vec!["n".to_string()],
            data_type: parse_data_type("ROW<x INT, y INT>").unwrap(),
            comment: None,
            position,
        }
    }

    #[test]
    fn new_columns_have_ids_of_their_own() {
        let added = table("json").altered(&[add(None)]).unwrap();
        let ids: Vec<i32> = added.fields.iter().map(|f| f.id).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        assert_eq!(highest_id(&added.fields), 5);
    }

    #[test]
    fn fields_inside_of_columns_keep_their_names() {
        let added = table("json").altered(&[add(None)]).unwrap();
        let rename = |name: &str| SchemaChange::RenameColumn {
            path: vec!["n".to_string(), name.to_string()],
            to: "z".to_string(),
        };
        let error = added.altered(&[rename("x")]).unwrap_err().to_string();
        assert!(error.contains("make a table with the new name"), "{error}");
        let drop = SchemaChange::DropColumn {
            path: vec!["n".to_string(), "x".to_string()],
        };
        added.altered(&[drop]).unwrap();
    }

    #[test]
    fn what_files_hold_keeps_its_meaning() {
        let first = add(Some(ColumnPosition::First));
        let behind = add(Some(ColumnPosition::After("b".to_string())));
        let rename = SchemaChange::RenameColumn {
            path: vec!["a".to_string()],
            to: "c".to_string(),
        };
        let drop = |name: &str| SchemaChange::DropColumn {
            path: vec![name.to_string()],
        };
        // by position, by name
        for (change, csv, json) in [
            (add(None), true, true),
            (behind, true, true),
            (first, false, true),
            (rename, true, false),
            (drop("b"), true, true),
            (drop("a"), false, true),
            (drop("p"), false, false),
        ] {
            for (format, fits) in [("csv", csv), ("json", json), ("parquet", json)] {
                let altered = table(format).altered(std::slice::from_ref(&change));
                assert_eq!(altered.is_ok(), fits, "{format} {change:?}");
            }
        }
    }
}
