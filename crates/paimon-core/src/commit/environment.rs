//! What a catalog lends to its tables: a lock around the publication of snapshots, a register of partitions, or the
//! publication itself.
//!
//! Java: `org.apache.paimon.table.CatalogEnvironment`, `CatalogLock`, `PartitionModification`. Tables of a filesystem
//! catalog have none of them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::versions::VersionManagement;
use crate::error::Result;

/// Names and values of a partition's columns in key order, before escaping.
pub type PartitionSpec = Vec<(String, String)>;

/// A lock of one table that all writers on its catalog share.
#[async_trait]
pub trait CatalogLock: Debug + Send + Sync {
    /// Waits for the lock, for a bounded time.
    ///
    /// # Errors
    /// `Io` when the lock service fails or others keep the lock too long: nothing is held then.
    async fn acquire(&self) -> Result<Box<dyn HeldLock>>;
}

/// A lock that is held. Dropping it gives it up as well, some time later.
#[async_trait]
pub trait HeldLock: Debug + Send + Sync {
    /// Asks whether the lock is still ours.
    ///
    /// # Errors
    /// `Io` when it was lost or nobody can tell.
    async fn check(&self) -> Result<()>;

    /// Gives the lock up. A failure is logged: the lock service lets go of it in the end.
    async fn release(self: Box<Self>);
}

/// A register of partitions outside of the table's files.
#[async_trait]
pub trait PartitionModification: Debug + Send + Sync {
    /// Adds partitions; those that are there already stay.
    ///
    /// # Errors
    /// `Io` when the register fails: some may have been added.
    async fn add(&self, partitions: &[PartitionSpec]) -> Result<()>;

    /// Removes partitions; missing ones are no error.
    ///
    /// # Errors
    /// As [`Self::add`].
    async fn remove(&self, partitions: &[PartitionSpec]) -> Result<()>;

    /// Replaces the statistics of partitions that are there.
    ///
    /// # Errors
    /// As [`Self::add`].
    async fn update(&self, partitions: &[PartitionStatistics]) -> Result<()>;
}

/// What a register knows about the content of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatistics {
    /// The partition.
    pub spec: PartitionSpec,
    /// Rows of all live files, before merging.
    pub record_count: i64,
    /// Bytes of all live files.
    pub file_size_in_bytes: i64,
    /// Live files.
    pub file_count: i64,
    /// Creation time of the newest live file, epoch milliseconds.
    pub last_file_creation_ms: i64,
    /// Buckets; 0 when unknown.
    pub total_buckets: i32,
}

/// What a catalog lends to one of its tables.
#[derive(Debug, Clone, Default)]
pub struct CatalogEnvironment {
    /// Held while a snapshot is published.
    pub lock: Option<Arc<dyn CatalogLock>>,
    /// Told about partitions with new files and partitions that were dropped.
    pub partitions: Option<Arc<dyn PartitionModification>>,
    /// Told about tags, each of which is a partition of one column.
    pub tags: Option<(String, Arc<dyn PartitionModification>)>,
    /// Publishes snapshots in place of the creation of their files.
    pub versions: Option<Arc<dyn VersionManagement>>,
}

impl CatalogEnvironment {
    /// Runs a change of the table's metadata under the lock, if there is one.
    ///
    /// # Errors
    /// Those of the lock, and of the change.
    pub async fn locked<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(lock) = &self.lock else {
            return change.await;
        };
        let held = lock.acquire().await?;
        let done = change.await;
        held.release().await;
        done
    }
}
