//! New tables: schema files first, then the metastore.

use paimon_core::io::Publication;
use paimon_core::schema::{NewTable, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::table::CatalogEnvironment;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::{refuse_option, same_location};
use crate::format_table::{self, is_format_table};
use crate::hive::HiveCatalog;
use crate::hive::client::HiveTable;
use crate::hive::mapping::{self, Place};
use crate::hive::partitions::seconds;
use crate::identifier::Identifier;
use crate::tables::{add_defaults, is_doubtful, refuse_kinds};

const PATH: &str = "path";

impl HiveCatalog {
    /// The first schema of a new table.
    pub(in crate::hive) fn table_schema(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        add_defaults(&self.options, &mut table);
        if is_format_table(table.options.iter()) {
            return format_table::new_schema(table)
                .map_err(|e| e.with_default("table", identifier));
        }
        refuse_kinds(&table).map_err(|e| e.with("table", identifier))?;
        let path = table.options.get(PATH).cloned();
        let mut schema = table
            .into_schema(SystemClock.epoch_ms())
            .map_err(|e| e.with_default("table", identifier))?;
        if let Some(path) = path {
            schema.options.insert(PATH.to_string(), path);
        }
        refuse_options(&schema).map_err(|e| e.with("table", identifier))?;
        Ok(schema)
    }

    async fn place_of_new(&self, identifier: &Identifier, schema: &TableSchema) -> Result<Place> {
        if let Some(path) = schema.options.get(PATH) {
            let location = crate::names::absolute_location(path)?;
            return Ok(Place {
                location,
                external: true,
            });
        }
        let asked = schema
            .options
            .get("external")
            .or(schema.options.get("EXTERNAL"));
        Ok(Place {
            location: self.default_location(identifier).await?,
            external: self.settings.external_by_default
                || asked.is_some_and(|v| v.eq_ignore_ascii_case("true")),
        })
    }

    pub(in crate::hive) async fn new_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore: bool,
    ) -> Result<bool> {
        if self.client.database(identifier.database()).await?.is_none() {
            return Err(self.no_database(identifier.database()));
        }
        let taken = |text: &str| {
            Error::invalid(text)
                .with("table", identifier)
                .with("catalog", &self.name)
        };
        if let Some(found) = self.hive_table(identifier).await? {
            return match (self.is_listed(&found), ignore) {
                (true, true) => Ok(false),
                (true, false) => Err(taken("table exists already")),
                (false, _) => Err(taken(
                    "the metastore has a table of that name that is no Paimon table",
                )),
            };
        }
        let schema = self.table_schema(identifier, table)?;
        let place = self.place_of_new(identifier, &schema).await?;
        if is_format_table(schema.options.iter()) {
            self.new_format_table(identifier, &schema, &place).await?;
            return Ok(true);
        }
        let made = self.create_files(identifier, &schema, &place).await?;
        let now = seconds(SystemClock.epoch_ms());
        let hive = mapping::new_table(identifier, &made.schema, &place, &self.settings, now)?;
        match self.client.create_table(&hive).await {
            Ok(()) => Ok(true),
            Err(error) => self.settle_creation(identifier, &place, &made, error).await,
        }
    }

    /// Creates the first schema file, or finds that of an external table.
    async fn create_files(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
        place: &Place,
    ) -> Result<Made> {
        let io = self.io(&place.location)?;
        let manager = SchemaManager::new(io, &place.location);
        let environment = CatalogEnvironment {
            lock: self.lock(identifier),
            ..CatalogEnvironment::default()
        };
        let existing = || async {
            let latest = manager.latest().await?;
            latest.map(|found| adopt(&found, schema, place)).transpose()
        };
        let create = async {
            if let Some(schema) = existing().await? {
                return Ok(Made {
                    schema,
                    is_new: false,
                });
            }
            match manager.create(schema).await? {
                Publication::Created => Ok(Made {
                    schema: schema.clone(),
                    is_new: true,
                }),
                Publication::Exists => match existing().await? {
                    Some(schema) => Ok(Made {
                        schema,
                        is_new: false,
                    }),
                    None => Err(Error::internal("a schema file came and went")),
                },
            }
        };
        let made: Result<Made> = environment.locked(create).await;
        made.map_err(|e| e.with_default("table", identifier))
    }

    /// After the metastore failed to take a table: finds out whether it did, or takes the files back.
    async fn settle_creation(
        &self,
        identifier: &Identifier,
        place: &Place,
        made: &Made,
        error: Error,
    ) -> Result<bool> {
        if is_doubtful(&error) {
            let found = self.hive_table(identifier).await;
            let ours = |t: &HiveTable| mapping::location(t, &self.settings);
            return match found {
                Ok(Some(table))
                    if ours(&table).is_some_and(|l| same_location(&l, &place.location)) =>
                {
                    Ok(true)
                }
                Ok(None) => Err(error.with_default("table", identifier)),
                _ => Err(Error::new(
                    error.kind(),
                    "whether the metastore took the table is unknown; its schema file stays",
                )
                .with("table", identifier)
                .with_source(error)),
            };
        }
        if made.is_new && !place.external {
            let io = self.io(&place.location)?;
            let undone = async {
                io.remove_folder(&format!("{}/schema", place.location))
                    .await?;
                io.remove_folder(&place.location).await
            };
            if let Err(undo) = undone.await {
                tracing::warn!(path = place.location, error = %undo, "files of a table that was not created stay behind");
            }
        }
        Err(error.with_default("table", identifier))
    }
}

/// A table's first schema.
struct Made {
    schema: TableSchema,
    /// Whether this call wrote it.
    is_new: bool,
}

/// The schema of a table whose files are there already, for a new external table that fits it.
fn adopt(found: &TableSchema, declared: &TableSchema, place: &Place) -> Result<TableSchema> {
    if !place.external {
        return Err(Error::invalid(
            "files of a table are there already, which the metastore does not know: CALL sys.repair makes it known",
        )
        .with("path", &place.location));
    }
    let unlike = |what: &str| {
        Error::invalid(format!(
            "files of a table are there already, and its {what} differ from the declared ones"
        ))
        .with("path", &place.location)
    };
    let columns = |s: &TableSchema| -> Vec<_> {
        let column = |f: &paimon_core::spec::DataField| (f.name.clone(), f.data_type.to_string());
        s.fields.iter().map(column).collect()
    };
    if columns(found) != columns(declared) {
        return Err(unlike("columns"));
    }
    let keys = |s: &TableSchema| (s.partition_keys.clone(), s.primary_keys.clone());
    let ((partition, primary), (old_partition, old_primary)) = (keys(declared), keys(found));
    if (!partition.is_empty() && partition != old_partition)
        || (!primary.is_empty() && primary != old_primary)
    {
        return Err(unlike("keys"));
    }
    let differs = |(key, value): (&String, &String)| {
        !["owner", PATH].contains(&key.as_str()) && found.options.get(key) != Some(value)
    };
    match declared.options.iter().any(differs) {
        true => Err(unlike("options")),
        false => Ok(found.clone()),
    }
}

fn refuse_options(schema: &TableSchema) -> Result<()> {
    for (key, value) in &schema.options {
        refuse_option(key, value)?;
    }
    let tagged = mapping::tag_column(schema).is_some();
    match tagged && !schema.partition_keys.is_empty() && !mapping::is_partitioned(schema)? {
        true => Err(Error::invalid(
            "tags of a partitioned table cannot be partitions in the metastore",
        )
        .with("option", mapping::TAG_TO_PARTITION)),
        false => Ok(()),
    }
}
