//! Views of the metastore: tables of type `VIRTUAL_VIEW` with a query.
//!
//! Java: `HiveCatalog.getView`, `createView`. Hive's views are seen as well; what they say is Hive's SQL.

use std::collections::BTreeMap;

use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind, Result};

use super::HiveCatalog;
use super::client::{HiveTable, StorageDescriptor};
use super::mapping::{self, COMMENT, Kind};
use super::partitions::seconds;
use crate::identifier::{Identifier, SYSTEM_DATABASE};
use crate::view::View;

// what Hive stores for tables of its own without files
const INPUT_FORMAT: &str = "org.apache.hadoop.mapred.SequenceFileInputFormat";
const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat";
const SERDE: &str = "org.apache.hadoop.hive.serde2.MetadataTypedColumnsetSerDe";

impl HiveCatalog {
    fn no_view(&self, identifier: &Identifier) -> Error {
        Error::new(ErrorKind::NotFound, "view does not exist")
            .with("view", identifier)
            .with("catalog", &self.name)
    }

    async fn hive_view(&self, identifier: &Identifier) -> Result<HiveTable> {
        let found = self.hive_table(identifier).await?;
        let found = found.filter(|table| mapping::kind(table) == Kind::View);
        found.ok_or_else(|| self.no_view(identifier))
    }

    pub(super) async fn view_names(&self, database: &str) -> Result<Vec<String>> {
        if database == SYSTEM_DATABASE {
            return Ok(Vec::new());
        }
        if self.client.database(database).await?.is_none() {
            return Err(self.no_database(database));
        }
        let tables = self.hive_tables(database).await?.into_iter();
        let views = tables.filter(|table| mapping::kind(table) == Kind::View);
        let mut names: Vec<String> = views.map(|table| table.name).collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn view(&self, identifier: &Identifier) -> Result<View> {
        let found = self.hive_view(identifier).await?;
        let fields = mapping::fields_of(&found).map_err(|e| e.with("view", identifier))?;
        let mut options = found.parameters;
        Ok(View {
            fields,
            comment: options.remove(COMMENT),
            query: found
                .view_expanded
                .or(found.view_original)
                .unwrap_or_default(),
            dialects: BTreeMap::new(),
            options,
        })
    }

    pub(super) async fn new_view(
        &self,
        identifier: &Identifier,
        view: &View,
        ignore: bool,
    ) -> Result<()> {
        if self.client.database(identifier.database()).await?.is_none() {
            return Err(self.no_database(identifier.database()));
        }
        if let Some(found) = self.hive_table(identifier).await? {
            return match (mapping::kind(&found), ignore) {
                (Kind::View, true) => Ok(()),
                (Kind::View, false) => Err(self.taken("view exists already", identifier)),
                _ => Err(self.taken("a table has that name", identifier)),
            };
        }
        let now = seconds(SystemClock.epoch_ms());
        let mut parameters = view.options.clone();
        let comment = view.comment.iter();
        parameters.extend(comment.map(|c| (COMMENT.to_string(), c.clone())));
        let mut storage = StorageDescriptor {
            columns: view.fields.iter().map(mapping::column).collect(),
            input_format: Some(INPUT_FORMAT.to_string()),
            output_format: Some(OUTPUT_FORMAT.to_string()),
            ..StorageDescriptor::plain()
        };
        storage.serde.library = Some(SERDE.to_string());
        let table = HiveTable {
            name: identifier.table().to_string(),
            database: identifier.database().to_string(),
            owner: Some(self.settings.user.clone()),
            create_time: now,
            storage,
            parameters,
            table_type: mapping::VIEW.to_string(),
            view_original: Some(view.query.clone()),
            view_expanded: Some(view.query.clone()),
            rest: HiveTable::rest_of_new(now),
            ..HiveTable::default()
        };
        let created = self.client.create_table(&table).await;
        created.map_err(|e| e.with_default("view", identifier))
    }

    pub(super) async fn remove_view(&self, identifier: &Identifier, ignore: bool) -> Result<()> {
        match self.hive_view(identifier).await {
            Err(e) if e.kind() == ErrorKind::NotFound && ignore => return Ok(()),
            found => found?,
        };
        let (database, name) = (identifier.database(), identifier.table());
        let dropped = self.client.drop_table(database, name, false).await;
        dropped.map_err(|e| e.with_default("view", identifier))
    }

    pub(super) async fn move_view(&self, from: &Identifier, to: &Identifier) -> Result<()> {
        let mut view = self.hive_view(from).await?;
        if self.client.database(to.database()).await?.is_none() {
            return Err(self.no_database(to.database()));
        }
        if self.hive_table(to).await?.is_some() {
            return Err(self.taken("a view or table has that name", to));
        }
        view.database = to.database().to_string();
        view.name = to.table().to_string();
        let none = BTreeMap::new();
        let (database, name) = (from.database(), from.table());
        let moved = self.client.alter_table(database, name, &view, &none).await;
        moved.map_err(|e| e.with_default("view", from))
    }

    fn taken(&self, text: &str, identifier: &Identifier) -> Error {
        Error::invalid(text)
            .with("view", identifier)
            .with("catalog", &self.name)
    }
}
