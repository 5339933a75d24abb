//! What the catalog asks of a Hive Metastore, and its implementation over Thrift.

mod answer;
mod objects;
mod pool;
mod remote;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use paimon_core::Result;

pub(super) use objects::{FieldSchema, HiveDatabase, HivePartition, HiveTable, StorageDescriptor};
pub(super) use pool::PoolSettings;
pub(super) use remote::RemoteMetastore;

/// A Hive Metastore. Errors are `Io` when it fails, `NotFound` and `InvalidInput` when it refuses.
///
/// Java: `org.apache.hadoop.hive.metastore.IMetaStoreClient`.
#[async_trait]
pub(super) trait MetastoreClient: Debug + Send + Sync {
    async fn database_names(&self) -> Result<Vec<String>>;
    async fn database(&self, name: &str) -> Result<Option<HiveDatabase>>;
    async fn create_database(&self, database: &HiveDatabase) -> Result<()>;
    async fn alter_database(&self, database: &HiveDatabase) -> Result<()>;
    /// Its tables in the metastore go as well when `cascade`.
    async fn drop_database(&self, name: &str, delete_data: bool, cascade: bool) -> Result<()>;

    async fn table_names(&self, database: &str) -> Result<Vec<String>>;
    async fn table(&self, database: &str, name: &str) -> Result<Option<HiveTable>>;
    /// Those of the tables that exist.
    async fn tables(&self, database: &str, names: &[String]) -> Result<Vec<HiveTable>>;
    async fn create_table(&self, table: &HiveTable) -> Result<()>;
    /// Data go for good, past any trash, when `delete_data`.
    async fn drop_table(&self, database: &str, name: &str, delete_data: bool) -> Result<()>;
    /// Another name or database in `table` renames it. `environment` are hints for the server.
    async fn alter_table(
        &self,
        database: &str,
        name: &str,
        table: &HiveTable,
        environment: &BTreeMap<String, String>,
    ) -> Result<()>;

    /// Those that are there already stay as they are.
    async fn add_partitions(
        &self,
        database: &str,
        table: &str,
        partitions: Vec<HivePartition>,
    ) -> Result<()>;
    async fn partition(
        &self,
        database: &str,
        table: &str,
        values: &[String],
    ) -> Result<Option<HivePartition>>;
    /// All of them, in the order of the metastore.
    async fn partitions(&self, database: &str, table: &str) -> Result<Vec<HivePartition>>;
    async fn alter_partition(
        &self,
        database: &str,
        table: &str,
        partition: &HivePartition,
    ) -> Result<()>;
    /// Whether there was one.
    async fn drop_partition(&self, database: &str, table: &str, values: &[String]) -> Result<bool>;

    /// Whether it declares one; false where the metastore is too old to know any.
    async fn has_primary_key(&self, database: &str, table: &str) -> Result<bool>;
    /// A setting of the server, or `default`.
    async fn setting(&self, key: &str, default: &str) -> Result<String>;

    /// Asks for an exclusive lock of a table.
    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer>;
    async fn check_lock(&self, lock_id: i64) -> Result<LockState>;
    /// Keeps a lock from expiring.
    async fn heartbeat(&self, lock_id: i64) -> Result<()>;
    async fn unlock(&self, lock_id: i64) -> Result<()>;
}

/// Who wants to lock which table.
#[derive(Debug, Clone)]
pub(super) struct LockRequest {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) user: String,
    pub(super) host: String,
}

/// A lock that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockAnswer {
    pub(super) id: i64,
    pub(super) state: LockState,
}

/// How a lock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockState {
    Acquired,
    Waiting,
    /// Given up by the server, by its number.
    Gone(i32),
}
