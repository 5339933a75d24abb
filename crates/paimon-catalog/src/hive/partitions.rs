//! Partitions and tags of a table in the metastore.
//!
//! Java: `HiveCatalog.createPartitions`, `dropPartitions`, `alterPartitions`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use paimon_core::spec::escape;
use paimon_core::table::{PartitionModification, PartitionSpec, PartitionStatistics};
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind, Result};

use super::client::{HivePartition, HiveTable, MetastoreClient};
use super::mapping::{self, LOCATION};
use super::settings::HiveSettings;
use crate::identifier::Identifier;

const DATA_FOLDER: &str = "data-file.path-directory";

/// Partitions to send at a time.
const BATCH: usize = 500;

/// The partitions of one table.
#[derive(Debug)]
pub(super) struct HivePartitions {
    client: Arc<dyn MetastoreClient>,
    settings: Arc<HiveSettings>,
    database: String,
    table: String,
}

impl HivePartitions {
    pub(super) fn new(
        client: Arc<dyn MetastoreClient>,
        settings: Arc<HiveSettings>,
        identifier: &Identifier,
    ) -> Self {
        Self {
            client,
            settings,
            database: identifier.database().to_string(),
            table: identifier.table().to_string(),
        }
    }

    async fn hive_table(&self) -> Result<HiveTable> {
        let found = self.client.table(&self.database, &self.table).await?;
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the metastore has no such table")
                .with("table", format!("{}.{}", self.database, self.table))
        })
    }

    fn new_partition(&self, table: &HiveTable, spec: &PartitionSpec, now: i32) -> HivePartition {
        let mut partition = HivePartition {
            values: values(spec),
            database: self.database.clone(),
            table: self.table.clone(),
            create_time: now,
            last_access_time: now,
            storage: table.storage.clone(),
            ..HivePartition::default()
        };
        let root = mapping::location(table, &self.settings).unwrap_or_default();
        let root = match table.parameters.get(DATA_FOLDER) {
            Some(folder) => format!("{root}/{folder}"),
            None => root,
        };
        let location = format!("{root}/{}", folder(spec));
        if self.settings.location_in_properties {
            partition.parameters.insert(LOCATION.to_string(), location);
        } else {
            partition.storage.location = Some(location);
        }
        partition
    }
}

fn values(spec: &PartitionSpec) -> Vec<String> {
    spec.iter().map(|(_, value)| value.clone()).collect()
}

fn folder(spec: &PartitionSpec) -> String {
    let part = |(key, value): &(String, String)| format!("{}={}", escape(key), escape(value));
    let parts: Vec<String> = spec.iter().map(part).collect();
    parts.join("/")
}

/// Epoch seconds as the metastore has them.
pub(super) fn seconds(epoch_ms: i64) -> i32 {
    i32::try_from(epoch_ms.div_euclid(1000)).unwrap_or(i32::MAX)
}

#[async_trait]
impl PartitionModification for HivePartitions {
    async fn add(&self, partitions: &[PartitionSpec]) -> Result<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let table = self.hive_table().await?;
        let now = seconds(SystemClock.epoch_ms());
        for some in partitions.chunks(BATCH) {
            let new = some
                .iter()
                .map(|spec| self.new_partition(&table, spec, now));
            self.client
                .add_partitions(&self.database, &self.table, new.collect())
                .await?;
        }
        Ok(())
    }

    async fn remove(&self, partitions: &[PartitionSpec]) -> Result<()> {
        for spec in partitions {
            self.client
                .drop_partition(&self.database, &self.table, &values(spec))
                .await?;
        }
        Ok(())
    }

    async fn update(&self, partitions: &[PartitionStatistics]) -> Result<()> {
        for of in partitions {
            let values = values(&of.spec);
            let found = self
                .client
                .partition(&self.database, &self.table, &values)
                .await?;
            let Some(mut partition) = found else {
                continue;
            };
            partition.last_access_time = seconds(of.last_file_creation_ms);
            partition.parameters.extend(statistics(of));
            self.client
                .alter_partition(&self.database, &self.table, &partition)
                .await?;
        }
        Ok(())
    }
}

fn statistics(of: &PartitionStatistics) -> BTreeMap<String, String> {
    let updated = of.last_file_creation_ms.div_euclid(1000).to_string();
    [
        ("numFiles", of.file_count.to_string()),
        ("totalSize", of.file_size_in_bytes.to_string()),
        ("numRows", of.record_count.to_string()),
        ("lastUpdateTime", updated.clone()),
        ("totalBuckets", of.total_buckets.to_string()),
        ("transient_lastDdlTime", updated),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .into()
}
