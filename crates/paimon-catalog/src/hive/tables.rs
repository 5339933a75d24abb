//! Tables of the metastore that come, go, change and are renamed.
//!
//! Schema files come first and go last: a table that the metastore names has its files.

mod creation;

use std::collections::{BTreeMap, BTreeSet};

use paimon_core::maintenance::rollback_schema;
use paimon_core::schema::{SchemaChange, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::HiveCatalog;
use super::client::HiveTable;
use super::mapping::{self, COMMENT};
use crate::identifier::Identifier;
use crate::tables::{not_stored, refuse_external_data};

const TAG_PREVIEW: &str = "metastore.tag-to-partition.preview";

impl HiveCatalog {
    /// The identifier of a table that is named without a branch or system part, in a database that takes tables.
    pub(super) fn plain(&self, identifier: &Identifier) -> Result<Identifier> {
        let identifier = self.known_as(identifier)?;
        identifier.check_plain()?;
        Ok(identifier)
    }

    pub(super) async fn remove_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        let Some(table) = self.hive_table(identifier).await? else {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_table(identifier)),
            };
        };
        let ours = match mapping::kind(&table) {
            mapping::Kind::Paimon => true,
            mapping::Kind::Format(_) => self.settings.format_tables,
            mapping::Kind::View | mapping::Kind::Other => false,
        };
        if !ours {
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
        let io = self.io(&location)?;
        refuse_external_data(&io, identifier, &location).await?;
        self.client.drop_table(database, name, true).await?;
        io.remove_folder(&format!("{location}/schema")).await?;
        io.remove_folder(&location).await
    }

    pub(super) async fn move_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let found = self.hive_table(from).await?;
        let format = found.filter(|t| {
            self.settings.format_tables && matches!(mapping::kind(t), mapping::Kind::Format(_))
        });
        let is_format = format.is_some();
        let mut table = match format {
            Some(table) => table,
            None => self.paimon_table(from).await?,
        };
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
        let mut table = match is_format {
            true => self
                .hive_table(to)
                .await?
                .ok_or_else(|| self.no_table(to))?,
            false => self.paimon_table(to).await?,
        };
        let target = self.place_after_rename(from, to, &source, &table).await?;
        let io = self.io(&source)?;
        // Hive 3 moves the folders of its managed tables
        let has_moved = match is_format {
            true => !same_location(&source, &self.location(to, &table)?),
            false => {
                let schemas = SchemaManager::new(io.clone(), &source);
                schemas.ids().await?.is_empty()
            }
        };
        if mapping::is_external(&table) || same_location(&source, &target) || has_moved {
            return Ok(());
        }
        let kept = match is_format && !table.partition_keys.is_empty() {
            true => self.client.partitions(to.database(), to.table()).await?,
            false => Vec::new(),
        };
        if !kept.is_empty() {
            table.database = from.database().to_string();
            table.name = from.table().to_string();
            self.alter_hive_table(to, &table).await?;
            return Err(Error::unsupported(
                "the metastore leaves the folder of a renamed table to the next one of its old name, and partitions have \
                 places of their own: make a table with the new name and insert the rows",
            )
            .with("table", from));
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
        let error = error.with_default("table", identifier);
        if before == Some(altered.id) {
            return Err(error.with("schema_id", altered.id));
        }
        Err(not_stored(table.schemas(), altered.id, error).await)
    }

    /// Makes an earlier schema the newest one again, of the files and of what the metastore knows.
    pub(super) async fn go_back_to_schema(
        &self,
        identifier: &Identifier,
        schema_id: i64,
    ) -> Result<()> {
        let identifier = &self.known_as(identifier)?;
        let hive = self.paimon_table(identifier).await?;
        let main = self.open(identifier, &hive).await?;
        let table = match identifier.branch() {
            Some(branch) => main.branch(branch).await?,
            None => main,
        };
        let back = rollback_schema(&table, schema_id);
        let schema = table.environment().locked(back).await?;
        if identifier.branch().is_some() {
            // the metastore knows the main branch only
            return Ok(());
        }
        let removed = gone_options(table.schema(), &schema);
        let stored = self.store_schema(identifier, hive, &schema, &removed);
        stored
            .await
            .map_err(|e| e.with_default("table", identifier))
    }

    /// Makes a table another one: first its files, then what the metastore knows of it.
    pub(super) async fn put_in_place(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<()> {
        let identifier = &self.plain(identifier)?;
        let hive = self.paimon_table(identifier).await?;
        let table = self.open(identifier, &hive).await?;
        let removed = gone_options(table.schema(), schema);
        let publish = async {
            let append = table.schemas().append(schema);
            table.environment().locked(append).await?;
            match self.store_schema(identifier, hive, schema, &removed).await {
                Ok(()) => Ok(()),
                Err(error) => Err(not_stored(table.schemas(), schema.id, error).await),
            }
        };
        let replaced = table.replace(schema, publish).await;
        replaced.map_err(|e| e.with_default("table", identifier))
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

/// Whether two locations are one: the metastore adds `file:` to bare paths.
pub(super) fn same_location(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let path = text.strip_prefix("file:").unwrap_or(text);
        format!("/{}", path.trim_matches('/'))
    };
    a == b || plain(a) == plain(b)
}

/// Options, the comment among them, that one schema has and another one has not.
fn gone_options(before: &TableSchema, after: &TableSchema) -> BTreeSet<String> {
    let gone = |key: &&String| !after.options.contains_key(*key);
    let mut removed: BTreeSet<String> = before.options.keys().filter(gone).cloned().collect();
    if after.comment.is_none() {
        removed.insert(COMMENT.to_string());
    }
    removed
}

fn removed_options(changes: &[SchemaChange]) -> BTreeSet<String> {
    let removed = |change: &SchemaChange| match change {
        SchemaChange::RemoveOption { key } => Some(key.clone()),
        SchemaChange::UpdateComment(None) => Some(COMMENT.to_string()),
        _ => None,
    };
    changes.iter().filter_map(removed).collect()
}

fn refuse_option(key: &str, value: &str) -> Result<()> {
    match key == TAG_PREVIEW && !value.eq_ignore_ascii_case("none") {
        true => Err(Error::unsupported("previews of tags are not supported").with("option", key)),
        false => Ok(()),
    }
}
