//! Splits batches by partition and bucket.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;

use super::binary_rows::BinaryRows;
use super::dynamic::DynamicBuckets;
use super::{BucketMode, POSTPONE_BUCKET};
use crate::arrow_bridge::datum_at;
use crate::error::{Error, Result};
use crate::manifest::partition_values;
use crate::read::Partition;
use crate::spec::{
    BucketFunction, DataField, DataType, Datum, TableSchema, default_bucket, murmur_hash,
};

/// Most places of (partition, bucket) that are kept in a list.
const PLACES_MAX: usize = 1 << 16;

/// Rows of one bucket.
#[derive(Debug, Clone)]
pub struct RoutedRows {
    /// Partition.
    pub partition: Arc<Partition>,
    /// Bucket.
    pub bucket: i32,
    /// Positions in the batch, ascending; `None` is all rows.
    pub rows: Option<Vec<u32>>,
}

/// Finds partition and bucket of rows.
#[derive(Debug)]
pub struct Router {
    mode: BucketMode,
    function: BucketFunction,
    partition_fields: Vec<DataField>,
    partition_columns: Vec<usize>,
    key_fields: Vec<DataField>,
    key_columns: Vec<usize>,
    /// Partitions seen, by their row without arity.
    known: HashMap<Box<[u8]>, Arc<Partition>>,
}

/// Partitions of a batch and the partition of each row.
pub struct RoutedPartitions {
    /// Distinct partitions.
    pub partitions: Vec<Arc<Partition>>,
    /// Bucket count of each partition, where each has its own ([`BucketMode::PerPartition`]).
    pub totals: Vec<i32>,
    /// Index into `partitions` per row; empty when there is just one.
    rows: Vec<u32>,
}

impl RoutedPartitions {
    /// Position of a row's partition in `partitions`.
    pub fn of_row(&self, row: usize) -> usize {
        let id = self.rows.get(row).copied().unwrap_or(0);
        usize::try_from(id).unwrap_or(0)
    }
}

impl Router {
    /// A router for batches with the columns of the schema.
    ///
    /// # Errors
    /// `InvalidInput` for bucket keys that are no columns.
    pub fn new(
        schema: &TableSchema,
        mode: BucketMode,
        function: BucketFunction,
        bucket_keys: &[String],
    ) -> Result<Self> {
        let position = |name: &String| {
            let found = schema.fields.iter().position(|f| f.name == *name);
            found.ok_or_else(|| {
                Error::invalid(format!("bucket key {name:?} is not a column"))
                    .with("option", "bucket-key")
            })
        };
        let columns = |names: &[String]| names.iter().map(position).collect::<Result<Vec<_>>>();
        let key_columns = match mode {
            BucketMode::Fixed(_) | BucketMode::PerPartition => columns(bucket_keys)?,
            BucketMode::Dynamic => columns(&schema.trimmed_primary_keys())?,
            BucketMode::CrossPartition | BucketMode::Unaware | BucketMode::Postponed => Vec::new(),
        };
        if matches!(mode, BucketMode::Fixed(_)) && key_columns.is_empty() {
            return Err(
                Error::invalid("a table with fixed buckets needs a bucket key")
                    .with("option", "bucket-key"),
            );
        }
        let fields =
            |columns: &[usize]| columns.iter().map(|i| schema.fields[*i].clone()).collect();
        let partition_columns = columns(&schema.partition_keys)?;
        Ok(Self {
            mode,
            function,
            partition_fields: fields(&partition_columns),
            partition_columns,
            key_fields: fields(&key_columns),
            key_columns,
            known: HashMap::new(),
        })
    }

    /// Partitions of the rows of a batch.
    ///
    /// # Errors
    /// `Unsupported` for a partition column of a nested type.
    pub fn partitions(&mut self, batch: &RecordBatch) -> Result<RoutedPartitions> {
        let arrays: Vec<&ArrayRef> = self
            .partition_columns
            .iter()
            .map(|i| batch.column(*i))
            .collect();
        let types: Vec<DataType> = types_of(&self.partition_fields);
        let types: Vec<&DataType> = types.iter().collect();
        let mut encoded = BinaryRows::new(&arrays, &types)?;
        let mut found = RoutedPartitions {
            partitions: Vec::new(),
            totals: Vec::new(),
            rows: Vec::new(),
        };
        if self.partition_columns.is_empty() {
            found.partitions.push(self.partition(encoded.row(0))?);
            return Ok(found);
        }
        let mut ids: HashMap<Box<[u8]>, u32> = HashMap::new();
        let mut last: (Box<[u8]>, u32) = (Box::default(), 0);
        for row in 0..batch.num_rows() {
            let bytes = encoded.row(row);
            if *bytes != *last.0 {
                let id = match ids.get(bytes) {
                    Some(id) => *id,
                    None => {
                        let id = u32::try_from(ids.len())
                            .map_err(|_| Error::internal("too many partitions in a batch"))?;
                        found.partitions.push(self.partition(bytes)?);
                        ids.insert(bytes.into(), id);
                        id
                    }
                };
                last = (bytes.into(), id);
            }
            found.rows.push(last.1);
        }
        if found.partitions.len() == 1 {
            found.rows.clear();
        }
        Ok(found)
    }

