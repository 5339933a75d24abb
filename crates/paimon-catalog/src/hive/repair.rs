//! Bringing the metastore to what the schema files say.
//!
//! Java: `HiveCatalog.repairCatalog`, `repairDatabase`, `repairTable`.

use std::collections::{BTreeMap, BTreeSet};

use paimon_core::commit::live_partitions;
use paimon_core::schema::SchemaManager;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, Result};

use super::HiveCatalog;
use super::mapping::{self, Place};
use super::partitions::seconds;
use crate::identifier::{Identifier, SYSTEM_DATABASE};

impl HiveCatalog {
    pub(super) async fn repair_objects(
        &self,
        database: Option<&str>,
        table: Option<&str>,
    ) -> Result<()> {
        let Some(database) = database else {
            return self.repair_catalog().await;
        };
        let database = self.cased(database);
        match table {
            Some(table) => {
                let identifier = Identifier::new(&database, table)?;
                self.repair_table(&self.plain(&identifier)?).await
            }
            None => self.repair_database(&database).await,
        }
    }

    /// All databases that have a folder in the warehouse.
    async fn repair_catalog(&self) -> Result<()> {
        let io = self.io(&self.settings.warehouse)?;
        for folder in io.list_folders(&self.settings.warehouse).await? {
            let Some(database) = folder.strip_suffix(".db") else {
                continue;
            };
            if !database.is_empty() && database != SYSTEM_DATABASE {
                self.repair_database(database).await?;
            }
        }
        Ok(())
    }

    async fn repair_database(&self, database: &str) -> Result<()> {
        self.new_database(database, true, &BTreeMap::new()).await?;
        let location = self.database_location(database).await?;
        let io = self.io(&location)?;
        for name in io.list_folders(&location).await? {
            let folder = format!("{location}/{name}");
            let is_table = !SchemaManager::new(io.clone(), &folder)
                .ids()
                .await?
                .is_empty();
            if is_table {
                self.repair_table(&Identifier::new(database, &name)?)
                    .await?;
            }
        }
        Ok(())
    }

    async fn repair_table(&self, identifier: &Identifier) -> Result<()> {
        let stored = self.hive_table(identifier).await?;
        let location = match &stored {
            Some(_) => {
                let table = self.paimon_table(identifier).await?;
                self.location(identifier, &table)?
            }
            None => self.default_location(identifier).await?,
        };
        let io = self.io(&location)?;
        let schema = SchemaManager::new(io, &location).latest().await?;
        let schema = schema.ok_or_else(|| self.no_table(identifier))?;
        match stored {
            Some(table) => {
                let mut wanted = table.clone();
                mapping::update(&mut wanted, &schema, &BTreeSet::new(), &self.settings)?;
                if wanted != table {
                    let removed = BTreeSet::new();
                    self.store_schema(identifier, table, &schema, &removed)
                        .await?;
                }
            }
            None => {
                let place = Place {
                    location,
                    external: self.settings.external_by_default,
                };
                let now = seconds(SystemClock.epoch_ms());
                let new = mapping::new_table(identifier, &schema, &place, &self.settings, now)?;
                self.client.create_table(&new).await?;
            }
        }
        self.repair_partitions(identifier).await
    }

    async fn repair_partitions(&self, identifier: &Identifier) -> Result<()> {
        let hive = self.paimon_table(identifier).await?;
        let table = self.open(identifier, &hive).await?;
        let Some(register) = &table.environment().partitions else {
            return Ok(());
        };
        let partitions = live_partitions(&table).await?;
        let added = register.add(&partitions).await;
        added.map_err(|e: Error| e.with_default("table", identifier))
    }
}
