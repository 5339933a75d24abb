//! Tables of Hive's own formats that become Paimon tables in place.
//!
//! Java: `HiveMigrator`. What a call that was cut off has begun, the same call finishes: see
//! [`paimon_core::maintenance::AdoptFiles`] for the files; a source that is gone with its interim table there still lacks the
//! last step, the renaming.

mod files;
mod source;

use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{AdoptFiles, finish_adoption};
use paimon_core::schema::{NewColumn, NewTable, SchemaManager};
use paimon_core::table::Table;
use paimon_core::{Error, Result};

use self::source::Source;
use super::HiveCatalog;
use super::client::HiveTable;
use super::mapping::{self, COMMENT, Kind};
use super::tables::same_location;
use crate::identifier::Identifier;
use crate::migration::Migration;

/// Ends the name that a table has until it takes that of its source.
const INTERIM: &str = "_paimon_";
const HIVE_COMMENT: &str = "hive.comment";
const DEFAULT_PARTITION: &str = "partition.default-name";

impl HiveCatalog {
    pub(super) async fn migrate(&self, migration: &Migration) -> Result<()> {
        let source = self.plain(&migration.source)?;
        let interim = match &migration.target {
            Some(target) => self.plain(target)?,
            None => source.with_table(&format!("{}{INTERIM}", source.table())),
        };
        if migration.target.is_none() && !migration.drops_source {
            return Err(Error::invalid(
                "a source that is not dropped keeps its name: name a target table",
            )
            .with("table", &source));
        }
        let context = CommitContext::default();
        match self.hive_table(&source).await? {
            Some(hive) => {
                let mut source = Source::new(self, source, hive).await?;
                self.take_files(&source, &interim, migration, &context)
                    .await?;
                if migration.drops_source {
                    self.drop_source(&mut source).await?;
                }
            }
            // a call was cut off after it had dropped the source
            None if migration.target.is_none() && self.is_paimon(&interim).await? => {
                let hive = self.paimon_table(&interim).await?;
                let table = self.open(&interim, &hive).await?;
                finish_adoption(&table, &context, migration.parallelism).await?;
            }
            None => return Err(self.no_table(&source)),
        }
        match migration.target {
            None => self.move_table(&interim, &source_name(&interim)?).await,
            Some(_) => Ok(()),
        }
    }

    /// Names of the tables of a database that are of Hive's own kinds, whether they can be migrated or not, and of those
    /// sources that are gone while their interim table still waits for its name.
    pub(super) async fn migration_candidates(&self, database: &str) -> Result<Vec<String>> {
        let all = self.client.table_names(database).await?;
        let tables = self.client.tables(database, &all).await?;
        let mut names: Vec<String> = tables
            .iter()
            .filter_map(|table| candidate(table, &all))
            .map(str::to_string)
            .collect();
        names.sort();
        Ok(names)
    }

    async fn is_paimon(&self, identifier: &Identifier) -> Result<bool> {
        let found = self.hive_table(identifier).await?;
        Ok(found.is_some_and(|table| mapping::kind(&table) == Kind::Paimon))
    }

    /// Moves the files of the source into the table of that name, which is made when it is not there.
    async fn take_files(
        &self,
        source: &Source,
        target: &Identifier,
        migration: &Migration,
        context: &CommitContext,
    ) -> Result<()> {
        let is_new = self.hive_table(target).await?.is_none();
        if is_new && migration.target.is_none() && self.has_schema(target).await? {
            // a call was cut off before the metastore knew the table
            self.repair_objects(Some(target.database()), Some(target.table()))
                .await?;
        } else if is_new {
            let new = new_table(source, migration)?;
            self.new_table(target, new, false).await?;
        }
        let hive = self.paimon_table(target).await?;
        let table = self.open(target, &hive).await?;
        let adopted = self.adopt(source, &table, migration, context).await;
        let Err(error) = adopted else {
            return Ok(());
        };
        // without a snapshot nothing was moved: the table is as good as never made
        if is_new && matches!(table.snapshots().latest_id().await, Ok(None)) {
            self.remove_table(target, true).await?;
        }
        Err(error.with_default("table", &source.identifier))
    }

