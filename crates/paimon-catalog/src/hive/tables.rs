//! Tables of the metastore that come, go, change and are renamed.
//!
//! Schema files come first and go last: a table that the metastore names has its files.

use std::collections::{BTreeMap, BTreeSet};

use paimon_core::io::{FileIo, Publication};
use paimon_core::options::CoreOptions;
use paimon_core::schema::{NewTable, SchemaChange, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::table::CatalogEnvironment;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::HiveCatalog;
use super::client::HiveTable;
use super::mapping::{self, COMMENT, Place};
use super::partitions::seconds;
use crate::identifier::{Identifier, SYSTEM_DATABASE};

/// Catalog options with this prefix are options of new tables.
const TABLE_DEFAULT: &str = "table-default.";
const PATH: &str = "path";
const TAG_PREVIEW: &str = "metastore.tag-to-partition.preview";

impl HiveCatalog {
    /// The identifier of a table that is named without a branch or system part, in a database that takes tables.
    pub(super) fn plain(&self, identifier: &Identifier) -> Result<Identifier> {
        let identifier = self.known_as(identifier)?;
        if identifier.database() == SYSTEM_DATABASE {
            return Err(Error::invalid("tables of database sys cannot be changed")
                .with("table", identifier));
        }
        if identifier.branch().is_some() || identifier.system().is_some() {
            return Err(Error::invalid(
                "a plain table name is expected here, not a branch or system table",
            )
            .with("table", identifier));
        }
        Ok(identifier)
    }

    /// The first schema of a new table.
    pub(super) fn table_schema(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        for (key, value) in &self.options {
            if let Some(key) = key.strip_prefix(TABLE_DEFAULT) {
                let entry = table.options.entry(key.to_string());
                entry.or_insert_with(|| value.clone());
            }
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

    pub(super) async fn new_table(
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
        let io = FileIo::for_location(&place.location)?;
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
            let io = FileIo::for_location(&place.location)?;
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

    pub(super) async fn remove_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        let Some(table) = self.hive_table(identifier).await? else {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_table(identifier)),
            };
        };
        if mapping::kind(&table) != mapping::Kind::Paimon {
            return Err(Error::unsupported(
                "the table is no Paimon table: drop it with the program that made it",
            )
            .with("table", identifier)
            .with("catalog", &self.name));
        }
        self.remove_hive_table(identifier, &table).await
    }

    pub(super) async fn remove_hive_table(
        &self,
        identifier: &Identifier,
        table: &HiveTable,
    ) -> Result<()> {
        let (database, name) = (identifier.database(), identifier.table());
        if mapping::is_external(table) {
            return self.client.drop_table(database, name, false).await;
        }
        let location = self.location(identifier, table)?;
        let io = FileIo::for_location(&location)?;
        refuse_external_data(&io, identifier, &location).await?;
        self.client.drop_table(database, name, true).await?;
        io.remove_folder(&format!("{location}/schema")).await?;
        io.remove_folder(&location).await
    }

    pub(super) async fn move_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let mut table = self.paimon_table(from).await?;
        if self.client.database(to.database()).await?.is_none() {
            return Err(self.no_database(to.database()));
        }
        if self.hive_table(to).await?.is_some() {
            return Err(Error::invalid("table exists already")
                .with("table", to)
                .with("catalog", &self.name));
        }
        let source = self.location(from, &table)?;
        table.database = to.database().to_string();
        table.name = to.table().to_string();
        self.alter_hive_table(from, &table).await?;
        let mut table = self.paimon_table(to).await?;
        let target = self.place_after_rename(from, to, &source, &table).await?;
        let io = FileIo::for_location(&source)?;
        // Hive 3 moves the folders of its managed tables
        let has_moved = SchemaManager::new(io.clone(), &source)
            .ids()
            .await?
            .is_empty();
        if mapping::is_external(&table) || same_location(&source, &target) || has_moved {
            return Ok(());
        }
        if let Some((parent, _)) = target.rsplit_once('/') {
            io.create_folder(parent).await?;
        }
        io.rename_folder(&source, &target).await.map_err(|e| {
            Error::new(
                e.kind(),
                "the table has its new name, but its files could not be moved there",
            )
            .with("table", to)
            .with_source(e)
        })?;
        mapping::set_location(&mut table, &target, &self.settings);
        self.alter_hive_table(to, &table).await
    }

    /// Where a renamed table is to lie: where the metastore says, but not in the folder that another table of its old
    /// name would get (Hive 4 leaves it there).
    async fn place_after_rename(
        &self,
        from: &Identifier,
        to: &Identifier,
        source: &str,
        table: &HiveTable,
    ) -> Result<String> {
        let target = self.location(to, table)?;
        let default = self.default_location(from).await?;
        if same_location(source, &target) && same_location(source, &default) {
            return self.default_location(to).await;
        }
        Ok(target)
    }

    pub(super) async fn default_location(&self, identifier: &Identifier) -> Result<String> {
        let database = self.database_location(identifier.database()).await?;
        Ok(format!("{database}/{}", identifier.table()))
    }

    pub(super) async fn change_table(
        &self,
        identifier: &Identifier,
        changes: &[SchemaChange],
    ) -> Result<()> {
        for change in changes {
            if let SchemaChange::SetOption { key, value } = change {
                refuse_option(key, value).map_err(|e| e.with("table", identifier))?;
            }
        }
        let hive = self.paimon_table(identifier).await?;
        let main = self.open(identifier, &hive).await?;
        let table = match identifier.branch() {
            Some(branch) => main.branch(branch).await?,
            None => main,
        };
        let has_snapshots = table.snapshots().latest_id().await?.is_some();
        let now_ms = SystemClock.epoch_ms();
        let before = table.schemas().latest().await?.map(|s| s.id);
        let alter = table.schemas().alter(changes, has_snapshots, now_ms);
        let altered = table.environment().locked(alter).await;
        let altered = altered.map_err(|e| e.with_default("table", identifier))?;
        if identifier.branch().is_some() {
            // the metastore knows the main branch only
            return Ok(());
        }
        let removed = removed_options(changes);
        let stored = self.store_schema(identifier, hive, &altered, &removed);
        let Err(error) = stored.await else {
            return Ok(());
        };
        if is_doubtful(&error) || before == Some(altered.id) {
            return Err(error
                .with_default("table", identifier)
                .with("schema_id", altered.id));
        }
        match table.schemas().withdraw(altered.id).await {
            Ok(true) => Err(error.with_default("table", identifier)),
            undone => {
                if let Err(undo) = undone {
                    tracing::warn!(error = %undo, schema = altered.id, "a schema could not be taken back");
                }
                Err(error
                    .with_default("table", identifier)
                    .with("schema_id", altered.id))
            }
        }
    }

    /// Copies a schema to the metastore.
    pub(super) async fn store_schema(
        &self,
        identifier: &Identifier,
        mut table: HiveTable,
        schema: &TableSchema,
        removed: &BTreeSet<String>,
    ) -> Result<()> {
        mapping::update(&mut table, schema, removed, &self.settings)?;
        self.alter_hive_table(identifier, &table).await
    }

    async fn alter_hive_table(&self, identifier: &Identifier, table: &HiveTable) -> Result<()> {
        const SKIP: &str = "DO_NOT_UPDATE_STATS";
        let asked = table.parameters.get(SKIP);
        let skip = self.settings.skip_update_stats
            || asked.is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let mut hints = BTreeMap::from([(SKIP.to_string(), skip.to_string())]);
        if self.settings.alter_cascades {
            hints.insert("CASCADE".to_string(), "true".to_string());
        }
        let (database, name) = (identifier.database(), identifier.table());
        self.client
            .alter_table(database, name, table, &hints)
            .await
            .map_err(|e| e.with_default("table", identifier))
    }
}

