//! Keys that may move between partitions: where every key of the table is.
//!
//! Source: `GlobalIndexAssigner`, `ExistingProcessor`. The map is built from a read of all keys and kept in memory, one
//! entry per key of the table. Of several writers at a time the first one to commit wins, the others are refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use super::binary_rows::BinaryRows;
use super::dynamic::{bucket_limits, choose_bucket};
use super::router::{RoutedPartitions, RoutedRows};
use crate::arrow_bridge::datums_to_array;
use crate::error::{Error, Result};
use crate::options::{CoreOptions, MergeEngine};
use crate::read::Partition;
use crate::spec::row_kind::DELETE;
use crate::spec::{DataType, Datum, TableSchema, murmur_hash};
use crate::write::pipeline::PreparedRows;

/// What happens to a row whose key is in another partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingKey {
    /// The old one is deleted there.
    Delete,
    /// The new row goes there.
    UseOld,
    /// The new row is dropped.
    SkipNew,
}

impl ExistingKey {
    /// The rule of a merge engine.
    pub fn of(engine: MergeEngine) -> Self {
        match engine {
            MergeEngine::Deduplicate => Self::Delete,
            MergeEngine::PartialUpdate | MergeEngine::Aggregation => Self::UseOld,
            MergeEngine::FirstRow => Self::SkipNew,
        }
    }
}

/// Partition and bucket of every key of a table.
#[derive(Debug)]
pub struct GlobalIndex {
    rule: ExistingKey,
    target_rows: usize,
    max_buckets: i32,
    key_columns: Vec<usize>,
    key_types: Vec<DataType>,
    /// Partition columns and their types.
    partition_columns: Vec<(usize, DataType)>,
    partitions: Vec<Arc<Partition>>,
    ids: HashMap<bytes::Bytes, usize>,
    keys: HashMap<Box<[u8]>, (usize, i32)>,
    /// Keys per bucket of each partition.
    sizes: Vec<BTreeMap<i32, usize>>,
}

/// Rows of a batch and where they go.
struct Routing {
    /// (partition, bucket, rows of the batch with the rows made for it behind), in order of first appearance.
    buckets: Vec<(usize, i32, Vec<u32>)>,
    places: HashMap<(usize, i32), usize>,
    /// Source row and partition of the rows that were made: copies with the columns of another partition.
    made: Vec<(u32, usize)>,
    kinds: Vec<i8>,
}

