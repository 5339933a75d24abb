//! Databases of the metastore, and what tables they list.

use std::collections::BTreeMap;

use paimon_core::{Error, Result};

use super::HiveCatalog;
use super::client::{HiveDatabase, HiveTable};
use super::mapping::{COMMENT, Kind, LOCATION, kind};
use crate::catalog::PropertyChanges;
use crate::identifier::{Identifier, SYSTEM_DATABASE};
use crate::names::{check_component, check_location_stays};

const OWNER: &str = "owner";
const LOCATION_PROPERTY: &str = "location";
const DATABASE_SUFFIX: &str = ".db";

impl HiveCatalog {
    pub(super) async fn new_database(
        &self,
        database: &str,
        ignore: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        check_component("database", database)?;
        if database == SYSTEM_DATABASE {
            return Err(Error::invalid("database name sys is reserved").with("database", database));
        }
        if self.client.database(database).await?.is_some() {
            return match ignore {
                true => Ok(()),
                false => Err(Error::invalid("database exists already")
                    .with("database", database)
                    .with("catalog", &self.name)),
            };
        }
        let new = self.hive_database(database, properties);
        if let Some(location) = new.parameters.get(LOCATION) {
            self.io(location)?.create_folder(location).await?;
        }
        self.client.create_database(&new).await
    }

    fn hive_database(&self, name: &str, properties: &BTreeMap<String, String>) -> HiveDatabase {
        let mut parameters = properties.clone();
        let mut new = HiveDatabase {
            name: name.to_string(),
            description: parameters.remove(COMMENT),
            owner: parameters.remove(OWNER),
            location: parameters.remove(LOCATION_PROPERTY),
            ..HiveDatabase::default()
        };
        let own = || format!("{}/{name}{DATABASE_SUFFIX}", self.settings.warehouse);
        let location = new.location.take().unwrap_or_else(own);
        if self.settings.location_in_properties {
            parameters.insert(LOCATION.to_string(), location);
        } else {
            new.location = Some(location);
        }
        new.parameters = parameters;
        new
    }

    /// Location of a database, without a trailing slash.
    ///
    /// # Errors
    /// `NotFound` when there is no such database.
    pub(super) async fn database_location(&self, name: &str) -> Result<String> {
        let database = self.client.database(name).await?;
        let database = database.ok_or_else(|| self.no_database(name))?;
        let in_properties = database.parameters.get(LOCATION);
        let found = match in_properties.filter(|_| self.settings.location_in_properties) {
            Some(location) => Some(location.clone()),
            None => database.location,
        };
        let own = || format!("{}/{name}{DATABASE_SUFFIX}", self.settings.warehouse);
        let found = found.unwrap_or_else(own);
        Ok(found.trim_end_matches('/').to_string())
    }

    async fn known_database(&self, database: &str) -> Result<HiveDatabase> {
        check_component("database", database)?;
        let found = self.client.database(database).await?;
        found.ok_or_else(|| self.no_database(database))
    }

    /// The properties of a database; the key of the location is the same wherever the metastore has it.
    pub(super) async fn properties_of(&self, database: &str) -> Result<BTreeMap<String, String>> {
        let found = self.known_database(database).await?;
        let location = self.database_location(database).await?;
        let mut properties = found.parameters;
        properties.remove(LOCATION);
        let own = [
            (COMMENT, found.description),
            (OWNER, found.owner),
            (LOCATION_PROPERTY, Some(location)),
        ];
        for (key, value) in own {
            properties.extend(value.map(|value| (key.to_string(), value)));
        }
        Ok(properties)
    }

    pub(super) async fn change_database(
        &self,
        database: &str,
        changes: &PropertyChanges,
    ) -> Result<()> {
        check_location_stays(database, changes)?;
        let mut found = self.known_database(database).await?;
        for key in &changes.removed {
            match key.as_str() {
                COMMENT => found.description = None,
                OWNER => found.owner = None,
                _ => {
                    found.parameters.remove(key);
                }
            }
        }
        for (key, value) in &changes.set {
            match key.as_str() {
                COMMENT => found.description = Some(value.clone()),
                OWNER => found.owner = Some(value.clone()),
                _ => {
                    found.parameters.insert(key.clone(), value.clone());
                }
            }
        }
        self.client.alter_database(&found).await
    }

    pub(super) async fn remove_database(
        &self,
        database: &str,
        ignore: bool,
        cascade: bool,
    ) -> Result<()> {
        check_component("database", database)?;
        if database == SYSTEM_DATABASE {
            return Err(Error::invalid("database name sys is reserved").with("database", database));
        }
        if self.client.database(database).await?.is_none() {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_database(database)),
            };
        }
        let location = self.database_location(database).await?;
        let held = self.client.table_names(database).await?;
        if !cascade && !held.is_empty() {
            return Err(Error::invalid(format!(
                "database is not empty, it holds {}: CASCADE drops it with its tables",
                held.join(", ")
            ))
            .with("database", database)
            .with("catalog", &self.name));
        }
        for table in self.hive_tables(database).await? {
            if kind(&table) == Kind::Paimon {
                let identifier = Identifier::new(database, &table.name)?;
                self.remove_hive_table(&identifier, &table).await?;
            }
        }
        self.client.drop_database(database, true, cascade).await?;
        if self.settings.location_in_properties {
            self.io(&location)?.remove_folder(&location).await?;
        }
        Ok(())
    }

    /// Tables, views and all else of a database.
    pub(super) async fn hive_tables(&self, database: &str) -> Result<Vec<HiveTable>> {
        let names = self.client.table_names(database).await?;
        let mut found = Vec::with_capacity(names.len());
        for some in names.chunks(self.settings.table_batch) {
            found.extend(self.client.tables(database, some).await?);
        }
        Ok(found)
    }

    /// Names of Paimon tables, and of format tables where they are wanted, sorted.
    ///
    /// # Errors
    /// `NotFound` when there is no such database.
    pub(super) async fn table_names(&self, database: &str) -> Result<Vec<String>> {
        check_component("database", database)?;
        if self.client.database(database).await?.is_none() {
            return Err(self.no_database(database));
        }
        let tables = self.hive_tables(database).await?;
        let listed = tables.into_iter().filter(|t| self.is_listed(t));
        let mut names: Vec<String> = listed.map(|t| t.name).collect();
        names.sort();
        Ok(names)
    }

    /// Whether a table counts as one of this catalog.
    pub(super) fn is_listed(&self, table: &HiveTable) -> bool {
        match kind(table) {
            Kind::Paimon => true,
            Kind::Format(_) => self.settings.format_tables,
            Kind::View | Kind::Other => false,
        }
    }
}