/// A table's first schema.
struct Made {
    schema: TableSchema,
    /// Whether this call wrote it.
    is_new: bool,
}

/// Whether a change may have taken effect although it failed.
fn is_doubtful(error: &Error) -> bool {
    let unknown = ("outcome", "unknown");
    error
        .context()
        .iter()
        .any(|(k, v)| (*k, v.as_str()) == unknown)
}

/// Whether two locations are one: the metastore adds `file:` to bare paths.
fn same_location(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let path = text.strip_prefix("file:").unwrap_or(text);
        format!("/{}", path.trim_matches('/'))
    };
    a == b || plain(a) == plain(b)
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

fn removed_options(changes: &[SchemaChange]) -> BTreeSet<String> {
    let removed = |change: &SchemaChange| match change {
        SchemaChange::RemoveOption { key } => Some(key.clone()),
        SchemaChange::UpdateComment(None) => Some(COMMENT.to_string()),
        _ => None,
    };
    changes.iter().filter_map(removed).collect()
}

/// Tables of kinds that this engine does not make.
fn refuse_kinds(table: &NewTable) -> Result<()> {
    match table.options.get("type").map(String::as_str) {
        None | Some("table" | "materialized-table") => Ok(()),
        Some(other) => Err(Error::unsupported(format!(
            "tables of type {other:?} cannot be created"
        ))
        .with("option", "type")),
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

fn refuse_option(key: &str, value: &str) -> Result<()> {
    match key == TAG_PREVIEW && !value.eq_ignore_ascii_case("none") {
        true => Err(Error::unsupported("previews of tags are not supported").with("option", key)),
        false => Ok(()),
    }
}

/// Data files outside of the table's folder would stay behind.
async fn refuse_external_data(io: &FileIo, identifier: &Identifier, location: &str) -> Result<()> {
    const KEY: &str = "data-file.external-paths";
    let latest = SchemaManager::new(io.clone(), location).latest().await;
    // a table that cannot be read can be dropped all the same
    let options = latest.ok().flatten();
    let options = options.and_then(|s| CoreOptions::new(&s).ok());
    match options.as_ref().and_then(|o| o.get(KEY)) {
        None => Ok(()),
        Some(_) => Err(Error::unsupported(
            "tables with data files on external paths cannot be dropped yet",
        )
        .with("option", KEY)
        .with("table", identifier)),
    }
}
