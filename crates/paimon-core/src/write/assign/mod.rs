//! Which partition and bucket every row of a batch belongs to.
//!
//! Source: `BucketMode`, `FixedBucketRowKeyExtractor`, `HashBucketAssigner`, `PartitionIndex`.

mod binary_rows;
mod dynamic;
mod router;

pub use binary_rows::BinaryRows;
pub use dynamic::{DynamicBuckets, HashIndex};
pub use router::{RoutedRows, Router};

use crate::error::{Error, Result};
use crate::options::CoreOptions;
use crate::spec::TableSchema;

/// How a table finds the bucket of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketMode {
    /// Hash of the bucket key modulo this number.
    Fixed(i32),
    /// A map from key hash to bucket per partition, kept in HASH index files.
    Dynamic,
    /// Everything in bucket 0, without order.
    Unaware,
}

impl BucketMode {
    /// Mode of a table.
    ///
    /// # Errors
    /// `Unsupported` for tables whose buckets this engine cannot assign, `InvalidInput` for a wrong bucket number.
    pub fn of(schema: &TableSchema, options: &CoreOptions) -> Result<Self> {
        let refuse = |what: &str| {
            Error::unsupported(format!("writing to {what} is not supported"))
                .with("option", "bucket")
        };
        match options.bucket {
            n if n > 0 => Ok(Self::Fixed(n)),
            -1 if !schema.has_primary_key() => Ok(Self::Unaware),
            -1 if is_cross_partition(schema) => Err(refuse(
                "dynamic-bucket tables whose primary key lacks a partition column",
            )),
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
            -2 if schema.has_primary_key() => Err(refuse("postpone-bucket tables (bucket = -2)")),
            n => Err(Error::invalid(format!(
                "bucket is {n}, expected a positive number, -1 or (with a primary key) -2"
            ))
            .with("option", "bucket")),
        }
    }

    /// Bucket count recorded in manifests.
    pub fn total_buckets(self) -> i32 {
        match self {
            Self::Fixed(n) => n,
            Self::Dynamic | Self::Unaware => -1,
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
