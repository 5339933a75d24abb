//! Databases and tables that come, go and are renamed.
//!
//! A table exists from the moment its file `schema/schema-0` is published, and is gone once its schema files are: these
//! are removed before everything else.

use paimon_core::io::Publication;
use paimon_core::options::CoreOptions;
use paimon_core::schema::{NewTable, SchemaManager};
use paimon_core::spec::TableSchema;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind, Result};

use super::FileSystemCatalog;
use crate::catalog::Catalog;
use crate::identifier::{DEFAULT_DATABASE, Identifier};

/// Catalog options with this prefix are options of new tables.
const TABLE_DEFAULT: &str = "table-default.";

impl FileSystemCatalog {
    pub(super) fn no_database(&self, database: &str) -> Error {
        Error::new(ErrorKind::NotFound, "database does not exist")
            .with("database", database)
            .with("catalog", &self.name)
    }

    pub(super) fn no_table(&self, identifier: &Identifier) -> Error {
        Error::new(ErrorKind::NotFound, "table does not exist")
            .with("table", identifier)
            .with("catalog", &self.name)
    }

    pub(super) async fn new_database(&self, database: &str, ignore: bool) -> Result<()> {
        let location = self.database_location(database)?;
        if self.database_exists(database).await? && database != DEFAULT_DATABASE {
            return match ignore {
                true => Ok(()),
                false => Err(Error::invalid("database exists already")
                    .with("database", database)
                    .with("catalog", &self.name)),
            };
        }
        self.io.create_folder(&location).await
    }

