//! What the catalog's database holds, table by table.
//!
//! Java: `org.apache.paimon.jdbc.JdbcUtils`. The tables are those of Java, column for column:
//!
//! ```text
//! paimon_tables              catalog_key, database_name, table_name
//! paimon_database_properties catalog_key, database_name, property_key, property_value
//! paimon_table_properties    catalog_key, database_name, table_name, property_key, property_value
//! paimon_views               catalog_key, database_name, view_name, view_schema      (from the first view on)
//! paimon_distributed_locks   lock_id, acquired_at, expire_time_seconds               (with locks only)
//! ```

use std::collections::BTreeMap;

use paimon_core::{Error, Result};

use super::connections::{Connections, Failure, Statement};
use crate::identifier::Identifier;

const CREATE_TABLES: &str = "CREATE TABLE paimon_tables(catalog_key VARCHAR(255) NOT NULL,\
    database_name VARCHAR(255) NOT NULL,table_name VARCHAR(255) NOT NULL, \
    PRIMARY KEY (catalog_key, database_name, table_name))";
const CREATE_DATABASE_PROPERTIES: &str = "CREATE TABLE paimon_database_properties(\
    catalog_key VARCHAR(255) NOT NULL,database_name VARCHAR(255) NOT NULL,property_key VARCHAR(255),\
    property_value VARCHAR(1000),PRIMARY KEY (catalog_key, database_name, property_key))";
const CREATE_TABLE_PROPERTIES: &str = "CREATE TABLE paimon_table_properties(catalog_key VARCHAR(255) NOT NULL,\
    database_name VARCHAR(255) NOT NULL,table_name VARCHAR(255) NOT NULL,property_key VARCHAR(255) NOT NULL,\
    property_value VARCHAR(1000),PRIMARY KEY (catalog_key, database_name, table_name, property_key))";
const VIEWS: &str = "paimon_views";
const CREATE_VIEWS: &str = "CREATE TABLE paimon_views(catalog_key VARCHAR(255) NOT NULL,\
    database_name VARCHAR(255) NOT NULL,view_name VARCHAR(255) NOT NULL,view_schema TEXT NOT NULL, \
    PRIMARY KEY (catalog_key, database_name, view_name))";

/// The rows of one catalog.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) connections: std::sync::Arc<Connections>,
    pub(super) key: String,
    /// Longest name of a lock; `None` without locks.
    pub(super) lock_length_max: Option<usize>,
    ready: tokio::sync::OnceCell<()>,
}

impl Rows {
    pub(super) fn new(
        connections: std::sync::Arc<Connections>,
        key: String,
        lock_length_max: Option<usize>,
    ) -> Self {
        Self {
            connections,
            key,
            lock_length_max,
            ready: tokio::sync::OnceCell::new(),
        }
    }

    /// The database with its tables, which the first call creates where they are missing.
    pub(super) async fn connections(&self) -> Result<&Connections> {
        self.ready.get_or_try_init(|| self.create_tables()).await?;
        Ok(&self.connections)
    }

    async fn create_tables(&self) -> Result<()> {
        let mut wanted = vec![
            ("paimon_tables", CREATE_TABLES.to_string()),
            (
                "paimon_database_properties",
                CREATE_DATABASE_PROPERTIES.to_string(),
            ),
            (
                "paimon_table_properties",
                CREATE_TABLE_PROPERTIES.to_string(),
            ),
        ];
        if let Some(length) = self.lock_length_max {
            let text = format!(
                "CREATE TABLE paimon_distributed_locks(lock_id VARCHAR({length}) NOT NULL,acquired_at TIMESTAMP \
                 DEFAULT CURRENT_TIMESTAMP NOT NULL,expire_time_seconds BIGINT DEFAULT 0 NOT NULL,PRIMARY KEY (lock_id))"
            );
            wanted.push(("paimon_distributed_locks", text));
        }
        for (name, create) in wanted {
            self.create_missing(name, create).await?;
        }
        Ok(())
    }

