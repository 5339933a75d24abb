//! Format tables: folders of files of one format without snapshots.
//!
//! Java: `org.apache.paimon.table.FormatTable`, `CatalogUtils.validateFormatTableOptions`.

use std::collections::BTreeMap;

use paimon_core::io::FileIo;
use paimon_core::schema::NewTable;
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::{Error, Result};

/// Option key of a table's kind.
pub(crate) const TYPE: &str = "type";
/// [`TYPE`] of format tables.
pub(crate) const FORMAT_TABLE: &str = "format-table";
/// Option key of the format of files.
pub(crate) const FILE_FORMAT: &str = "file.format";
/// Who reads: `paimon` or the engine.
const IMPLEMENTATION: &str = "format-table.implementation";
/// Whether partitions are those that the catalog knows.
#[cfg(feature = "rest")]
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
            ..empty_schema()
        }
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

#[cfg(any(feature = "hive", feature = "rest"))]
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
    Ok(())
}

/// Refuses tables whose partitions are those that a service knows, whatever folders there are.
///
/// # Errors
/// `Unsupported` naming the option.
#[cfg(feature = "rest")]
pub(crate) fn refuse_managed_partitions(schema: &TableSchema) -> Result<()> {
    let managed = schema.options.get(PARTITIONED);
    match managed.is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        true => Err(Error::unsupported(
            "format tables whose partitions the catalog manages are not supported",
        )
        .with("option", PARTITIONED)),
        false => Ok(()),
    }
}
