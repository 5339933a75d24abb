//! A catalog that remembers what another one told it.
//!
//! Java: `org.apache.paimon.catalog.CachingCatalog`. Kept are open tables and properties of databases, for as long as
//! `cache.expire-after-access` and `cache.expire-after-write` say. Unlike in Java a table is looked at before it is used
//! again: one whose newest schema file is another one is opened anew, so that columns and options are never those of
//! before somebody's change. Snapshots, partitions and files are never kept: a read begins at the newest snapshot.

mod expiring;
mod settings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::Result;
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::table::{SystemTable, Table};
use paimon_core::write::{Clock, SystemClock};

use self::expiring::Expiring;
pub(crate) use self::settings::CacheSettings;
use crate::catalog::{Catalog, PropertyChanges};
use crate::format_table::FormatTable;
use crate::function::{Function, FunctionChange};
use crate::identifier::Identifier;
use crate::migration::Migration;
use crate::view::{View, ViewChange};

/// Tables and databases that are kept at most, of each.
const CAPACITY: usize = 1000;

/// Database, table and branch.
type TableKey = (String, String, Option<String>);

/// Remembers open tables and properties of databases of another catalog.
#[derive(Debug)]
pub struct CachingCatalog {
    inner: Arc<dyn Catalog>,
    tables: Expiring<TableKey, Table>,
    databases: Expiring<String, BTreeMap<String, String>>,
}

impl CachingCatalog {
    /// A catalog that remembers what `inner` says, as the options of `inner` ask for; `inner` itself when they do not.
    /// `remote` says whether `inner` asks a service: such a catalog is cached unless `cache-enabled` is `false`, one of
    /// files alone when an option asks for it.
    ///
    /// # Errors
    /// `InvalidInput` naming a malformed option.
    pub fn around(inner: Arc<dyn Catalog>, remote: bool) -> Result<Arc<dyn Catalog>> {
        let settings = CacheSettings::read(inner.options(), remote)
            .map_err(|e| e.with("catalog", inner.name()))?;
        Ok(match settings {
            Some(settings) => Arc::new(Self::with(inner, settings, Arc::new(SystemClock))),
            None => inner,
        })
    }

    fn with(inner: Arc<dyn Catalog>, settings: CacheSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            tables: Expiring::new(settings, clock.clone(), CAPACITY),
            databases: Expiring::new(settings, clock, CAPACITY),
        }
    }

    /// Forgets a table with its branches, at once and when what is returned goes: a change may fail, or be given up
    /// half way, and have taken effect all the same.
    fn changing<'a>(&'a self, tables: &[&'a Identifier]) -> Changing<'a> {
        let tables = tables.iter().map(|t| Changed::Table(t)).collect();
        Changing::begin(self, tables)
    }

    fn changing_database<'a>(&'a self, database: &'a str) -> Changing<'a> {
        Changing::begin(self, vec![Changed::Database(database)])
    }

    fn changing_all(&self) -> Changing<'_> {
        Changing::begin(self, vec![Changed::All])
    }

    fn forget(&self, changed: Changed<'_>) {
        match changed {
            Changed::Table(table) => {
                let (database, table) = (table.database(), table.table());
                self.tables
                    .forget(|(d, t, _)| is_same(d, database) && is_same(t, table));
            }
            Changed::Database(database) => {
                self.tables.forget(|(d, ..)| is_same(d, database));
                self.databases.forget(|d| is_same(d, database));
            }
            Changed::All => {
                self.tables.forget(|_| true);
                self.databases.forget(|_| true);
            }
        }
    }
}

/// What a change is of.
#[derive(Debug, Clone, Copy)]
enum Changed<'a> {
    Table(&'a Identifier),
    Database(&'a str),
    All,
}

/// A change that is under way.
#[must_use]
struct Changing<'a> {
    catalog: &'a CachingCatalog,
    changed: Vec<Changed<'a>>,
}

impl<'a> Changing<'a> {
    fn begin(catalog: &'a CachingCatalog, changed: Vec<Changed<'a>>) -> Self {
        let changing = Self { catalog, changed };
        changing.forget();
        changing
    }