    fn partition(&mut self, bytes: &[u8]) -> Result<Arc<Partition>> {
        if let Some(known) = self.known.get(bytes) {
            return Ok(Arc::clone(known));
        }
        let arity = i32::try_from(self.partition_fields.len()).unwrap_or(i32::MAX);
        let mut serialized = arity.to_be_bytes().to_vec();
        serialized.extend_from_slice(bytes);
        let serialized = Bytes::from(serialized);
        let partition = Arc::new(Partition {
            values: partition_values(&serialized, &self.partition_fields)?,
            bytes: serialized,
        });
        self.known.insert(bytes.into(), Arc::clone(&partition));
        Ok(partition)
    }

    /// Rows by partition and bucket, in order of first appearance. `dynamic` holds the buckets of the partitions in
    /// dynamic mode.
    ///
    /// # Errors
    /// `InvalidInput` for a key that the bucket function does not take or when no bucket is left.
    pub fn route(
        &self,
        batch: &RecordBatch,
        found: &RoutedPartitions,
        dynamic: &mut DynamicBuckets,
    ) -> Result<Vec<RoutedRows>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let part = |row: usize| found.of_row(row);
        let partition = |at: usize| {
            let known = found.partitions.get(at).cloned();
            known.ok_or_else(|| Error::internal("a row has no partition"))
        };
        let total = |row: usize| {
            let known = found.totals.get(part(row)).copied();
            known.ok_or_else(|| Error::internal("a partition has no bucket count"))
        };
        let buckets = match self.mode {
            BucketMode::Dynamic => self.hashes(batch, |row, hash| {
                dynamic.assign(&partition(part(row))?.bytes, hash)
            })?,
            BucketMode::Fixed(n) => self.buckets(batch, &|_| Ok(n))?,
            BucketMode::PerPartition => self.buckets(batch, &total)?,
            BucketMode::Postponed => vec![POSTPONE_BUCKET; batch.num_rows()],
            BucketMode::Unaware => Vec::new(),
            BucketMode::CrossPartition => {
                return Err(Error::internal(
                    "keys that move are routed by the global index",
                ));
            }
        };
        let mut order: Vec<(usize, i32, Vec<u32>)> = Vec::new();
        let mut at: HashMap<(usize, i32), usize> = HashMap::new();
        // buckets are few and small numbers, so their places are kept in a list
        let most = buckets.iter().copied().max().unwrap_or(0).max(0);
        let width = usize::try_from(most).unwrap_or(0) + 1;
        let dense = width.saturating_mul(found.partitions.len()) <= PLACES_MAX;
        let mut places = vec![
            usize::MAX;
            if dense {
                width * found.partitions.len()
            } else {
                0
            }
        ];
        for row in 0..batch.num_rows() {
            let (id, bucket) = (part(row), buckets.get(row).copied().unwrap_or(0));
            let mut new = || {
                order.push((id, bucket, Vec::new()));
                order.len() - 1
            };
            let place = usize::try_from(bucket).ok().map(|b| id * width + b);
            let slot = match place.and_then(|p| places.get_mut(p)) {
                Some(slot) => {
                    if *slot == usize::MAX {
                        *slot = new();
                    }
                    *slot
                }
                None => *at.entry((id, bucket)).or_insert_with(new),
            };
            let row =
                u32::try_from(row).map_err(|_| Error::invalid("a batch has too many rows"))?;
            if let Some((_, _, rows)) = order.get_mut(slot) {
                rows.push(row);
            }
        }
        let whole = order.len() == 1;
        order
            .into_iter()
            .map(|(id, bucket, rows)| {
                Ok(RoutedRows {
                    partition: partition(id)?,
                    bucket,
                    rows: (!whole).then_some(rows),
                })
            })
            .collect()
    }

    /// Bucket of every row by the bucket function.
    fn buckets(
        &self,
        batch: &RecordBatch,
        total: &dyn Fn(usize) -> Result<i32>,
    ) -> Result<Vec<i32>> {
        match self.function {
            BucketFunction::Default => {
                self.hashes(batch, |row, hash| Ok(default_bucket(hash, total(row)?)))
            }
            function => (0..batch.num_rows())
                .map(|row| function.bucket(&self.key(batch, row)?, total(row)?))
                .collect(),
        }
    }

    fn hashes(
        &self,
        batch: &RecordBatch,
        mut bucket: impl FnMut(usize, i32) -> Result<i32>,
    ) -> Result<Vec<i32>> {
        let arrays: Vec<&ArrayRef> = self.key_columns.iter().map(|i| batch.column(*i)).collect();
        let types = types_of(&self.key_fields);
        let types: Vec<&DataType> = types.iter().collect();
        let mut encoded = BinaryRows::new(&arrays, &types)?;
        (0..batch.num_rows())
            .map(|row| bucket(row, murmur_hash(encoded.row(row))))
            .collect()
    }

    fn key(&self, batch: &RecordBatch, row: usize) -> Result<Vec<(Option<Datum>, DataType)>> {
        self.key_columns
            .iter()
            .zip(&self.key_fields)
            .map(|(i, field)| {
                let datum = datum_at(batch.column(*i).as_ref(), row, &field.data_type)?;
                Ok((datum, field.data_type.clone()))
            })
            .collect()
    }
}

