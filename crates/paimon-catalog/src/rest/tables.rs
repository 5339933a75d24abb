//! Databases and tables that come, go, change and are renamed: the service does it, files included.

use std::collections::BTreeMap;

use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::RestCatalog;
use super::client::{Failure, Kind};
use crate::catalog::PropertyChanges;
use crate::format_table::{self, is_format_table};
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::{check_component, check_location_stays};
use crate::tables::{add_defaults, refuse_kinds};

impl RestCatalog {
    /// Whether there is such a database; `default` always is.
    pub(super) async fn has_database(&self, database: &str) -> Result<bool> {
        check_component("database", database)?;
        match self.api.database(database).await {
            Ok(_) => Ok(true),
            Err(Failure::Missing(..)) => Ok(database == DEFAULT_DATABASE),
            Err(failure) => Err(self.database_error(database, failure)),
        }
    }

    pub(super) async fn new_database(
        &self,
        database: &str,
        ignore: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        check_component("database", database)?;
        refuse_reserved(database)?;
        match self.api.create_database(database, properties).await {
            Err(Failure::Exists(_)) if ignore => Ok(()),
            Err(Failure::Exists(_)) => Err(Error::invalid("database exists already")
                .with("database", database)
                .with("catalog", &self.name)),
            done => done.map_err(|f| self.database_error(database, f)),
        }
    }

    pub(super) async fn properties_of(&self, database: &str) -> Result<BTreeMap<String, String>> {
        match self.api.database(database).await {
            Ok(found) => Ok(found.properties()),
            Err(Failure::Missing(..)) if database == DEFAULT_DATABASE => Ok(BTreeMap::new()),
            Err(failure) => Err(self.database_error(database, failure)),
        }
    }

    pub(super) async fn change_database(
        &self,
        database: &str,
        changes: &PropertyChanges,
    ) -> Result<()> {
        check_component("database", database)?;
        refuse_reserved(database)?;
        check_location_stays(database, changes)?;
        let done = self.api.alter_database(database, changes).await;
        done.map_err(|f| self.database_error(database, f))
    }

    pub(super) async fn remove_database(
        &self,
        database: &str,
        ignore: bool,
        cascade: bool,
    ) -> Result<()> {
        check_component("database", database)?;
        refuse_reserved(database)?;
        let held = match self.api.tables(database).await {
            Err(Failure::Missing(..)) => Vec::new(),
            held => held.map_err(|f| self.database_error(database, f))?,
        };
        if !cascade && !held.is_empty() {
            return Err(Error::invalid(format!(
                "database is not empty, it holds {}: CASCADE drops it with its tables",
                held.join(", ")
            ))
            .with("database", database)
            .with("catalog", &self.name));
        }
        // not every service drops the tables with their database
        for table in held {
            let table = Identifier::new(database, &table)?;
            self.remove_table(&table, true).await?;
        }
        match self.api.drop_database(database).await {
            Err(Failure::Missing(..)) if ignore || database == DEFAULT_DATABASE => Ok(()),
            done => done.map_err(|f| self.database_error(database, f)),
        }
    }

    /// Names of tables, sorted.
    ///
    /// # Errors
    /// `NotFound` when there is no such database.
    pub(super) async fn table_names(&self, database: &str) -> Result<Vec<String>> {
        check_component("database", database)?;
        match self.api.tables(database).await {
            Err(Failure::Missing(..)) if database == DEFAULT_DATABASE => Ok(Vec::new()),
            names => names.map_err(|f| self.database_error(database, f)),
        }
    }

    /// The first schema of a new table.
    pub(super) fn table_schema(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        identifier.check_plain()?;
        if table.options.contains_key("path") {
            return Err(Error::unsupported(
                "the service chooses where tables of a REST catalog lie: a path cannot be given",
            )
            .with("option", "path")
            .with("table", identifier));
        }
        let session = self.api.known_session();
        add_defaults(session.map_or(&self.options, |s| &s.options), &mut table);
        if is_format_table(table.options.iter()) {
            let schema = format_table::new_schema(table);
            return schema.map_err(|e| e.with_default("table", identifier));
        }
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
        // its table defaults count
        let session = self.api.session().await;
        session.map_err(|f| self.error(identifier, f))?;
        let schema = self.table_schema(identifier, table)?;
        let mut done = self.api.create_table(identifier, &schema).await;
        if matches!(done, Err(Failure::Missing(..))) && identifier.database() == DEFAULT_DATABASE {
            self.new_database(DEFAULT_DATABASE, true, &BTreeMap::new())
                .await?;
            done = self.api.create_table(identifier, &schema).await;
        }
        match done {
            Ok(()) => Ok(true),
            Err(Failure::Exists(_)) if ignore => Ok(false),
            Err(Failure::Exists(_)) => Err(Error::invalid("table exists already")
                .with("table", identifier)
                .with("catalog", &self.name)),
            Err(Failure::Missing(..)) => Err(self.no_database(identifier.database())),
            Err(failure) => Err(self.error(identifier, failure)),
        }
    }

