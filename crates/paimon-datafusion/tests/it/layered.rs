//! A catalog that keeps views, functions and format tables beside the tables of a warehouse.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use paimon_catalog::{
    Catalog, FileSystemCatalog, FormatTable, Function, FunctionChange, Identifier, View, ViewChange,
};
use paimon_core::io::FileIo;
use paimon_core::schema::{NewTable, SchemaChange};
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::table::{SystemTable, Table};
use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

type Named<T> = Mutex<BTreeMap<(String, String), T>>;

#[derive(Debug)]
pub(crate) struct Layered {
    base: FileSystemCatalog,
    views: Named<View>,
    functions: Named<Function>,
    files: Named<FormatTable>,
}

fn key(identifier: &Identifier) -> (String, String) {
    (identifier.database().into(), identifier.table().into())
}

fn missing(identifier: &Identifier) -> Error {
    Error::new(ErrorKind::NotFound, "it does not exist").with("name", identifier)
}

fn is_files(table: &NewTable) -> bool {
    table
        .options
        .get("type")
        .is_some_and(|t| t == "format-table")
}

impl Layered {
    pub(crate) fn new(name: &str, warehouse: &Path) -> Self {
        std::fs::create_dir_all(warehouse).unwrap();
        let warehouse = warehouse.to_str().unwrap().to_string();
        let options = BTreeMap::from([("warehouse".to_string(), warehouse)]);
        Self {
            base: FileSystemCatalog::new(name, options).unwrap(),
            views: Mutex::default(),
            functions: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Adds a format table over a folder that is there.
    pub(crate) async fn add(&self, name: &str, location: &str, schema: TableSchema) {
        let io = FileIo::for_location(location).unwrap();
        let identifier = Identifier::new("default", name).unwrap();
        let table = FormatTable::new(&identifier.to_string(), location, io, schema).unwrap();
        self.files.lock().await.insert(key(&identifier), table);
    }
}

/// A schema as it was declared.
pub(crate) fn schema(table: &NewTable) -> TableSchema {
    let empty = r#"{"version":3,"id":0,"fields":[]}"#;
    let mut schema: TableSchema = serde_json::from_str(empty).unwrap();
    for (id, column) in (0..).zip(&table.columns) {
        schema.fields.push(DataField {
            default_value: column.default.clone(),
            description: column.comment.clone(),
            ..DataField::new(id, &column.name, column.data_type.clone())
        });
    }
    schema.partition_keys = table.partition_keys.clone();
    schema.options = table.options.clone();
    schema
}

#[async_trait]
impl Catalog for Layered {
    fn name(&self) -> &str {
        self.base.name()
    }

    fn options(&self) -> &BTreeMap<String, String> {
        self.base.options()
    }

    async fn list_databases(&self) -> Result<Vec<String>> {
        self.base.list_databases().await
    }

    async fn database_exists(&self, database: &str) -> Result<bool> {
        self.base.database_exists(database).await
    }

    async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        let mut names = self.base.list_tables(database).await?;
        let files = self.files.lock().await;
        let own = files.keys().filter(|(of, _)| of == database);
        names.extend(own.map(|(_, name)| name.clone()));
        names.sort();
        Ok(names)
    }

    async fn table_exists(&self, identifier: &Identifier) -> Result<bool> {
        let own = self.files.lock().await.contains_key(&key(identifier));
        Ok(own || self.base.table_exists(identifier).await?)
    }

    async fn get_table(&self, identifier: &Identifier) -> Result<Table> {
        match self.files.lock().await.contains_key(&key(identifier)) {
            true => Err(Error::unsupported("a format table has no snapshots")),
            false => self.base.get_table(identifier).await,
        }
    }

    async fn get_format_table(&self, identifier: &Identifier) -> Result<Option<FormatTable>> {
        Ok(self.files.lock().await.get(&key(identifier)).cloned())
    }

    fn keeps_views(&self) -> bool {
        true
    }

    async fn list_views(&self, database: &str) -> Result<Vec<String>> {
        let views = self.views.lock().await;
        let own = views.keys().filter(|(of, _)| of == database);
        Ok(own.map(|(_, name)| name.clone()).collect())
    }

    async fn get_view(&self, identifier: &Identifier) -> Result<View> {
        let found = self.views.lock().await.get(&key(identifier)).cloned();
        found.ok_or_else(|| missing(identifier))
    }

    async fn create_view(&self, identifier: &Identifier, view: &View, ignore: bool) -> Result<()> {
        let mut views = self.views.lock().await;
        if views.contains_key(&key(identifier)) {
            return match ignore {
                true => Ok(()),
                false => Err(Error::invalid("view exists already")),
            };
        }
        views.insert(key(identifier), view.clone());
        Ok(())
    }

    async fn drop_view(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        let dropped = self.views.lock().await.remove(&key(identifier));
        match dropped.is_some() || ignore {
            true => Ok(()),
            false => Err(missing(identifier)),
        }
    }

    async fn rename_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let mut views = self.views.lock().await;
        let view = views.remove(&key(from)).ok_or_else(|| missing(from))?;
        views.insert(key(to), view);
        Ok(())
    }