    pub(super) async fn remove_database(
        &self,
        database: &str,
        ignore: bool,
        cascade: bool,
    ) -> Result<()> {
        let location = self.database_location(database)?;
        if !self.database_exists(database).await? {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_database(database)),
            };
        }
        let tables = self.list_tables(database).await?;
        if !cascade {
            let refused = |text: String| {
                Err(Error::invalid(text)
                    .with("database", database)
                    .with("catalog", &self.name))
            };
            if !tables.is_empty() {
                return refused(format!(
                    "database is not empty, it holds {}: CASCADE drops it with its tables",
                    tables.join(", ")
                ));
            }
            let files = self.io.list_recursive(&location).await?;
            if let Some((file, _)) = files.iter().find(|(_, f)| !f.name.starts_with('.')) {
                return refused(format!(
                    "database is not empty, it holds the file {file}: CASCADE drops it with its files"
                ));
            }
        }
        for table in tables {
            let identifier = Identifier::new(database, &table)?;
            self.remove_table(&identifier, true).await?;
        }
        self.io.remove_folder(&location).await
    }

    /// The first schema of a new table.
    pub(super) fn table_schema(
        &self,
        identifier: &Identifier,
        mut table: NewTable,
    ) -> Result<TableSchema> {
        let location = self.plain_location(identifier)?;
        if let Some(path) = table.options.get("path")
            && path.trim_end_matches('/') != location
        {
            return Err(Error::unsupported(
                "tables of a filesystem catalog lie in its warehouse: another path cannot be given",
            )
            .with("option", "path")
            .with("table", identifier));
        }
        for (key, value) in &self.options {
            if let Some(key) = key.strip_prefix(TABLE_DEFAULT) {
                let entry = table.options.entry(key.to_string());
                entry.or_insert_with(|| value.clone());
            }
        }
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
        let location = self.plain_location(identifier)?;
        if !self.database_exists(identifier.database()).await? {
            return Err(self.no_database(identifier.database()));
        }
        let taken = || match ignore {
            true => Ok(false),
            false => Err(Error::invalid("table exists already")
                .with("table", identifier)
                .with("catalog", &self.name)),
        };
        if self.has_schema(&location).await? {
            return taken();
        }
        let schema = self.table_schema(identifier, table)?;
        if !self
            .io
            .list_files(&format!("{location}/snapshot"))
            .await?
            .is_empty()
        {
            return Err(Error::invalid(
                "the table's folder holds snapshots but no schema, as after a drop that was interrupted: remove the \
                 folder first",
            )
            .with("table", identifier)
            .with("path", &location));
        }
        let manager = SchemaManager::new(self.io.clone(), &location);
        match manager.create(&schema).await? {
            Publication::Created => Ok(true),
            Publication::Exists => taken(),
        }
    }

    pub(super) async fn remove_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        let location = self.plain_location(identifier)?;
        if !self.has_schema(&location).await? {
            return match ignore {
                true => Ok(()),
                false => Err(self.no_table(identifier)),
            };
        }
        self.refuse_external(identifier, &location).await?;
        self.io.remove_folder(&format!("{location}/schema")).await?;
        self.io.remove_folder(&location).await
    }

    /// Data files outside of the table's folder would stay behind.
    async fn refuse_external(&self, identifier: &Identifier, location: &str) -> Result<()> {
        const KEY: &str = "data-file.external-paths";
        let latest = SchemaManager::new(self.io.clone(), location).latest().await;
        // a table that cannot be read can be dropped all the same
        let options = latest
            .ok()
            .flatten()
            .and_then(|s| CoreOptions::new(&s).ok());
        match options.as_ref().and_then(|o| o.get(KEY)) {
            None => Ok(()),
            Some(_) => Err(Error::unsupported(
                "tables with data files on external paths cannot be dropped yet",
            )
            .with("option", KEY)
            .with("table", identifier)),
        }
    }

    pub(super) async fn move_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let (source, target) = (self.plain_location(from)?, self.plain_location(to)?);
        if !self.has_schema(&source).await? {
            return Err(self.no_table(from));
        }
        if !self.database_exists(to.database()).await? {
            return Err(self.no_database(to.database()));
        }
        if self.has_schema(&target).await? {
            return Err(Error::invalid("table exists already")
                .with("table", to)
                .with("catalog", &self.name));
        }
        self.io
            .create_folder(&self.database_location(to.database())?)
            .await?;
        self.io
            .rename_folder(&source, &target)
            .await
            .map_err(|e| e.with_default("table", from))
    }

    /// Location of a table that is named without a branch or system part, in a database that takes tables.
    fn plain_location(&self, identifier: &Identifier) -> Result<String> {
        identifier.check_plain()?;
        self.table_location(identifier)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::collections::BTreeMap;

    use paimon_core::schema::NewColumn;
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn catalog(warehouse: &str) -> FileSystemCatalog {
        let options = [
            ("warehouse", warehouse),
            ("table-default.bucket", "3"),
            ("table-default.file.format", "avro"),
        ];
        let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
        FileSystemCatalog::new("paimon", BTreeMap::from(options)).unwrap()
    }

    fn schema() -> NewTable {
        let column = |name: &str| NewColumn {
            name: name.to_string(),
            data_type: parse_data_type("INT").unwrap(),
            comment: None,
            default: None,
        };
        let options = [("primary-key", "id"), ("file.format", "orc")];
        NewTable {
            columns: vec![column("id"), column("v")],
            options: options
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            ..NewTable::default()
        }
    }

    fn id(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[tokio::test]
    async fn databases_and_tables_come_and_go_on_both_kinds_of_store() {
        let temp = tempfile::tempdir().unwrap();
        for warehouse in [temp.path().to_str().unwrap(), "memory:/ddl-test"] {
            let c = catalog(warehouse);
            assert_eq!(
                c.create_table(&id("db.t"), schema(), false)
                    .await
                    .unwrap_err()
                    .kind(),
                ErrorKind::NotFound
            );
            c.create_database("db", false).await.unwrap();
            assert!(c.create_database("db", false).await.is_err());
            c.create_database("db", true).await.unwrap();
            assert_eq!(c.list_databases().await.unwrap(), ["db", "default"]);
            assert!(c.create_table(&id("db.t"), schema(), false).await.unwrap());
            assert!(!c.create_table(&id("db.t"), schema(), true).await.unwrap());
            assert!(c.create_table(&id("db.t"), schema(), false).await.is_err());
            let table = c.get_table(&id("db.t")).await.unwrap();
            assert_eq!(table.options().bucket, 3);
            assert_eq!(table.options().get("file.format"), Some("orc"));
            let error = c.drop_database("db", false, false).await.unwrap_err();
            assert!(error.to_string().contains("CASCADE"), "{error}");
            c.drop_table(&id("db.t"), false).await.unwrap();
            assert!(c.drop_table(&id("db.t"), false).await.is_err());
            c.drop_table(&id("db.t"), true).await.unwrap();
            assert!(c.list_tables("db").await.unwrap().is_empty());
            c.create_table(&id("db.t"), schema(), false).await.unwrap();
            c.drop_database("db", false, true).await.unwrap();
            assert_eq!(c.list_databases().await.unwrap(), ["default"]);
            assert!(c.drop_database("db", false, true).await.is_err());
            c.drop_database("db", true, true).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_table_is_renamed_into_another_database() {
        let temp = tempfile::tempdir().unwrap();
        let c = catalog(temp.path().to_str().unwrap());
        c.create_table(&id("t"), schema(), false).await.unwrap();
        c.create_database("db", false).await.unwrap();
        c.rename_table(&id("t"), &id("db.u")).await.unwrap();
        assert!(!c.table_exists(&id("t")).await.unwrap());
        assert_eq!(c.list_tables("db").await.unwrap(), ["u"]);
        c.create_table(&id("t"), schema(), false).await.unwrap();
        for (from, to, kind) in [
            ("t", "db.u", ErrorKind::InvalidInput),
            ("gone", "db.v", ErrorKind::NotFound),
            ("t", "nowhere.v", ErrorKind::NotFound),
            ("t$branch_b", "v", ErrorKind::InvalidInput),
        ] {
            let error = c.rename_table(&id(from), &id(to)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{from} {to}");
        }
    }

    #[tokio::test]
    async fn names_and_paths_that_are_no_tables_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let c = catalog(temp.path().to_str().unwrap());
        for name in ["sys.t", "t$snapshots", "t$branch_b"] {
            assert!(c.create_table(&id(name), schema(), true).await.is_err());
            assert!(c.drop_table(&id(name), true).await.is_err());
        }
        assert!(c.create_database("sys", true).await.is_err());
        let mut elsewhere = schema();
        elsewhere.options.insert("path".into(), "/else".into());
        let error = c
            .create_table(&id("t"), elsewhere, false)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
        // snapshots of a half-dropped table
        let folder = temp.path().join("default.db/t/snapshot");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("snapshot-1"), "{}").unwrap();
        let error = c.create_table(&id("t"), schema(), false).await.unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
    }

    #[tokio::test]
    async fn one_of_many_creators_succeeds() {
        let c = std::sync::Arc::new(catalog("memory:/race-test"));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let c = c.clone();
            tasks.spawn(async move { c.create_table(&id("t"), schema(), true).await.unwrap() });
        }
        let created = tasks.join_all().await;
        assert_eq!(created.iter().filter(|c| **c).count(), 1);
    }
}