    fn forget(&self) {
        for changed in &self.changed {
            self.catalog.forget(*changed);
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Whether two names may be of one object: not every catalog tells upper from lower case.
fn is_same(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}

#[async_trait]
impl Catalog for CachingCatalog {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn options(&self) -> &BTreeMap<String, String> {
        self.inner.options()
    }

    fn invalidate_table(&self, identifier: &Identifier) {
        self.forget(Changed::Table(identifier));
        self.inner.invalidate_table(identifier);
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        self.inner.list_databases().await
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        self.inner.database_exists(database).await
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        self.inner.list_tables(database).await
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        self.inner.table_exists(identifier).await
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        let key: TableKey = (
            identifier.database().to_string(),
            identifier.table().to_string(),
            identifier.branch().map(str::to_string),
        );
        if let Some(table) = self.tables.get(&key)
            && table.is_current().await.unwrap_or(false)
        {
            return Ok(table);
        }
        let asked = self.tables.ask();
        let table = self.inner.get_table(identifier).await?;
        self.tables.keep(asked, key, table.clone());
        Ok(table)
    }

    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        self.inner.get_format_table(identifier).await
    }

    fn keeps_views(&self) -> bool {
        self.inner.keeps_views()
    }

    async fn list_views(&self, database: &str) -> Result<Vec<String>> {
        self.inner.list_views(database).await
    }

    async fn get_view(&self, identifier: &Identifier) -> Result<View> {
        self.inner.get_view(identifier).await
    }

    async fn create_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore_if_exists: bool,
    ) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner
            .create_view(identifier, view, ignore_if_exists)
            .await
    }

    async fn drop_view(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.drop_view(identifier, ignore_if_missing).await
    }

    async fn rename_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let _changing = self.changing(&[from, to]);
        self.inner.rename_view(from, to).await
    }

    async fn alter_view(&self, identifier: &Identifier, changes: &[ViewChange]) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.alter_view(identifier, changes).await
    }

    fn keeps_functions(&self) -> bool {
        self.inner.keeps_functions()
    }

    async fn list_functions(&self, database: &str) -> Result<Vec<String>> {
        self.inner.list_functions(database).await
    }

    async fn get_function(&self, identifier: &Identifier) -> Result<Function> {
        self.inner.get_function(identifier).await
    }

    async fn create_function(
        &self,
        identifier: &Identifier,
        function: &Function,
        ignore_if_exists: bool,
    ) -> Result<()> {
        self.inner
            .create_function(identifier, function, ignore_if_exists)
            .await
    }

    async fn drop_function(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        self.inner
            .drop_function(identifier, ignore_if_missing)
            .await
    }

    async fn alter_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<()> {
        self.inner.alter_function(identifier, changes).await
    }

    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()> {
        let _changing = self.changing_database(database);
        self.inner.create_database(database, ignore_if_exists).await
    }

    async fn create_database_with(
        &self,
        database: &str,
        ignore_if_exists: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let _changing = self.changing_database(database);
        self.inner
            .create_database_with(database, ignore_if_exists, properties)
            .await
    }

    async fn database_properties(&self, database: &str) -> Result<BTreeMap<String, String>> {
        let key = database.to_string();
        if let Some(properties) = self.databases.get(&key) {
            return Ok(properties);
        }
        let asked = self.databases.ask();
        let properties = self.inner.database_properties(database).await?;
        self.databases.keep(asked, key, properties.clone());
        Ok(properties)
    }

    async fn alter_database(&self, database: &str, changes: &PropertyChanges) -> Result<()> {
        let _changing = self.changing_database(database);
        self.inner.alter_database(database, changes).await
    }

    async fn drop_database(
        &self,
        database: &str,
        ignore_if_missing: bool,
        cascade: bool,
    ) -> Result<()> {
        let _changing = self.changing_database(database);
        self.inner
            .drop_database(database, ignore_if_missing, cascade)
            .await
    }

    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema> {
        self.inner.schema_of_new(identifier, table)
    }

    async fn create_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore_if_exists: bool,
    ) -> Result<bool> {
        let _changing = self.changing(&[identifier]);
        self.inner
            .create_table(identifier, table, ignore_if_exists)
            .await
    }

    async fn drop_table(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.drop_table(identifier, ignore_if_missing).await
    }

    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let _changing = self.changing(&[from, to]);
        self.inner.rename_table(from, to).await
    }

    async fn alter_table(&self, identifier: &Identifier, changes: &[SchemaChange]) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.alter_table(identifier, changes).await
    }

    async fn schema_of_replacement(
        &self,
        identifier: &Identifier,
        table: NewTable,
    ) -> Result<TableSchema> {
        self.inner.schema_of_replacement(identifier, table).await
    }

    async fn rollback_schema(&self, identifier: &Identifier, schema_id: i64) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.rollback_schema(identifier, schema_id).await
    }

    async fn replace_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()> {
        let _changing = self.changing(&[identifier]);
        self.inner.replace_table(identifier, schema).await
    }

    async fn repair(&self, database: Option<&str>, table: Option<&str>) -> Result<()> {
        let _changing = self.changing_all();
        self.inner.repair(database, table).await
    }

    async fn migrate_table(&self, migration: &Migration) -> Result<()> {
        let _changing = self.changing_all();
        self.inner.migrate_table(migration).await
    }

    async fn list_migratable_tables(&self, database: &str) -> Result<Vec<String>> {
        self.inner.list_migratable_tables(database).await
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        self.inner.global_system_tables()
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        self.inner.global_system_table(name).await
    }
}
