//! Which partition and bucket every row of a batch belongs to.
//!
//! Source: `BucketMode`, `FixedBucketRowKeyExtractor`, `HashBucketAssigner`, `PartitionIndex`.

mod binary_rows;
mod cross_partition;
mod dynamic;
mod router;

pub use binary_rows::BinaryRows;
pub use cross_partition::{ExistingKey, GlobalIndex};
pub use dynamic::{DynamicBuckets, HashIndex};
pub(crate) use dynamic::{decode_hashes, encode_hashes};
pub use router::{RoutedRows, Router};

pub use crate::spec::POSTPONE_BUCKET;

use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_bool};
use crate::spec::TableSchema;

/// How a table finds the bucket of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketMode {
    /// Hash of the bucket key modulo this number.
    Fixed(i32),
    /// A map from key hash to bucket per partition, kept in HASH index files.
    Dynamic,
    /// As `Dynamic`, but a key may move between partitions: a map over all keys of the table.
    CrossPartition,
    /// Everything in bucket 0, without order.
    Unaware,
    /// As `Fixed` with a number per partition: postpone tables written in batch
    /// (`postpone.batch-write-fixed-bucket`).
    PerPartition,
    /// Everything in bucket -2, to be distributed by a compaction.
    Postponed,
}

impl BucketMode {
    /// Mode of a table.
    ///
    /// # Errors
    /// `Unsupported` for tables whose buckets this engine cannot assign, `InvalidInput` for a wrong bucket number.
    pub fn of(schema: &TableSchema, options: &CoreOptions) -> Result<Self> {
        match options.bucket {
            n if n > 0 => Ok(Self::Fixed(n)),
            -1 if !schema.has_primary_key() => Ok(Self::Unaware),
            -1 if is_cross_partition(schema) => {
                const TTL: &str = "cross-partition-upsert.index-ttl";
                match options.get(TTL) {
                    None => Ok(Self::CrossPartition),
                    Some(_) => Err(Error::unsupported(format!(
                        "option `{TTL}` is not supported when writing"
                    ))
                    .with("option", TTL)),
                }
            }
            -1 if options
                .get("index-file-in-data-file-dir")
                .is_some_and(|v| v != "false") =>
            {
                Err(Error::unsupported(
                    "index files of dynamic buckets beside the data files are not supported",
                )
                .with("option", "index-file-in-data-file-dir"))
            }
            -1 => Ok(Self::Dynamic),
            -2 if schema.has_primary_key() => {
                const KEY: &str = "postpone.batch-write-fixed-bucket";
                let fixed = options.get(KEY).map_or(Ok(true), parse_bool);
                Ok(match fixed.map_err(|e| e.with("option", KEY))? {
                    true => Self::PerPartition,
                    false => Self::Postponed,
                })
            }
            n => Err(Error::invalid(format!(
                "bucket is {n}, expected a positive number, -1 or (with a primary key) -2"
            ))
            .with("option", "bucket")),
        }
    }

    /// Bucket count recorded in manifests; `None` when each partition has its own.
    pub fn total_buckets(self) -> Option<i32> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Dynamic | Self::CrossPartition | Self::Unaware => Some(-1),
            Self::Postponed => Some(POSTPONE_BUCKET),
            Self::PerPartition => None,
        }
    }
}

/// Whether the primary key lacks a partition column. Source: `TableSchema.crossPartitionUpdate`.
fn is_cross_partition(schema: &TableSchema) -> bool {
    schema
        .partition_keys
        .iter()
        .any(|k| !schema.primary_keys.contains(k))
}
