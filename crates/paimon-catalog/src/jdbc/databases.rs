//! Databases: rows of properties, and a folder of the warehouse each.

use std::collections::BTreeMap;

use paimon_core::{Error, Result};

use super::JdbcCatalog;
use super::connections::Failure;
use crate::catalog::PropertyChanges;
use crate::identifier::{DEFAULT_DATABASE, Identifier, SYSTEM_DATABASE};
use crate::names::{check_component, check_location_stays};

/// Property of every database, so that one without properties has a row.
const EXISTS: &str = "exists";
const LOCATION: &str = "location";

impl JdbcCatalog {
    pub(super) fn database_location(&self, database: &str) -> Result<String> {
        check_component("database", database)?;
        if database == SYSTEM_DATABASE {
            return Err(Error::invalid("database name sys is reserved").with("database", database));
        }
        Ok(format!("{}/{database}.db", self.settings.warehouse))
    }

    /// Whether there is such a database; `default` always is.
    pub(super) async fn has_database(&self, database: &str) -> Result<bool> {
        Ok(database == DEFAULT_DATABASE || self.rows.has_database(database).await?)
    }

    pub(super) async fn new_database(
        &self,
        database: &str,
        ignore: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let location = self.database_location(database)?;
        let mut properties = properties.clone();
        // Java keeps another location but looks for tables in the warehouse all the same
        let given = properties.insert(LOCATION.to_string(), location.clone());
        if given.is_some_and(|given| given.trim_end_matches('/') != location) {
            return Err(Error::unsupported(
                "databases of this catalog lie in its warehouse: a location cannot be given",
            )
            .with("database", database)
            .with("catalog", &self.name));
        }
        properties.insert(EXISTS.to_string(), "true".to_string());
        self.rows
            .check_properties(&properties)
            .map_err(|e| e.with("database", database))?;
        let taken = || match ignore {
            true => Ok(()),
            false => Err(Error::invalid("database exists already")
                .with("database", database)
                .with("catalog", &self.name)),
        };
        if self.rows.has_database(database).await? {
            return taken();
        }
        let rows = self.rows.insert_database(database, &properties);
        match self.rows.change(&rows).await {
            Ok(_) => self.io.create_folder(&location).await,
            Err(Failure::Taken) => taken(),
            Err(failure) => Err(Error::from(failure).with_default("database", database)),
        }
    }

    /// Rows of `default`, which exists without them, before its first table.
    pub(super) async fn ensure_default_database(&self, database: &str) -> Result<()> {
        match database == DEFAULT_DATABASE {
            true => self.new_database(database, true, &BTreeMap::new()).await,
            false => Ok(()),
        }
    }

    /// The properties of a database, but the one that makes its row.
    pub(super) async fn properties_of(&self, database: &str) -> Result<BTreeMap<String, String>> {
        let location = self.database_location(database)?;
        if !self.has_database(database).await? {
            return Err(self.no_database(database));
        }
        let mut properties = self.rows.database_properties(database).await?;
        properties.remove(EXISTS);
        properties.insert(LOCATION.to_string(), location);
        Ok(properties)
    }

    pub(super) async fn change_database(
        &self,
        database: &str,
        changes: &PropertyChanges,
    ) -> Result<()> {
        check_location_stays(database, changes)?;
        self.database_location(database)?;
        if changes.removed.contains(EXISTS) || changes.set.contains_key(EXISTS) {
            return Err(Error::invalid(
                "the property makes the database known and cannot be changed",
            )
            .with("option", EXISTS)
            .with("database", database));
        }
        self.rows
            .check_properties(&changes.set)
            .map_err(|e| e.with("database", database))?;
        self.ensure_default_database(database).await?;
        if !self.has_database(database).await? {
            return Err(self.no_database(database));
        }
        let touched = changes.removed.iter().chain(changes.set.keys());
        let mut rows: Vec<_> = touched
            .map(|key| self.rows.delete_database_property(database, key))
            .collect();
        rows.extend(self.rows.insert_database(database, &changes.set));
        let done = self.rows.change(&rows).await;
        done.map(|_| ())
            .map_err(|e| Error::from(e).with_default("database", database))
    }

    pub(super) async fn remove_database(
        &self,
        database: &str,
        ignore: bool,
        cascade: bool,
    ) -> Result<()> {
        let location = self.database_location(database)?;
        if !self.has_database(database).await? {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_database(database)),
            };
        }
        let tables = self.rows.tables(database).await?;
        let mut held = tables.clone();
        held.extend(self.rows.views(database).await?);
        if !cascade && !held.is_empty() {
            return Err(Error::invalid(format!(
                "database is not empty, it holds {}: CASCADE drops it with its tables",
                held.join(", ")
            ))
            .with("database", database)
            .with("catalog", &self.name));
        }
        for table in tables {
            let identifier = Identifier::new(database, &table)?;
            self.remove_table(&identifier, true).await?;
        }
        let rows = self.rows.delete_database(database).await?;
        let done = self.rows.change(&rows).await;
        done.map_err(|e| Error::from(e).with_default("database", database))?;
        // files that no table of the catalog owns stay: they may be tables that it does not know
        let left = self.io.list_recursive(&location).await?;
        match left.iter().all(|(_, file)| file.name.starts_with('.')) {
            true => self.io.remove_folder(&location).await,
            false => {
                tracing::warn!(
                    path = location,
                    "files of no table of the catalog stay behind"
                );
                Ok(())
            }
        }
    }

    /// Names of tables, sorted.
    ///
    /// # Errors
    /// `NotFound` when there is no such database.
    pub(super) async fn table_names(&self, database: &str) -> Result<Vec<String>> {
        check_component("database", database)?;
        let names = self.rows.tables(database).await?;
        match names.is_empty() && !self.has_database(database).await? {
            true => Err(self.no_database(database)),
            false => Ok(names),
        }
    }
}