    async fn alter_view(&self, identifier: &Identifier, changes: &[ViewChange]) -> Result<()> {
        let mut views = self.views.lock().await;
        let view = views.get_mut(&key(identifier));
        let view = view.ok_or_else(|| missing(identifier))?;
        changes.iter().try_for_each(|change| view.change(change))
    }

    fn keeps_functions(&self) -> bool {
        true
    }

    async fn list_functions(&self, database: &str) -> Result<Vec<String>> {
        let functions = self.functions.lock().await;
        let own = functions.keys().filter(|(of, _)| of == database);
        Ok(own.map(|(_, name)| name.clone()).collect())
    }

    async fn get_function(&self, identifier: &Identifier) -> Result<Function> {
        let found = self.functions.lock().await.get(&key(identifier)).cloned();
        found.ok_or_else(|| missing(identifier))
    }

    async fn create_function(
        &self,
        identifier: &Identifier,
        function: &Function,
        ignore: bool,
    ) -> Result<()> {
        let mut functions = self.functions.lock().await;
        if functions.contains_key(&key(identifier)) {
            return match ignore {
                true => Ok(()),
                false => Err(Error::invalid("function exists already")),
            };
        }
        functions.insert(key(identifier), function.clone());
        Ok(())
    }

    async fn drop_function(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        let dropped = self.functions.lock().await.remove(&key(identifier));
        match dropped.is_some() || ignore {
            true => Ok(()),
            false => Err(missing(identifier)),
        }
    }

    async fn alter_function(
        &self,
        identifier: &Identifier,
        changes: &[FunctionChange],
    ) -> Result<()> {
        let mut functions = self.functions.lock().await;
        let function = functions.get_mut(&key(identifier));
        let function = function.ok_or_else(|| missing(identifier))?;
        for change in changes.iter().cloned() {
            match change {
                FunctionChange::SetOption { key, value } => {
                    function.options.insert(key, value);
                }
                FunctionChange::RemoveOption { key } => {
                    function.options.remove(&key);
                }
                FunctionChange::UpdateComment { comment } => function.comment = comment,
                FunctionChange::AddDefinition { name, definition }
                | FunctionChange::UpdateDefinition { name, definition } => {
                    function.definitions.insert(name, definition);
                }
                FunctionChange::DropDefinition { name } => {
                    function.definitions.remove(&name);
                }
            }
        }
        Ok(())
    }

    async fn create_database(&self, database: &str, ignore: bool) -> Result<()> {
        self.base.create_database(database, ignore).await
    }

    async fn drop_database(&self, database: &str, ignore: bool, cascade: bool) -> Result<()> {
        self.base.drop_database(database, ignore, cascade).await
    }

    fn schema_of_new(&self, identifier: &Identifier, table: &NewTable) -> Result<TableSchema> {
        match is_files(table) {
            true => Ok(schema(table)),
            false => self.base.schema_of_new(identifier, table),
        }
    }

    async fn create_table(
        &self,
        identifier: &Identifier,
        table: NewTable,
        ignore: bool,
    ) -> Result<bool> {
        if !is_files(&table) {
            return self.base.create_table(identifier, table, ignore).await;
        }
        let location = self.base.table_location(identifier)?;
        let io = FileIo::for_location(&location)?;
        io.create_folder(&location).await?;
        let table = FormatTable::new(&identifier.to_string(), &location, io, schema(&table))?;
        self.files.lock().await.insert(key(identifier), table);
        Ok(true)
    }

    async fn drop_table(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        match self.files.lock().await.remove(&key(identifier)) {
            Some(table) => table.io.remove_folder(&table.location).await,
            None => self.base.drop_table(identifier, ignore).await,
        }
    }

    async fn rename_table(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let mut files = self.files.lock().await;
        match files.remove(&key(from)) {
            Some(table) => {
                files.insert(key(to), table);
                Ok(())
            }
            None => self.base.rename_table(from, to).await,
        }
    }

    async fn alter_table(&self, identifier: &Identifier, changes: &[SchemaChange]) -> Result<()> {
        if let Some(table) = self.files.lock().await.get_mut(&key(identifier)) {
            *table = table.altered(changes)?;
            return Ok(());
        }
        self.base.alter_table(identifier, changes).await
    }

    async fn replace_table(&self, identifier: &Identifier, schema: &TableSchema) -> Result<()> {
        self.base.replace_table(identifier, schema).await
    }

    fn global_system_tables(&self) -> &'static [&'static str] {
        self.base.global_system_tables()
    }

    async fn global_system_table(&self, name: &str) -> Result<Option<SystemTable>> {
        self.base.global_system_table(name).await
    }
}