fn types_of(fields: &[DataField]) -> Vec<DataType> {
    fields.iter().map(|f| f.data_type.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::write::testing::{batch, schema};

    fn route(router: &mut Router, batch: &RecordBatch) -> Vec<RoutedRows> {
        let partitions = router.partitions(batch).unwrap();
        let mut none = DynamicBuckets::default();
        router.route(batch, &partitions, &mut none).unwrap()
    }

    #[test]
    fn every_row_goes_where_its_own_values_say() {
        let schema = schema(
            &["INT NOT NULL", "VARCHAR(20)", "DATE"],
            &["c2"],
            &["c0", "c1", "c2"],
            &[],
        );
        let rows = batch(&schema.fields, 200);
        let keys = schema.trimmed_primary_keys();
        for function in [BucketFunction::Default, BucketFunction::Hive] {
            let mut router = Router::new(&schema, BucketMode::Fixed(7), function, &keys).unwrap();
            let routed = route(&mut router, &rows);
            let mut seen = [false; 200];
            for part in &routed {
                for row in part.rows.as_ref().unwrap() {
                    let row = usize::try_from(*row).unwrap();
                    assert!(!std::mem::replace(&mut seen[row], true));
                    let key = router.key(&rows, row).unwrap();
                    assert_eq!(part.bucket, function.bucket(&key, 7).unwrap());
                    let date = datum_at(rows.column(2).as_ref(), row, &schema.fields[2].data_type);
                    assert_eq!(part.partition.values, [date.unwrap()]);
                }
            }
            assert!(seen.iter().all(|s| *s) && routed.len() > 100);
        }
    }

    #[test]
    fn rows_of_one_bucket_are_not_copied() {
        let schema = schema(&["INT", "STRING"], &[], &[], &[]);
        let rows = batch(&schema.fields, 10);
        let mut router =
            Router::new(&schema, BucketMode::Unaware, BucketFunction::Default, &[]).unwrap();
        let routed = route(&mut router, &rows);
        assert_eq!(routed.len(), 1);
        assert!(routed[0].rows.is_none() && routed[0].bucket == 0);
        assert_eq!(routed[0].partition.bytes.len(), 12);
        assert!(route(&mut router, &rows.slice(0, 0)).is_empty());
        assert!(Router::new(&schema, BucketMode::Fixed(2), BucketFunction::Default, &[]).is_err());
    }

    #[test]
    fn mod_takes_one_integer() {
        let schema = schema(&["BIGINT NOT NULL", "STRING"], &[], &["c0"], &[]);
        let rows = batch(&schema.fields, 20);
        let keys = ["c0".to_string()];
        let mut router =
            Router::new(&schema, BucketMode::Fixed(3), BucketFunction::Mod, &keys).unwrap();
        assert!(route(&mut router, &rows).len() == 3);
        let text = ["c1".to_string()];
        let mut router =
            Router::new(&schema, BucketMode::Fixed(3), BucketFunction::Mod, &text).unwrap();
        let partitions = router.partitions(&rows).unwrap();
        assert!(
            router
                .route(&rows, &partitions, &mut DynamicBuckets::default())
                .is_err()
        );
    }
}
