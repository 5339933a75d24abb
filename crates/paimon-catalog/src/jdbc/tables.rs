//! Tables that come, go, change and are renamed.
//!
//! Schema files come first and go last: a table of which the catalog has a row has its files.

use std::collections::BTreeMap;

use paimon_core::io::Publication;
use paimon_core::maintenance::rollback_schema;
use paimon_core::options::CoreOptions;
use paimon_core::schema::{NewTable, SchemaChange, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::JdbcCatalog;
use super::connections::{Failure, Statement};
use crate::identifier::Identifier;
use crate::tables::{add_defaults, not_stored, refuse_external_data, refuse_kinds};

/// Keys of a schema, as options.
const KEY_OPTIONS: [&str; 3] = ["primary-key", "partition", "bucket-key"];

impl JdbcCatalog {
    pub(super) fn table_location(&self, identifier: &Identifier) -> Result<String> {
        let database = self.database_location(identifier.database())?;
        Ok(format!("{database}/{}", identifier.table()))
    }

    /// The first schema of a new table.
    pub(super) fn table_schema(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        identifier.check_plain()?;
        let location = self.table_location(identifier)?;
        if let Some(path) = table.options.get("path")
            && path.trim_end_matches('/') != location
        {
            return Err(Error::unsupported(
                "tables of a JDBC catalog lie in its warehouse: another path cannot be given",
            )
            .with("option", "path")
            .with("table", identifier));
        }
        add_defaults(&self.options, &mut table);
        refuse_kinds(&table).map_err(|e| e.with("table", identifier))?;
        table
            .into_schema(SystemClock.epoch_ms())
            .map_err(|e| e.with_default("table", identifier))
    }

    pub(super) async fn new_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore: bool,
    ) -> Result<bool> {
        identifier.check_plain()?;
        if !self.has_database(identifier.database()).await? {
            return Err(self.no_database(identifier.database()));
        }
        if self.is_taken(identifier, ignore).await? {
            return Ok(false);
        }
        let schema = self.table_schema(identifier, table)?;
        let properties = self.synced_properties(&schema)?;
        self.ensure_default_database(identifier.database()).await?;
        let create = async {
            // under the lock nobody else can have come in between
            if self.is_taken(identifier, ignore).await? {
                return Ok(false);
            }
            self.create_files(identifier, &schema).await?;
            self.insert_table(identifier, &properties).await
        };
        self.exclusively(identifier, create)
            .await
            .map_err(|e| e.with_default("table", identifier))
    }

    /// Whether the name is taken, which is fine when `ignore`, but for a view.
    async fn is_taken(&self, identifier: &Identifier, ignore: bool) -> Result<bool> {
        let taken = |text: &str| {
            Error::invalid(text)
                .with("table", identifier)
                .with("catalog", &self.name)
        };
        if self.rows.has_table_row(identifier).await? {
            return match ignore {
                true => Ok(true),
                false => Err(taken("table exists already")),
            };
        }
        match self.rows.has_view(identifier).await? {
            true => Err(taken("the catalog has a view of that name")),
            false => Ok(false),
        }
    }

    async fn create_files(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()> {
        let location = self.table_location(identifier)?;
        let unknown = |what: &str| {
            Error::invalid(format!(
                "the table's folder holds {what} that the catalog does not know: CALL sys.repair makes a table known, \
                 or remove the folder"
            ))
            .with("path", &location)
        };
        let manager = SchemaManager::new(self.io.clone(), &location);
        if !manager.ids().await?.is_empty() {
            return Err(unknown("a table"));
        }
        let snapshots = self.io.list_files(&format!("{location}/snapshot")).await?;
        if !snapshots.is_empty() {
            return Err(unknown("snapshots"));
        }
        match manager.create(schema).await? {
            Publication::Created => Ok(()),
            Publication::Exists => Err(unknown("a table")),
        }
    }

    /// Makes the files known, or takes them back.
    async fn insert_table(
        &self,
        identifier: &Identifier,
        properties: &BTreeMap<String, String>,
    ) -> Result<bool> {
        let mut rows = vec![self.rows.insert_table(identifier)];
        rows.push(self.rows.delete_table_properties(identifier));
        rows.extend(self.rows.insert_table_properties(identifier, properties));
        match self.rows.change(&rows).await {
            Ok(_) => Ok(true),
            Err(Failure::Taken) => Err(Error::invalid("table exists already")),
            Err(Failure::Doubtful(error)) => match self.rows.has_table_row(identifier).await {
                Ok(true) => Ok(true),
                _ => Err(Error::new(
                    error.kind(),
                    "whether the catalog's database took the table is unknown; its schema file stays",
                )
                .with_source(error)),
            },
            Err(failure @ Failure::Refused(_)) => {
                let location = self.table_location(identifier)?;
                if let Err(undo) = self.remove_files(&location).await {
                    tracing::warn!(path = location, error = %undo, "files of a table that was not created stay behind");
                }
                Err(failure.into())
            }
        }
    }

    async fn remove_files(&self, location: &str) -> Result<()> {
        self.io.remove_folder(&format!("{location}/schema")).await?;
        self.io.remove_folder(location).await
    }

    pub(super) async fn remove_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        identifier.check_plain()?;
        let location = self.table_location(identifier)?;
        if !self.rows.has_table_row(identifier).await? {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_table(identifier)),
            };
        }
        refuse_external_data(&self.io, identifier, &location).await?;
        let remove = async {
            let rows = self.rows.delete_table(identifier);
            let gone = async || Ok(!self.rows.has_table_row(identifier).await?);
            self.changed(identifier, &rows, gone).await?;
            self.remove_files(&location).await.map_err(|e| {
                Error::new(
                    e.kind(),
                    "the catalog forgot the table, but its files could not be removed",
                )
                .with("path", &location)
                .with_source(e)
            })
        };
        self.exclusively(identifier, remove)
            .await
            .map_err(|e| e.with_default("table", identifier))
    }

    /// Changes rows of a table or view. `is_done` looks whether they were changed when the answer leaves that open.
    pub(super) async fn changed(
        &self,
        identifier: &Identifier,
        rows: &[Statement],
        is_done: impl AsyncFnOnce() -> Result<bool>,
    ) -> Result<()> {
        let failure = match self.rows.change(rows).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        if matches!(failure, Failure::Doubtful(_)) && is_done().await.unwrap_or(false) {
            return Ok(());
        }
        Err(Error::from(failure).with_default("table", identifier))
    }

    pub(super) async fn move_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        from.check_plain()?;
        to.check_plain()?;
        if from == to {
            return Err(Error::invalid("the table has that name already").with("table", to));
        }
        let renamed = self.both_exclusively(from, to, self.move_locked(from, to));
        renamed.await.map_err(|e| e.with_default("table", from))
    }

    async fn move_locked(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        if !self.rows.has_table_row(from).await? {
            return Err(self.no_table(from));
        }
        if !self.has_database(to.database()).await? {
            return Err(self.no_database(to.database()));
        }
        self.is_taken(to, false).await?;
        self.ensure_default_database(to.database()).await?;
        let (source, target) = (self.table_location(from)?, self.table_location(to)?);
        let rows = self.rows.rename_table(from, to);
        let renamed = async || self.rows.has_table_row(to).await;
        self.changed(from, &rows, renamed).await?;
        let moved = async {
            let parent = self.database_location(to.database())?;
            self.io.create_folder(&parent).await?;
            self.io.rename_folder(&source, &target).await
        };
        let Err(error) = moved.await else {
            return Ok(());
        };
        let rows = self.rows.rename_table(to, from);
        let undone = async || self.rows.has_table_row(from).await;
        if let Err(undo) = self.changed(to, &rows, undone).await {
            tracing::warn!(error = %undo, "a rename of which the files could not be moved was not taken back");
            return Err(Error::new(
                error.kind(),
                "the table has its new name, but its files could not be moved there",
            )
            .with("path", source)
            .with_source(error));
        }
        Err(error)
    }

    pub(super) async fn change_table(
        &self,
        identifier: &Identifier,
        changes: &[SchemaChange],
    ) -> Result<()> {
        let table = self.open(identifier).await?;
        let has_snapshots = table.snapshots().latest_id().await?.is_some();
        let before = table.schemas().latest().await?.map(|s| s.id);
        let alter = async {
            let now_ms = SystemClock.epoch_ms();
            if let Some(newest) = table.schemas().latest().await? {
                // what the database cannot hold is refused before there is a schema
                self.synced_properties(&newest.altered(changes, has_snapshots, now_ms)?)?;
            }
            let altered = table
                .schemas()
                .alter(changes, has_snapshots, now_ms)
                .await?;
            // the database knows the main branch only
            match identifier.branch() {
                None => Ok(Some((
                    self.store_properties(identifier, &altered).await,
                    altered.id,
                ))),
                Some(_) => Ok(None),
            }
        };
        let altered = self.exclusively(identifier, alter).await;
        let stored = altered.map_err(|e| e.with_default("table", identifier))?;
        let Some((Err(error), id)) = stored else {
            return Ok(());
        };
        let error = error.with_default("table", identifier);
        if before == Some(id) {
            return Err(error.with("schema_id", id));
        }
        Err(not_stored(table.schemas(), id, error).await)
    }

    /// Makes an earlier schema the newest one again, of the files and of what the database knows.
    pub(super) async fn go_back_to_schema(
        &self,
        identifier: &Identifier,
        schema_id: i64,
    ) -> Result<()> {
        let table = self.open(identifier).await?;
        let back = async {
            let schema = rollback_schema(&table, schema_id).await?;
            // the database knows the main branch only
            match identifier.branch() {
                None => self.store_properties(identifier, &schema).await,
                Some(_) => Ok(()),
            }
        };
        let done = self.exclusively(identifier, back).await;
        done.map_err(|e| e.with_default("table", identifier))
    }

    /// Makes a table another one: first its files, then what the database knows of it.
    pub(super) async fn put_in_place(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<()> {
        identifier.check_plain()?;
        let table = self.open(identifier).await?;
        // what the database cannot hold is refused before anything happens
        self.synced_properties(schema)
            .map_err(|e| e.with_default("table", identifier))?;
        let publish = async {
            let append = async {
                table.schemas().append(schema).await?;
                Ok(self.store_properties(identifier, schema).await)
            };
            match self.exclusively(identifier, append).await? {
                Ok(()) => Ok(()),
                Err(error) => Err(not_stored(table.schemas(), schema.id, error).await),
            }
        };
        let replaced = table.replace(schema, publish).await;
        replaced.map_err(|e| e.with_default("table", identifier))
    }

    /// Copies the options and keys of a schema to the catalog's database.
    pub(super) async fn store_properties(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<()> {
        if !self.settings.sync_all_properties {
            return Ok(());
        }
        let properties = self.synced_properties(schema)?;
        let mut rows = vec![self.rows.delete_table_properties(identifier)];
        rows.extend(self.rows.insert_table_properties(identifier, &properties));
        // nothing tells whether properties are those of this change
        self.changed(identifier, &rows, async || Ok(false)).await
    }

    /// What of a schema is kept in the database as well.
    fn synced_properties(&self, schema: &TableSchema) -> Result<BTreeMap<String, String>> {
        if !self.settings.sync_all_properties {
            return Ok(BTreeMap::new());
        }
        let options = schema.options.iter();
        let mut all: BTreeMap<String, String> =
            options.map(|(k, v)| (k.clone(), v.clone())).collect();
        let bucket_keys = CoreOptions::new(schema)?.bucket_keys(schema);
        let keys = [&schema.primary_keys, &schema.partition_keys, &bucket_keys];
        for (option, columns) in KEY_OPTIONS.iter().zip(keys) {
            if !columns.is_empty() {
                all.insert(option.to_string(), columns.join(","));
            }
        }
        self.rows.check_properties(&all)?;
        Ok(all)
    }
}