    pub(super) async fn remove_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        identifier.check_plain()?;
        self.tokens.forget(identifier);
        match self.api.drop_table(identifier).await {
            Err(Failure::Missing(..)) if ignore => Ok(()),
            done => done.map_err(|f| self.error(identifier, f)),
        }
    }

    pub(super) async fn move_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        from.check_plain()?;
        to.check_plain()?;
        if !self.has_database(to.database()).await? {
            return Err(self.no_database(to.database()));
        }
        if to.database() == DEFAULT_DATABASE {
            self.new_database(DEFAULT_DATABASE, true, &BTreeMap::new())
                .await?;
        }
        self.tokens.forget(from);
        match self.api.rename_table(from, to).await {
            Err(Failure::Exists(_)) => Err(Error::invalid("table exists already")
                .with("table", to)
                .with("catalog", &self.name)),
            done => done.map_err(|f| self.error(from, f)),
        }
    }

    pub(super) async fn change_table(
        &self,
        identifier: &Identifier,
        changes: &[SchemaChange],
    ) -> Result<()> {
        // what this engine cannot honour is not asked for
        match self.open(identifier).await {
            Ok(table) => {
                let has_snapshots = table.snapshots().latest_id().await?.is_some();
                let latest = table.schemas().latest().await?;
                let schema = latest.as_ref().unwrap_or_else(|| table.schema());
                let altered = schema.altered(changes, has_snapshots, SystemClock.epoch_ms());
                altered.map_err(|e| e.with_default("table", identifier))?;
            }
            Err(error) => match self.format_table(identifier).await? {
                Some(files) => files.altered(changes).map(|_| ())?,
                None => return Err(error),
            },
        }
        let done = self.api.alter_table(identifier, changes).await;
        done.map_err(|failure| match failure {
            Failure::Missing(Kind::Column | Kind::Other, error) => {
                error.with_default("table", identifier)
            }
            failure => self.error(identifier, failure),
        })
    }

    /// Lets the service make an earlier schema the newest one again.
    pub(super) async fn go_back_to_schema(
        &self,
        identifier: &Identifier,
        schema_id: i64,
    ) -> Result<()> {
        let done = self.api.rollback_schema(identifier, schema_id).await;
        done.map_err(|f| self.error(identifier, f))
    }

    /// Makes a table another one, which the service does.
    pub(super) async fn put_in_place(
        &self,
        identifier: &Identifier,
        schema: &TableSchema,
    ) -> Result<()> {
        identifier.check_plain()?;
        let table = self.open(identifier).await?;
        table.schemas().check_next(schema).await?;
        let done = self.api.replace_table(identifier, schema).await;
        done.map_err(|f| self.error(identifier, f))
    }

    fn database_error(&self, database: &str, failure: Failure) -> Error {
        match failure {
            Failure::Missing(..) => self.no_database(database),
            failure => Error::from(failure)
                .with("database", database)
                .with("catalog", &self.name),
        }
    }

    /// The error of a call about a table.
    pub(super) fn error(&self, identifier: &Identifier, failure: Failure) -> Error {
        match failure {
            Failure::Missing(Kind::Table, _) => self.no_table(identifier),
            Failure::Missing(Kind::Database, _) => self.no_database(identifier.database()),
            failure => Error::from(failure)
                .with_default("table", identifier)
                .with("catalog", &self.name),
        }
    }
}

fn refuse_reserved(database: &str) -> Result<()> {
    match database == SYSTEM_DATABASE {
        true => Err(Error::invalid("database name sys is reserved").with("database", database)),
        false => Ok(()),
    }
}
