//! Tables of the metastore whose files Hive reads with formats of its own.
//!
//! Java: `HiveTableUtils.tryToFormatSchema`, `HiveCatalog.createFormatTable`. There are no schema files: the metastore
//! has all that is known.

use std::collections::BTreeMap;

use paimon_core::spec::TableSchema;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::HiveCatalog;
use super::client::{HiveTable, StorageDescriptor};
use super::mapping::{self, COMMENT, Kind, Place, TABLE_TYPE};
use super::partitions::seconds;
use crate::format_table::{FILE_FORMAT, FORMAT_TABLE, FileFormat, FormatTable, TYPE, format_of};
use crate::identifier::Identifier;

const FIELD_DELIMITER: &str = "csv.field-delimiter";
/// Hive's key of the same among the parameters of a table.
const HIVE_DELIMITER: &str = "field.delim";
const HIVE_DELIMITER_DEFAULT: &str = "\u{1}";

impl HiveCatalog {
    /// The format table of that name; `None` when there is none or it is of another kind.
    pub(super) async fn format_table(
        &self,
        identifier: &Identifier,
    ) -> Result<Option<FormatTable>> {
        let found = self.hive_table(identifier).await?;
        let (Some(table), true) = (found, self.settings.format_tables) else {
            return Ok(None);
        };
        let Kind::Format(format) = mapping::kind(&table) else {
            return Ok(None);
        };
        let location = self.location(identifier, &table)?;
        let name = format!("{}.{}", identifier.database(), identifier.table());
        let schema = schema_of(&table, format).map_err(|e| e.with("table", identifier))?;
        FormatTable::new(&name, &location, self.io(&location)?, schema).map(Some)
    }

    pub(super) async fn new_format_table(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
        place: &Place,
    ) -> Result<()> {
        if !self.settings.format_tables {
            return Err(Error::unsupported("the catalog has no format tables")
                .with("option", "format-table.enabled")
                .with("table", identifier));
        }
        let now = seconds(SystemClock.epoch_ms());
        let table = self.hive_format_table(identifier, schema, place, now)?;
        if !place.external {
            self.io(&place.location)?
                .create_folder(&place.location)
                .await?;
        }
        let created = self.client.create_table(&table).await;
        created.map_err(|e| e.with_default("table", identifier))
    }

    fn hive_format_table(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
        place: &Place,
        now: i32,
    ) -> Result<HiveTable> {
        let format = format_of(schema)?;
        let mut parameters: BTreeMap<String, String> = schema
            .options
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let own = [
            (TABLE_TYPE, format.name().to_ascii_uppercase()),
            (FILE_FORMAT, format.name().to_string()),
            (TYPE, FORMAT_TABLE.to_string()),
        ];
        parameters.extend(own.map(|(k, v)| (k.to_string(), v)));
        if place.external {
            parameters.insert("EXTERNAL".to_string(), "TRUE".to_string());
        }
        let comment = schema.comment.iter();
        parameters.extend(comment.map(|c| (COMMENT.to_string(), c.clone())));
        let (input, output, serde) = classes(format);
        let mut storage = StorageDescriptor {
            input_format: Some(input.to_string()),
            output_format: Some(output.to_string()),
            ..StorageDescriptor::plain()
        };
        storage.serde.library = Some(serde.to_string());
        if format == FileFormat::Csv {
            let delimiter = schema.options.get(FIELD_DELIMITER);
            let delimiter = delimiter.map_or(",", String::as_str).to_string();
            let parameters = &mut storage.serde.parameters;
            parameters.insert(HIVE_DELIMITER.to_string(), delimiter);
        }
        let is_key = |name: &String| schema.partition_keys.contains(name);
        let columns = schema.fields.iter().filter(|f| !is_key(&f.name));
        storage.columns = columns.map(mapping::column).collect();
        let keys = schema.partition_fields();
        let table_type = match place.external {
            true => mapping::EXTERNAL_TABLE,
            false => "MANAGED_TABLE",
        };
        let mut table = HiveTable {
            name: identifier.table().to_string(),
            database: identifier.database().to_string(),
            owner: Some(self.settings.user.clone()),
            create_time: now,
            storage,
            partition_keys: keys.iter().map(mapping::key_column).collect(),
            parameters,
            table_type: table_type.to_string(),
            rest: HiveTable::rest_of_new(now),
            ..HiveTable::default()
        };
        mapping::set_location(&mut table, &place.location, &self.settings);
        Ok(table)
    }
}

/// The schema that the metastore has of a format table.
fn schema_of(table: &HiveTable, format: FileFormat) -> Result<TableSchema> {
    let mut options = table.parameters.clone();
    let comment = options.remove(COMMENT);
    if format == FileFormat::Csv {
        let given = table.storage.serde.parameters.get(HIVE_DELIMITER);
        let delimiter = given.map_or(HIVE_DELIMITER_DEFAULT, String::as_str);
        options.insert(FIELD_DELIMITER.to_string(), delimiter.to_string());
    }
    options.insert(TYPE.to_string(), FORMAT_TABLE.to_string());
    options.insert(FILE_FORMAT.to_string(), format.name().to_string());
    let keys = table.partition_keys.iter().map(|k| k.name.clone());
    Ok(TableSchema {
        fields: mapping::fields_of(table)?,
        partition_keys: keys.collect(),
        options: options.into_iter().collect(),
        comment,
        ..crate::format_table::empty_schema()
    })
}

/// Hive's classes for files of a format: input, output, rows.
fn classes(format: FileFormat) -> (&'static str, &'static str, &'static str) {
    const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
    const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
    match format {
        FileFormat::Csv | FileFormat::Text => (
            TEXT_INPUT,
            TEXT_OUTPUT,
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        ),
        FileFormat::Json => (
            TEXT_INPUT,
            TEXT_OUTPUT,
            "org.apache.hive.hcatalog.data.JsonSerDe",
        ),
        FileFormat::Parquet => (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        ),
        FileFormat::Orc => (
            "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
            "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
            "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
        ),
    }
}