    /// Whether a table has files, known to the metastore or not.
    async fn has_schema(&self, identifier: &Identifier) -> Result<bool> {
        let location = self.default_location(identifier).await?;
        let schemas = SchemaManager::new(self.io(&location)?, &location);
        Ok(!schemas.ids().await?.is_empty())
    }

    async fn adopt(
        &self,
        source: &Source,
        table: &Table,
        migration: &Migration,
        context: &CommitContext,
    ) -> Result<()> {
        if files::is_below(table.location(), &source.location) {
            return Err(Error::unsupported(
                "the target table lies in the folder of the source, which is dropped",
            )
            .with("path", table.location()));
        }
        source.check_keys(table)?;
        // files that an earlier call has moved are no longer among those of the source
        finish_adoption(table, context, migration.parallelism).await?;
        let adoption = AdoptFiles {
            files: source.files(table).await?,
            parallelism: migration.parallelism,
        };
        adoption.run(table, context).await.map(drop)
    }

    /// Drops the source unless files came meanwhile, and the folder that a table of its name would get.
    async fn drop_source(&self, source: &mut Source) -> Result<()> {
        if let Some(path) = source.any_file(self).await? {
            return Err(Error::invalid(
                "a file came to the source while its files were moved: the same call moves it too",
            )
            .with("path", path)
            .with("table", &source.identifier));
        }
        let (database, name) = (source.identifier.database(), source.identifier.table());
        let external = mapping::is_external(&source.hive);
        self.client.drop_table(database, name, !external).await?;
        let default = self.default_location(&source.identifier).await?;
        match !external || same_location(&default, &source.location) {
            true => source.io.remove_folder(&source.location).await,
            false => Ok(()),
        }
    }
}

/// The table that a call would migrate because this one is there; `all` are the names of the database.
fn candidate<'a>(table: &'a HiveTable, all: &[String]) -> Option<&'a str> {
    match mapping::kind(table) {
        Kind::View => None,
        Kind::Paimon => {
            let source = table.name.strip_suffix(INTERIM)?;
            let is_gone = all.iter().all(|name| name != source);
            (is_gone && !source.is_empty()).then_some(source)
        }
        Kind::Format(_) | Kind::Other => Some(&table.name),
    }
}

/// The name of the source of an interim table.
fn source_name(interim: &Identifier) -> Result<Identifier> {
    let name = interim.table().strip_suffix(INTERIM);
    let name = name.ok_or_else(|| Error::internal("an interim table has another name"))?;
    Ok(interim.with_table(name))
}

/// The table that takes the files: columns and comment of the source, the options of the call.
fn new_table(source: &Source, migration: &Migration) -> Result<NewTable> {
    let column = |field: paimon_core::spec::DataField| NewColumn {
        name: field.name,
        data_type: field.data_type,
        comment: field.description,
        default: None,
    };
    let fields = mapping::fields_of(&source.hive);
    let fields = fields.map_err(|e| e.with("table", &source.identifier))?;
    let keys = source.hive.partition_keys.iter().map(|k| k.name.clone());
    let mut new = NewTable {
        columns: fields.into_iter().map(column).collect(),
        partition_keys: keys.collect(),
        comment: source.hive.parameters.get(COMMENT).cloned(),
        ..NewTable::default()
    };
    if let Some(comment) = &new.comment {
        new.options.insert(HIVE_COMMENT.into(), comment.clone());
    }
    if !new.partition_keys.is_empty() {
        new.options
            .insert(DEFAULT_PARTITION.into(), source.default_partition.clone());
    }
    let own = migration.options.iter();
    new.options.extend(own.map(|(k, v)| (k.clone(), v.clone())));
    Ok(new)
}

#[cfg(test)]
mod tests;