impl GlobalIndex {
    /// An index without keys.
    ///
    /// # Errors
    /// `InvalidInput` naming an option.
    pub fn new(schema: &TableSchema, options: &CoreOptions) -> Result<Self> {
        let (target_rows, max_buckets) = bucket_limits(options)?;
        let columns = |names: &[String]| -> Vec<(usize, DataType)> {
            names
                .iter()
                .filter_map(|name| {
                    let at = schema.fields.iter().position(|f| f.name == *name)?;
                    Some((at, schema.fields[at].data_type.clone()))
                })
                .collect()
        };
        let (key_columns, key_types) = columns(&schema.primary_keys).into_iter().unzip();
        Ok(Self {
            rule: ExistingKey::of(options.merge_engine),
            target_rows,
            max_buckets,
            key_columns,
            key_types,
            partition_columns: columns(&schema.partition_keys),
            partitions: Vec::new(),
            ids: HashMap::new(),
            keys: HashMap::new(),
            sizes: Vec::new(),
        })
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds keys that the table holds: batches of the primary key columns, in their order.
    ///
    /// # Errors
    /// `Internal` for other columns.
    pub fn load(
        &mut self,
        partition: &Arc<Partition>,
        bucket: i32,
        keys: &RecordBatch,
    ) -> Result<()> {
        let id = self.partition_id(partition);
        let arrays: Vec<&ArrayRef> = keys.columns().iter().collect();
        let types = self.key_types.clone();
        let types: Vec<&DataType> = types.iter().collect();
        let mut encoded = BinaryRows::new(&arrays, &types)?;
        for row in 0..keys.num_rows() {
            self.put(encoded.row(row).into(), id, bucket);
        }
        Ok(())
    }

    fn partition_id(&mut self, partition: &Arc<Partition>) -> usize {
        if let Some(id) = self.ids.get(&partition.bytes) {
            return *id;
        }
        let id = self.partitions.len();
        self.partitions.push(Arc::clone(partition));
        self.sizes.push(BTreeMap::new());
        self.ids.insert(partition.bytes.clone(), id);
        id
    }

    fn put(&mut self, key: Box<[u8]>, partition: usize, bucket: i32) {
        if let Some(sizes) = self.sizes.get_mut(partition) {
            *sizes.entry(bucket).or_default() += 1;
        }
        self.keys.insert(key, (partition, bucket));
    }

    fn forget(&mut self, partition: usize, bucket: i32) {
        let size = self
            .sizes
            .get_mut(partition)
            .and_then(|s| s.get_mut(&bucket));
        if let Some(size) = size {
            *size = size.saturating_sub(1);
        }
    }

    /// Routes rows. The result may have more rows than the input (deletes in old partitions), rows of other partitions
    /// or fewer.
    ///
    /// # Errors
    /// `ResourceExhausted` when there are no more bucket numbers.
    pub fn route(
        &mut self,
        rows: &PreparedRows,
        found: &RoutedPartitions,
    ) -> Result<(PreparedRows, Vec<RoutedRows>)> {
        let batch = &rows.values;
        let columns = self.key_columns.clone();
        let arrays: Vec<&ArrayRef> = columns.iter().map(|i| batch.column(*i)).collect();
        let types = self.key_types.clone();
        let types: Vec<&DataType> = types.iter().collect();
        let mut encoded = BinaryRows::new(&arrays, &types)?;
        let ids: Vec<usize> = found
            .partitions
            .iter()
            .map(|p| self.partition_id(p))
            .collect();
        let mut routing = Routing {
            buckets: Vec::new(),
            places: HashMap::new(),
            made: Vec::new(),
            kinds: match &rows.kinds {
                Some(kinds) => kinds.values().to_vec(),
                None => vec![0; batch.num_rows()],
            },
        };
        for row in 0..batch.num_rows() {
            let partition = ids.get(found.of_row(row)).copied();
            let partition = partition.ok_or_else(|| Error::internal("a row has no partition"))?;
            self.route_row(row, encoded.row(row), partition, &mut routing)?;
        }
        let values = self.with_made(batch, &routing.made)?;
        let routed = routing
            .buckets
            .into_iter()
            .map(|(partition, bucket, rows)| RoutedRows {
                partition: Arc::clone(&self.partitions[partition]),
                bucket,
                rows: Some(rows),
            });
        let routed = routed.collect();
        let kinds = Some(Int8Array::from(routing.kinds));
        Ok((PreparedRows { values, kinds }, routed))
    }

    fn route_row(
        &mut self,
        row: usize,
        key: &[u8],
        partition: usize,
        routing: &mut Routing,
    ) -> Result<()> {
        let position =
            u32::try_from(row).map_err(|_| Error::invalid("a batch has too many rows"))?;
        match self.keys.get(key).copied() {
            Some((old, bucket)) if old == partition => {
                routing.add(partition, bucket, position);
                return Ok(());
            }
            Some((old, bucket)) => match self.rule {
                ExistingKey::SkipNew => return Ok(()),
                ExistingKey::UseOld => {
                    let kind = routing.kinds[row];
                    return routing.make(position, old, bucket, kind);
                }
                ExistingKey::Delete => {
                    routing.make(position, old, bucket, DELETE)?;
                    self.forget(old, bucket);
                }
            },
            None => {}
        }
        let hash = murmur_hash(key);
        let bucket = choose_bucket(
            &self.sizes[partition],
            hash,
            self.target_rows,
            self.max_buckets,
        )?;
        self.put(key.into(), partition, bucket);
        routing.add(partition, bucket, position);
        Ok(())
    }

    /// The batch with the made rows behind it.
    fn with_made(&self, batch: &RecordBatch, made: &[(u32, usize)]) -> Result<RecordBatch> {
        if made.is_empty() {
            return Ok(batch.clone());
        }
        let sources: UInt32Array = made.iter().map(|(row, _)| *row).collect::<Vec<_>>().into();
        let copies = take_record_batch(batch, &sources)?;
        let mut columns = copies.columns().to_vec();
        for (i, (column, data_type)) in self.partition_columns.iter().enumerate() {
            let value = |id: usize| -> Option<Datum> {
                let partition = self.partitions.get(id)?;
                partition.values.get(i).cloned().flatten()
            };
            let values: Vec<Option<Datum>> = made.iter().map(|(_, id)| value(*id)).collect();
            columns[*column] = datums_to_array(&values, data_type)?;
        }
        let copies = RecordBatch::try_new(batch.schema(), columns)?;
        Ok(concat_batches(&batch.schema(), [batch, &copies])?)
    }
}

impl Routing {
    fn add(&mut self, partition: usize, bucket: i32, row: u32) {
        let buckets = &mut self.buckets;
        let at = *self.places.entry((partition, bucket)).or_insert_with(|| {
            buckets.push((partition, bucket, Vec::new()));
            buckets.len() - 1
        });
        self.buckets[at].2.push(row);
    }

    /// Adds a copy of a row with the partition columns of `partition`.
    fn make(&mut self, row: u32, partition: usize, bucket: i32, kind: i8) -> Result<()> {
        let position = u32::try_from(self.kinds.len())
            .map_err(|_| Error::invalid("a batch has too many rows"))?;
        self.made.push((row, partition));
        self.kinds.push(kind);
        self.add(partition, bucket, position);
        Ok(())
    }
}