    async fn create_missing(&self, name: &str, create: String) -> Result<()> {
        if self.has_table(name).await? {
            return Ok(());
        }
        match self.connections.change(&[Statement::new(create, [])]).await {
            // another catalog may have been opened at the same time
            Err(failure) if !self.has_table(name).await? => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// Makes the table of views where it is missing.
    pub(super) async fn create_views(&self) -> Result<()> {
        self.connections().await?;
        self.create_missing(VIEWS, CREATE_VIEWS.to_string()).await
    }

    async fn has_table(&self, name: &str) -> Result<bool> {
        let find = self.connections.dialect().find_table();
        self.connections.exists(&Statement::new(find, [name])).await
    }

    async fn exists<const N: usize>(&self, text: &'static str, values: [&str; N]) -> Result<bool> {
        let connections = self.connections().await?;
        connections.exists(&Statement::new(text, values)).await
    }

    async fn names<const N: usize>(
        &self,
        text: &'static str,
        values: [&str; N],
    ) -> Result<Vec<String>> {
        let connections = self.connections().await?;
        connections.names(&Statement::new(text, values)).await
    }

    pub(super) async fn change(&self, statements: &[Statement]) -> Result<Vec<u64>, Failure> {
        let connections = self.connections().await.map_err(Failure::Refused)?;
        connections.change(statements).await
    }

    /// Names of databases that have properties, tables or views.
    pub(super) async fn databases(&self) -> Result<Vec<String>> {
        let mut texts = vec![
            "SELECT DISTINCT database_name FROM paimon_database_properties WHERE catalog_key = ?",
            "SELECT DISTINCT database_name FROM paimon_tables WHERE catalog_key = ?",
        ];
        self.connections().await?;
        if self.has_table(VIEWS).await? {
            texts.push("SELECT DISTINCT database_name FROM paimon_views WHERE catalog_key = ?");
        }
        let mut names = Vec::new();
        for text in texts {
            names.extend(self.names(text, [&self.key]).await?);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(super) async fn has_database(&self, name: &str) -> Result<bool> {
        for text in [
            "SELECT database_name FROM paimon_database_properties WHERE catalog_key = ? AND database_name = ? LIMIT 1",
            "SELECT database_name FROM paimon_tables WHERE catalog_key = ? AND database_name = ? LIMIT 1",
        ] {
            if self.exists(text, [&self.key, name]).await? {
                return Ok(true);
            }
        }
        Ok(!self.views(name).await?.is_empty())
    }

    /// Names of the views of a database.
    pub(super) async fn views(&self, database: &str) -> Result<Vec<String>> {
        self.connections().await?;
        if !self.has_table(VIEWS).await? {
            return Ok(Vec::new());
        }
        let text = "SELECT view_name FROM paimon_views WHERE catalog_key = ? AND database_name = ?";
        self.names(text, [&self.key, database]).await
    }

    pub(super) async fn has_view(&self, identifier: &Identifier) -> Result<bool> {
        let views = self.views(identifier.database()).await?;
        Ok(views.iter().any(|v| v == identifier.table()))
    }

    /// The JSON of a view.
    pub(super) async fn view(&self, identifier: &Identifier) -> Result<Option<String>> {
        const TEXT: &str = "SELECT view_schema FROM paimon_views WHERE catalog_key = ? AND database_name = ? AND \
                            view_name = ?";
        self.connections().await?;
        if !self.has_table(VIEWS).await? {
            return Ok(None);
        }
        let values = [&self.key, identifier.database(), identifier.table()];
        Ok(self.names(TEXT, values).await?.pop())
    }

    pub(super) fn insert_view(&self, identifier: &Identifier, json: &str) -> Statement {
        const TEXT: &str = "INSERT INTO paimon_views (catalog_key, database_name, view_name, view_schema) VALUES \
                            (?,?,?,?)";
        let (database, view) = (identifier.database(), identifier.table());
        Statement::new(TEXT, [&self.key, database, view, json])
    }

    /// Replaces the JSON of a view, if it is still `old`.
    pub(super) fn update_view(&self, identifier: &Identifier, old: &str, new: &str) -> Statement {
        const TEXT: &str = "UPDATE paimon_views SET view_schema = ? WHERE catalog_key = ? AND database_name = ? AND \
                            view_name = ? AND view_schema = ?";
        let (database, view) = (identifier.database(), identifier.table());
        Statement::new(TEXT, [new, &self.key, database, view, old])
    }

    pub(super) fn delete_view(&self, identifier: &Identifier) -> Statement {
        const TEXT: &str = "DELETE FROM paimon_views WHERE catalog_key = ? AND database_name = ? AND view_name = ?";
        Statement::new(TEXT, [&self.key, identifier.database(), identifier.table()])
    }

    pub(super) fn rename_view(&self, from: &Identifier, to: &Identifier) -> Statement {
        const TEXT: &str = "UPDATE paimon_views SET database_name = ? , view_name = ? WHERE catalog_key = ? AND \
                            database_name = ? AND view_name = ?";
        let (database, view) = (from.database(), from.table());
        Statement::new(TEXT, [to.database(), to.table(), &self.key, database, view])
    }

    pub(super) async fn tables(&self, database: &str) -> Result<Vec<String>> {
        let text =
            "SELECT table_name FROM paimon_tables WHERE catalog_key = ? AND database_name = ?";
        let mut names = self.names(text, [&self.key, database]).await?;
        names.sort();
        Ok(names)
    }

    pub(super) async fn has_table_row(&self, identifier: &Identifier) -> Result<bool> {
        let text = "SELECT table_name FROM paimon_tables WHERE catalog_key = ? AND database_name = ? AND table_name = ?";
        let values = [&self.key, identifier.database(), identifier.table()];
        self.exists(text, values).await
    }

    /// Refuses properties that the database's columns cannot hold.
    ///
    /// # Errors
    /// `InvalidInput` naming the property.
    pub(super) fn check_properties<'a>(
        &self,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<()> {
        const KEY_MAX: usize = 255;
        let Some(value_max) = self.connections.dialect().property_length_max() else {
            return Ok(());
        };
        for (key, value) in properties {
            let (found, max) = match key.chars().count() {
                long if long > KEY_MAX => (long, KEY_MAX),
                _ => (value.chars().count(), value_max),
            };
            if found > max {
                return Err(Error::invalid(format!(
                    "the catalog's database holds properties of up to {max} characters, found {found}: catalog option \
                     sync-all-properties = false keeps those of tables out of it"
                ))
                .with("option", key));
            }
        }
        Ok(())
    }

    pub(super) fn insert_database(
        &self,
        name: &str,
        properties: &BTreeMap<String, String>,
    ) -> Vec<Statement> {
        const TEXT: &str = "INSERT INTO paimon_database_properties (catalog_key, database_name, property_key, \
                            property_value) VALUES (?,?,?,?)";
        let row =
            |(key, value): (&String, &String)| Statement::new(TEXT, [&self.key, name, key, value]);
        properties.iter().map(row).collect()
    }

    pub(super) async fn database_properties(&self, name: &str) -> Result<BTreeMap<String, String>> {
        const TEXT: &str = "SELECT property_key, property_value FROM paimon_database_properties WHERE catalog_key = ? \
                            AND database_name = ?";
        let statement = Statement::new(TEXT, [self.key.as_str(), name]);
        let rows = self.connections().await?.rows(&statement).await?;
        let pairs = rows.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            Some((cells.next()?, cells.next()?))
        });
        Ok(pairs.collect())
    }

    pub(super) fn delete_database_property(&self, name: &str, key: &str) -> Statement {
        const TEXT: &str = "DELETE FROM paimon_database_properties WHERE catalog_key = ? AND database_name = ? AND \
                            property_key = ?";
        Statement::new(TEXT, [self.key.as_str(), name, key])
    }

    /// Deletes all rows of a database.
    pub(super) async fn delete_database(&self, name: &str) -> Result<Vec<Statement>> {
        let mut texts = vec![
            "DELETE FROM paimon_tables WHERE catalog_key = ? AND database_name = ?",
            "DELETE FROM paimon_table_properties WHERE catalog_key = ? AND database_name = ?",
            "DELETE FROM paimon_database_properties WHERE catalog_key = ? AND database_name = ?",
        ];
        self.connections().await?;
        if self.has_table(VIEWS).await? {
            texts.push("DELETE FROM paimon_views WHERE catalog_key = ? AND database_name = ?");
        }
        let delete = |text| Statement::new(text, [&self.key, name]);
        Ok(texts.into_iter().map(delete).collect())
    }

    pub(super) fn insert_table(&self, identifier: &Identifier) -> Statement {
        const TEXT: &str =
            "INSERT INTO paimon_tables (catalog_key, database_name, table_name) VALUES (?,?,?)";
        Statement::new(TEXT, [&self.key, identifier.database(), identifier.table()])
    }

    pub(super) fn insert_table_properties(
        &self,
        identifier: &Identifier,
        properties: &BTreeMap<String, String>,
    ) -> Vec<Statement> {
        const TEXT: &str = "INSERT INTO paimon_table_properties (catalog_key, database_name, table_name, property_key, \
                            property_value) VALUES (?,?,?,?,?)";
        let (database, table) = (identifier.database(), identifier.table());
        let row = |(key, value): (&String, &String)| {
            Statement::new(TEXT, [&self.key, database, table, key, value])
        };
        properties.iter().map(row).collect()
    }

    pub(super) fn delete_table_properties(&self, identifier: &Identifier) -> Statement {
        const TEXT: &str = "DELETE FROM paimon_table_properties WHERE catalog_key = ? AND database_name = ? AND table_name = ?";
        Statement::new(TEXT, [&self.key, identifier.database(), identifier.table()])
    }

    /// Deletes the row of a table and its properties.
    pub(super) fn delete_table(&self, identifier: &Identifier) -> Vec<Statement> {
        const TEXT: &str = "DELETE FROM paimon_tables WHERE catalog_key = ? AND database_name = ? AND table_name = ?";
        let values = [self.key.as_str(), identifier.database(), identifier.table()];
        vec![
            Statement::new(TEXT, values),
            self.delete_table_properties(identifier),
        ]
    }

    /// Renames a table and its properties.
    pub(super) fn rename_table(&self, from: &Identifier, to: &Identifier) -> Vec<Statement> {
        let texts = [
            "UPDATE paimon_tables SET database_name = ? , table_name = ? WHERE catalog_key = ? AND database_name = ? \
             AND table_name = ?",
            "UPDATE paimon_table_properties SET database_name = ? , table_name = ? WHERE catalog_key = ? AND \
             database_name = ? AND table_name = ?",
        ];
        let values = [
            to.database(),
            to.table(),
            &self.key,
            from.database(),
            from.table(),
        ];
        texts.map(|text| Statement::new(text, values)).to_vec()
    }
}
