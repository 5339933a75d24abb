//! Bringing the catalog's database to what the schema files say.
//!
//! Java: `JdbcCatalog.repairCatalog`, `repairDatabase`, `repairTable`.

use std::collections::BTreeMap;

use paimon_core::schema::SchemaManager;
use paimon_core::{Error, Result};

use super::JdbcCatalog;
use super::connections::Failure;
use crate::identifier::{Identifier, SYSTEM_DATABASE};

impl JdbcCatalog {
    pub(super) async fn repair_objects(
        &self,
        database: Option<&str>,
        table: Option<&str>,
    ) -> Result<()> {
        match (database, table) {
            (None, _) => self.repair_catalog().await,
            (Some(database), None) => self.repair_database(database).await,
            (Some(database), Some(table)) => {
                let identifier = Identifier::new(database, table)?;
                identifier.check_plain()?;
                self.repair_table(&identifier).await
            }
        }
    }

    /// All databases that have a folder in the warehouse.
    async fn repair_catalog(&self) -> Result<()> {
        for folder in self.io.list_folders(&self.settings.warehouse).await? {
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
        let location = self.database_location(database)?;
        let folders = self.io.list_folders(&location).await?;
        self.new_database(database, true, &BTreeMap::new()).await?;
        for name in folders {
            let manager = SchemaManager::new(self.io.clone(), &format!("{location}/{name}"));
            if !manager.ids().await?.is_empty() {
                self.repair_table(&Identifier::new(database, &name)?)
                    .await?;
            }
        }
        Ok(())
    }

    async fn repair_table(&self, identifier: &Identifier) -> Result<()> {
        let location = self.table_location(identifier)?;
        let schema = SchemaManager::new(self.io.clone(), &location)
            .latest()
            .await?;
        let schema = schema.ok_or_else(|| self.no_table(identifier))?;
        let database = identifier.database();
        self.new_database(database, true, &BTreeMap::new()).await?;
        let repair = async {
            if !self.rows.has_table_row(identifier).await? {
                let row = self.rows.insert_table(identifier);
                match self.rows.change(&[row]).await {
                    Ok(_) | Err(Failure::Taken) => {}
                    Err(failure) => return Err(Error::from(failure)),
                }
            }
            self.store_properties(identifier, &schema).await
        };
        self.exclusively(identifier, repair)
            .await
            .map_err(|e| e.with_default("table", identifier))
    }
}
