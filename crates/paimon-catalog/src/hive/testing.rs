//! A metastore in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::io::FileIo;
use paimon_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::client::{
    HiveDatabase, HivePartition, HiveTable, LockAnswer, LockRequest, LockState, MetastoreClient,
};
use super::settings::HiveSettings;
use super::{HiveCatalog, LOCAL};

type Name = (String, String);

pub(super) fn local() -> FileIo {
    FileIo::for_location(LOCAL).unwrap()
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) databases: BTreeMap<String, HiveDatabase>,
    pub(super) tables: BTreeMap<Name, HiveTable>,
    pub(super) partitions: BTreeMap<(Name, Vec<String>), HivePartition>,
    /// Tables that declare one.
    pub(super) with_primary_key: BTreeSet<Name>,
    /// Held and waited for, in the order of their coming.
    pub(super) locks: Vec<(i64, Name)>,
    pub(super) locks_given: i64,
    /// Errors that calls end with, by method: before they take effect, and after that.
    pub(super) failures: HashMap<&'static str, Error>,
    pub(super) lost_answers: HashMap<&'static str, Error>,
}

#[derive(Debug, Default)]
pub(super) struct MemoryMetastore {
    pub(super) state: Mutex<State>,
}

impl MemoryMetastore {
    async fn run<T>(
        &self,
        method: &'static str,
        work: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock().await;
        if let Some(error) = state.failures.remove(method) {
            return Err(error);
        }
        let done = work(&mut state);
        match state.lost_answers.remove(method) {
            Some(error) => Err(error),
            None => done,
        }
    }
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}

/// A catalog on an empty metastore with a database `default`.
pub(super) async fn catalog(
    warehouse: &str,
    options: &[(&str, &str)],
) -> (HiveCatalog, Arc<MemoryMetastore>) {
    let given = [("uri", "thrift://memory:1"), ("warehouse", warehouse)];
    let options: BTreeMap<String, String> = given
        .iter()
        .chain(options)
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    let store = Arc::new(MemoryMetastore::default());
    let default = HiveDatabase {
        name: "default".into(),
        location: Some(warehouse.to_string()),
        ..HiveDatabase::default()
    };
    store.create_database(&default).await.unwrap();
    let settings = HiveSettings::new(&options).unwrap();
    let catalog = HiveCatalog::with_client("h", options, settings, store.clone(), local());
    (catalog, store)
}

#[async_trait]
impl MetastoreClient for MemoryMetastore {
    async fn database_names(&self) -> Result<Vec<String>> {
        self.run("get_all_databases", |s| {
            Ok(s.databases.keys().cloned().collect())
        })
        .await
    }

    async fn database(&self, name: &str) -> Result<Option<HiveDatabase>> {
        self.run("get_database", |s| Ok(s.databases.get(name).cloned()))
            .await
    }

    async fn create_database(&self, database: &HiveDatabase) -> Result<()> {
        self.run("create_database", |s| {
            s.databases.insert(database.name.clone(), database.clone());
            Ok(())
        })
        .await
    }

    async fn alter_database(&self, database: &HiveDatabase) -> Result<()> {
        self.run("alter_database", |s| {
            s.databases.insert(database.name.clone(), database.clone());
            Ok(())
        })
        .await
    }

    async fn drop_database(&self, name: &str, _: bool, cascade: bool) -> Result<()> {
        self.run("drop_database", |s| {
            if !cascade && s.tables.keys().any(|(database, _)| database == name) {
                return Err(refused("the database is not empty"));
            }
            s.tables.retain(|(database, _), _| database != name);
            s.databases.remove(name);
            Ok(())
        })
        .await
    }

    async fn table_names(&self, database: &str) -> Result<Vec<String>> {
        self.run("get_all_tables", |s| {
            let own = s.tables.keys().filter(|(of, _)| of == database);
            Ok(own.map(|(_, name)| name.clone()).collect())
        })
        .await
    }

    async fn table(&self, database: &str, name: &str) -> Result<Option<HiveTable>> {
        let key = (database.to_string(), name.to_string());
        self.run("get_table", |s| Ok(s.tables.get(&key).cloned()))
            .await
    }

    async fn tables(&self, database: &str, names: &[String]) -> Result<Vec<HiveTable>> {
        self.run("get_tables", |s| {
            let key = |name: &String| (database.to_string(), name.clone());
            let found = names.iter().filter_map(|n| s.tables.get(&key(n)).cloned());
            Ok(found.collect())
        })
        .await
    }

