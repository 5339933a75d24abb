//! What every catalog can do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use paimon_core::maintenance::rollback_schema;
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::TableSchema;
use paimon_core::table::{SystemTable, Table};
use paimon_core::{Error, ErrorKind, Result};

use crate::format_table::{FormatTable, is_format_table};
use crate::function::{Function, FunctionChange};
use crate::identifier::Identifier;
use crate::migration::Migration;
use crate::view::{View, ViewChange};

/// What is to change of a database's properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertyChanges {
    /// Properties that get a value.
    pub set: BTreeMap<String, String>,
    /// Properties that go; those that are not there are fine.
    pub removed: BTreeSet<String>,
}

/// A named set of databases with tables.
///
/// Java: `org.apache.paimon.catalog.Catalog`. Reads never create anything. Databases and tables are created, dropped and
/// renamed by plain names: branches and system tables are refused.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// Name under which the catalog is registered.
    fn name(&self) -> &str;

    /// The options it was created with, by Paimon's catalog option keys. May hold secrets: show them through
    /// [`crate::redacted`] only.
    fn options(&self) -> &BTreeMap<String, String>;

    /// Names of all databases, sorted, `default` always among them, the reserved `sys` not.
    async fn list_databases(&self) -> Result<Vec<String>>;

    /// Whether the database exists; true for `default` and `sys`.
    async fn database_exists(&self, database: &str) -> Result<bool>;

    /// Names of the tables of a database, sorted.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    async fn list_tables(&self, database: &str) -> Result<Vec<String>>;

    /// Whether the table (without regard to branch and system part) exists.
    async fn table_exists(&self, identifier: &Identifier) -> Result<bool>;

    /// Opens the table, on its branch when the identifier names one. The system part is left to the caller.
    ///
    /// # Errors
    /// `NotFound` when there is no such table or branch, `Damaged` when its metadata is broken.
    async fn get_table(&self, identifier: &Identifier) -> Result<Table>;

    /// Forgets what it remembers of a table and its branches, so that the next look is at the source. Nothing to do for a
    /// catalog that remembers nothing.
    fn invalidate_table(&self, identifier: &Identifier) {
        let _ = identifier;
    }

    /// A table of plain files without snapshots; `None` when the table is of another kind or not there. A format table
    /// is no table to [`Catalog::get_table`], which says so with `Unsupported`.
    ///
    /// # Errors
    /// `Unsupported` and `InvalidInput` naming an option that this engine cannot honour.
    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        let _ = identifier;
        Ok(None)
    }

    /// Whether it keeps views.
    fn keeps_views(&self) -> bool {
        false
    }

    /// Names of the views of a database, sorted; none in a catalog that keeps none.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    async fn list_views(&self, database: &str) -> Result<Vec<String>> {
        let _ = database;
        Ok(Vec::new())
    }

    /// A view.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    async fn get_view(&self, identifier: &Identifier) -> Result<View> {
        Err(Error::new(ErrorKind::NotFound, "view does not exist")
            .with("view", identifier)
            .with("catalog", self.name()))
    }

    /// Creates a view. One that is there already is fine, and stays, when `ignore_if_exists`.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist, `InvalidInput` when the name is taken, `Unsupported` in a catalog
    /// that keeps no views.
    async fn create_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore_if_exists: bool,
    ) -> Result<()> {
        let _ = (view, ignore_if_exists);
        Err(no_views(self.name(), identifier))
    }

    /// Drops a view. A missing one is fine when `ignore_if_missing`.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Unsupported` in a catalog that keeps no views.
    async fn drop_view(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        match ignore_if_missing {
            true => Ok(()),
            false => Err(no_views(self.name(), identifier)),
        }
    }

    /// Gives a view another name, perhaps in another database.
    ///
    /// # Errors
    /// `NotFound` when there is no such view or database, `InvalidInput` when the new name is taken, `Unsupported` in a
    /// catalog that keeps no views.
    async fn rename_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let _ = to;
        Err(no_views(self.name(), from))
    }

    /// Changes what a view is to single programs: all of the changes or none.
    ///
    /// # Errors
    /// `NotFound` when there is no such view or dialect, `InvalidInput` for a dialect that is there already, `Unsupported`
    /// in a catalog that keeps one query of a view for all.
    async fn alter_view(&self, identifier: &Identifier, changes: &[ViewChange]) -> Result<()> {
        let _ = changes;
        match self.keeps_views() {
            false => Err(no_views(self.name(), identifier)),
            true => Err(Error::unsupported(
                "this catalog keeps one query of a view for all programs: catalogs of REST and JDBC keep dialects",
            )
            .with("view", identifier)
            .with("catalog", self.name())),
        }
    }

    /// Whether it keeps functions.
    fn keeps_functions(&self) -> bool {
        false
    }

    /// Names of the functions of a database, sorted; none in a catalog that keeps none.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    async fn list_functions(&self, database: &str) -> Result<Vec<String>> {
        let _ = database;
        Ok(Vec::new())
    }

    /// A function.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    async fn get_function(&self, identifier: &Identifier) -> Result<Function> {
        Err(Error::new(ErrorKind::NotFound, "function does not exist")
            .with("function", identifier)
            .with("catalog", self.name()))
    }

    /// Creates a function. One that is there already is fine, and stays, when `ignore_if_exists`.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist, `InvalidInput` for a name that is taken or malformed,
    /// `Unsupported` in a catalog that keeps no functions.
    async fn create_function(
        &self,
        identifier: &Identifier,
        function: &Function,
        ignore_if_exists: bool,
    ) -> Result<()> {
        let _ = (function, ignore_if_exists);
        Err(no_functions(self.name(), identifier))
    }

    /// Drops a function. A missing one is fine when `ignore_if_missing`.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Unsupported` in a catalog that keeps no functions.
    async fn drop_function(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()> {
        match ignore_if_missing {
            true => Ok(()),
            false => Err(no_functions(self.name(), identifier)),
        }
    }

    /// Changes a function.
    ///
    /// # Errors
    /// `NotFound` when there is no such function or definition, `InvalidInput` for a definition that is there already,
    /// `Unsupported` in a catalog that keeps no functions.
    async fn alter_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<()> {
        let _ = changes;
        Err(no_functions(self.name(), identifier))
    }

    /// Creates a database. One that exists already is fine when `ignore_if_exists`.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is taken, reserved or malformed.
    async fn create_database(&self, database: &str, ignore_if_exists: bool) -> Result<()>;

    /// As [`Catalog::create_database`], with properties: `location`, `comment`, `owner` and free ones.
    ///
    /// A catalog that keeps no properties says so in a warning.
    ///
    /// # Errors
    /// As [`Catalog::create_database`]; `Unsupported` for a `location` where databases lie in the warehouse.
    async fn create_database_with(
        &self,
        database: &str,
        ignore_if_exists: bool,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        if properties
            .keys()
            .any(|key| key.eq_ignore_ascii_case("location"))
        {
            return Err(Error::unsupported(
                "databases of this catalog lie in its warehouse: a location cannot be given",
            )
            .with("database", database)
            .with("catalog", self.name()));
        }
        if !properties.is_empty() {
            let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
            tracing::warn!(
                database,
                properties = keys.join(", "),
                "this catalog keeps no properties of databases"
            );
        }
        self.create_database(database, ignore_if_exists).await
    }

    /// The properties of a database, `location`, `comment` and `owner` among them where the catalog keeps those.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn database_properties(&self, database: &str) -> Result<BTreeMap<String, String>> {
        match self.database_exists(database).await? {
            true => Ok(BTreeMap::new()),
            false => Err(Error::new(ErrorKind::NotFound, "database does not exist")
                .with("database", database)
                .with("catalog", self.name())),
        }
    }

    /// Changes the properties of a database; all others stay.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Unsupported` for its location and for a catalog that keeps no properties.
    async fn alter_database(&self, database: &str, changes: &PropertyChanges) -> Result<()> {
        let _ = changes;
        Err(
            Error::unsupported("this catalog keeps no properties of databases")
                .with("database", database)
                .with("catalog", self.name()),
        )
    }

    /// Drops a database, with its tables when `cascade`. A missing one is fine when `ignore_if_missing`.
    ///
    /// # Errors
    /// `NotFound` when there is none, `InvalidInput` when it holds anything and `cascade` is off.
    async fn drop_database(
        &self,
        database: &str,
        ignore_if_missing: bool,
        cascade: bool,
    ) -> Result<()>;

    /// The first schema that [`Catalog::create_table`] would give a table. Creates nothing.
    ///
    /// # Errors
    /// As [`Catalog::create_table`], but for names that are taken or missing.
    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema>;

    /// Creates a table: of several callers exactly one succeeds. Returns whether this call did; false only when there
    /// is one already and `ignore_if_exists`. Catalog options `table-default.<key>` become table options unless given.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist, `InvalidInput` when the name is taken or the schema breaks a rule,
    /// `Unsupported` naming an option or column that this engine cannot honour.
    async fn create_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore_if_exists: bool,
    ) -> Result<bool>;

    /// Drops a table with all its branches, tags and data. A missing one is fine when `ignore_if_missing`.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn drop_table(&self, identifier: &Identifier, ignore_if_missing: bool) -> Result<()>;

    /// Gives a table another name, perhaps in another database.
    ///
    /// # Errors
    /// `NotFound` when there is no such table or database, `InvalidInput` when the new name is taken, `Unsupported`
    /// where the store cannot rename in one step.
    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()>;

    /// Changes the schema of a table, on its branch when the identifier names one. Changes that others make meanwhile stay.
    ///
    /// # Errors
    /// `NotFound` when there is no such table, branch or column, `InvalidInput` naming the option or column that must not
    /// change so, `Unsupported` naming what this engine cannot honour.
    async fn alter_table(&self, identifier: &Identifier, changes: &[SchemaChange]) -> Result<()>;

    /// The schema that makes a table another one, for [`Catalog::replace_table`]. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such table; as [`Catalog::create_table`] for the new one; `Unsupported` when its
    /// partition columns are others, and when one of the two is a table of plain files.
    async fn schema_of_replacement(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        let files = is_format_table(table.options.iter());
        if files || self.get_format_table(identifier).await?.is_some() {
            return Err(Error::unsupported(
                "tables of plain files are not replaced, nor do they replace others: DROP the table and CREATE it again",
            )
            .with("table", identifier));
        }
        let old = self.get_table(identifier).await?;
        let path = table.options.shift_remove("path");
        if path.is_some_and(|p| p.trim_end_matches('/') != old.location()) {
            return Err(Error::unsupported(
                "a table that is replaced stays where it is: another path cannot be given",
            )
            .with("option", "path")
            .with("table", identifier));
        }
        let new = self.schema_of_new(identifier, &table)?;
        let schema = old.schema().replaced_by(new);
        schema.map_err(|e| e.with_default("table", identifier))
    }

    /// Empties a table and gives it other columns, keys and options: a schema of [`Catalog::schema_of_replacement`]. Its
    /// snapshots, tags and branches stay. What was there comes back when the schema cannot be published.
    ///
    /// # Errors
    /// `NotFound` when there is no such table, `CommitConflict` when another change of the schema came first.
    async fn replace_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()>;

    /// Makes an earlier schema of a table, or of its branch, the newest one again; later ones are removed.
    ///
    /// # Errors
    /// `NotFound` when there is no such table or schema, `InvalidInput` when a snapshot, changelog or tag is of a later
    /// one.
    async fn rollback_schema(&self, identifier: &Identifier, schema_id: i64) -> Result<()> {
        let table = self.get_table(identifier).await?;
        rollback_schema(&table, schema_id).await.map(drop)
    }

    /// Makes a metastore know the tables, columns, options and partitions that the files have: of one table, of one
    /// database, or of the whole warehouse.
    ///
    /// # Errors
    /// `Unsupported` for a catalog that keeps nothing beyond the files, `NotFound` when there is no such table.
    async fn repair(&self, database: Option<&str>, table: Option<&str>) -> Result<()> {
        let _ = (database, table);
        Err(Error::unsupported(
            "this catalog keeps nothing beyond the files: there is nothing to repair",
        )
        .with("catalog", self.name()))
    }

    /// Makes a table of Hive a Paimon table in place.
    ///
    /// A call that was cut off is finished by the same call: until then no file is lost, but some may be missing to readers of
    /// the new table.
    ///
    /// # Errors
    /// `NotFound` when there is no such table, `Unsupported` naming what keeps it from being migrated (before anything
    /// is changed) and for catalogs without tables of Hive.
    async fn migrate_table(&self, migration: &Migration) -> Result<()> {
        Err(no_hive(self.name()).with("table", &migration.source))
    }

    /// Names of the tables of a database that [`Catalog::migrate_table`] may take, sorted. Among them are those that a call
    /// which was cut off has dropped without giving their name to the new table.
    ///
    /// # Errors
    /// `Unsupported` for catalogs without tables of Hive.
    async fn list_migratable_tables(&self, database: &str) -> Result<Vec<String>> {
        Err(no_hive(self.name()).with("database", database))
    }

    /// Names of the global tables of database `sys`.
    fn global_system_tables(&self) -> &'static [&'static str];

    /// Content of a global table of database `sys`; `None` when there is none of that name.
    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>>;
}

fn no_hive(catalog: &str) -> Error {
    Error::unsupported(
        "only tables of a Hive Metastore are migrated, in a catalog with metastore = hive",
    )
    .with("catalog", catalog)
}

fn no_views(catalog: &str, identifier: &Identifier) -> Error {
    Error::unsupported(
        "this catalog keeps no views: catalogs of Hive, REST and JDBC do; CREATE TEMPORARY VIEW makes one of the session",
    )
    .with("view", identifier)
    .with("catalog", catalog)
}

fn no_functions(catalog: &str, identifier: &Identifier) -> Error {
    Error::unsupported("this catalog keeps no functions: catalogs of REST do")
        .with("function", identifier)
        .with("catalog", catalog)
}