    async fn create_table(&self, table: &HiveTable) -> Result<()> {
        let key = (table.database.clone(), table.name.clone());
        self.run("create_table", |s| {
            if s.tables.contains_key(&key) {
                return Err(refused("the table exists"));
            }
            s.tables.insert(key, table.clone());
            Ok(())
        })
        .await
    }

    async fn drop_table(&self, database: &str, name: &str, _: bool) -> Result<()> {
        let key = (database.to_string(), name.to_string());
        self.run("drop_table", |s| {
            s.partitions.retain(|(table, _), _| *table != key);
            s.tables
                .remove(&key)
                .map(drop)
                .ok_or_else(|| refused("no table"))
        })
        .await
    }

    async fn alter_table(
        &self,
        database: &str,
        name: &str,
        table: &HiveTable,
        _: &BTreeMap<String, String>,
    ) -> Result<()> {
        let key = (database.to_string(), name.to_string());
        self.run("alter_table", |s| {
            s.tables.remove(&key).ok_or_else(|| refused("no table"))?;
            let key = (table.database.clone(), table.name.clone());
            s.tables.insert(key, table.clone());
            Ok(())
        })
        .await
    }

    async fn add_partitions(
        &self,
        database: &str,
        table: &str,
        partitions: Vec<HivePartition>,
    ) -> Result<()> {
        let name = (database.to_string(), table.to_string());
        self.run("add_partitions", |s| {
            for partition in partitions {
                let key = (name.clone(), partition.values.clone());
                s.partitions.entry(key).or_insert(partition);
            }
            Ok(())
        })
        .await
    }

    async fn partition(
        &self,
        database: &str,
        table: &str,
        values: &[String],
    ) -> Result<Option<HivePartition>> {
        let key = ((database.to_string(), table.to_string()), values.to_vec());
        self.run("get_partition", |s| Ok(s.partitions.get(&key).cloned()))
            .await
    }

    async fn partitions(&self, database: &str, table: &str) -> Result<Vec<HivePartition>> {
        let name = (database.to_string(), table.to_string());
        self.run("get_partitions", |s| {
            let own = s.partitions.iter().filter(|((of, _), _)| *of == name);
            Ok(own.map(|(_, partition)| partition.clone()).collect())
        })
        .await
    }

    async fn has_primary_key(&self, database: &str, table: &str) -> Result<bool> {
        let name = (database.to_string(), table.to_string());
        self.run("get_primary_keys", |s| {
            Ok(s.with_primary_key.contains(&name))
        })
        .await
    }

    async fn setting(&self, _: &str, default: &str) -> Result<String> {
        self.run("get_config_value", |_| Ok(default.to_string()))
            .await
    }

    async fn alter_partition(
        &self,
        database: &str,
        table: &str,
        partition: &HivePartition,
    ) -> Result<()> {
        let name = (database.to_string(), table.to_string());
        self.run("alter_partition", |s| {
            s.partitions
                .insert((name, partition.values.clone()), partition.clone());
            Ok(())
        })
        .await
    }

    async fn drop_partition(&self, database: &str, table: &str, values: &[String]) -> Result<bool> {
        let key = ((database.to_string(), table.to_string()), values.to_vec());
        self.run("drop_partition", |s| {
            Ok(s.partitions.remove(&key).is_some())
        })
        .await
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer> {
        let name = (request.database.clone(), request.table.clone());
        let id = self
            .run("lock", |s| {
                s.locks_given += 1;
                s.locks.push((s.locks_given, name));
                Ok(s.locks_given)
            })
            .await?;
        Ok(LockAnswer {
            id,
            state: self.check_lock(id).await?,
        })
    }

    async fn check_lock(&self, lock_id: i64) -> Result<LockState> {
        self.run("check_lock", |s| {
            let Some((_, name)) = s.locks.iter().find(|(id, _)| *id == lock_id) else {
                return Ok(LockState::Gone(3));
            };
            let first = s.locks.iter().find(|(_, n)| n == name);
            Ok(match first {
                Some((id, _)) if *id == lock_id => LockState::Acquired,
                _ => LockState::Waiting,
            })
        })
        .await
    }

    async fn heartbeat(&self, lock_id: i64) -> Result<()> {
        match self.check_lock(lock_id).await? {
            LockState::Gone(_) => Err(refused("no lock")),
            _ => Ok(()),
        }
    }

    async fn unlock(&self, lock_id: i64) -> Result<()> {
        self.run("unlock", |s| {
            s.locks.retain(|(id, _)| *id != lock_id);
            Ok(())
        })
        .await
    }
}
