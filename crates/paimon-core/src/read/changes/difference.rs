//! What two states of a table differ in.
//!
//! Files that both states have tell nothing. Of a primary-key table the others are merged on both sides and compared key
//! by key; of an append table the rows of the new files are the difference. Source: `IncrementalDiffStartingScanner`,
//! `SnapshotReaderImpl.readIncrementalDiff`, `IncrementalDiffSplitRead`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_select::take::take;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::{ChangeSplit, split};
use crate::arrow_bridge::interleave::interleave_batches;
use crate::arrow_bridge::{arrow_field, arrow_type};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::manifest::{DeletionFiles, read_index_manifest};
use crate::mergetree::function::aggregates_unordered;
use crate::mergetree::{KeyBlock, KeyEncoder};
use crate::options::MergeEngine;
use crate::predicate::Predicate;
use crate::read::merge::keyed::{KeyedFile, section_of};
use crate::read::merge::ordered::{
    Merged, OrderedBatch, OrderedMerge, compare_column, compare_unordered,
};
use crate::read::plan::{BucketFiles, PlanRequest, Planner};
use crate::read::split::SplitFile;
use crate::read::split_read::SplitRead;
use crate::spec::row_kind::DELETE;
use crate::spec::{POSTPONE_BUCKET, Snapshot, is_retract, value_kind_field};
use crate::table::Table;

/// Plans what the state of a snapshot has other than an earlier one (`None` is the empty table).
///
/// # Errors
/// `Damaged` for broken metadata, `InvalidInput` when the number of buckets differs, `Unsupported` for tables with data
/// evolution.
pub async fn plan_difference(
    table: &Table,
    before: Option<&Snapshot>,
    after: &Snapshot,
    filter: &Predicate,
) -> Result<Vec<ChangeSplit>> {
    let named = |e: Error| e.with_default("table", table.name());
    if table.options().data_evolution {
        return Err(named(
            Error::unsupported("differences of states of tables with data evolution")
                .with("option", "data-evolution.enabled"),
        ));
    }
    let request = PlanRequest {
        filter: filter.clone(),
        ..PlanRequest::default()
    };
    let planner = Planner {
        table,
        request: &request,
    };
    let old = match before {
        Some(before) => state(&planner, before).await.map_err(named)?,
        None => Vec::new(),
    };
    let new = state(&planner, after).await.map_err(named)?;
    check_bucket_counts(&old, &new).map_err(named)?;
    let keyed = table.schema().has_primary_key();
    Ok(differences(after.id, old, new, keyed))
}

/// The files of a state: those of level 0 too, which batch reads of some tables leave out.
async fn state(planner: &Planner<'_>, snapshot: &Snapshot) -> Result<Vec<BucketFiles>> {
    let table = planner.table;
    let scan = planner.manifest_scan().await;
    let index = read_index_manifest(
        table.io(),
        table.location(),
        snapshot.index_manifest.as_deref(),
    );
    let (found, index) = futures::future::join(scan.live_files(snapshot), index).await;
    let named = |e: Error| e.with_default("snapshot_id", snapshot.id);
    let (entries, _) = found.map_err(named)?;
    let index = index.map_err(named)?;
    let deletions = DeletionFiles::from_entries(table.location(), &index).map_err(named)?;
    let buckets = planner.buckets(entries, &deletions, &|e| e.bucket != POSTPONE_BUCKET);
    buckets.map_err(named)
}

/// Rows move to other buckets when their number changes: nothing could be compared.
fn check_bucket_counts(old: &[BucketFiles], new: &[BucketFiles]) -> Result<()> {
    let mut known: HashMap<&Bytes, i32> = HashMap::new();
    for bucket in old.iter().chain(new) {
        let first = *known
            .entry(&bucket.partition.bytes)
            .or_insert(bucket.total_buckets);
        if first != bucket.total_buckets {
            return Err(Error::invalid(format!(
                "states with different numbers of buckets cannot be compared: {first} and {} in one partition",
                bucket.total_buckets
            )));
        }
    }
    Ok(())
}

fn differences(
    snapshot_id: i64,
    old: Vec<BucketFiles>,
    new: Vec<BucketFiles>,
    keyed: bool,
) -> Vec<ChangeSplit> {
    let place = |b: &BucketFiles| (b.partition.bytes.clone(), b.bucket);
    let mut old: Vec<(_, Option<BucketFiles>)> =
        old.into_iter().map(|b| (place(&b), Some(b))).collect();
    let at: HashMap<_, usize> = (0..).zip(&old).map(|(i, (p, _))| (p.clone(), i)).collect();
    let mut splits = Vec::new();
    for mut bucket in new {
        let found = at.get(&place(&bucket)).and_then(|i| old.get_mut(*i));
        let mut before = match found.and_then(|(_, b)| b.take()) {
            Some(before) => before.files,
            None => Vec::new(),
        };
        drop_common(&mut before, &mut bucket.files);
        if keyed || !bucket.files.is_empty() {
            let split = split(snapshot_id, bucket);
            let before = keyed.then_some(before);
            splits.push(ChangeSplit { before, ..split });
        }
    }
    let gone = old.into_iter().filter_map(|(_, b)| b).filter(|_| keyed);
    splits.extend(gone.map(|mut bucket| {
        let before = Some(std::mem::take(&mut bucket.files));
        let split = split(snapshot_id, bucket);
        ChangeSplit { before, ..split }
    }));
    splits.retain(|s| !s.files.is_empty() || s.before.as_ref().is_some_and(|b| !b.is_empty()));
    splits
}

/// Drops the files that both sides have; an upgrade to another level makes a file another one.
fn drop_common(before: &mut Vec<SplitFile>, after: &mut Vec<SplitFile>) {
    let identity = |f: &SplitFile| (f.meta.file_name.clone(), f.meta.level);
    let mut known: HashMap<_, Option<SplitFile>> = std::mem::take(before)
        .into_iter()
        .map(|f| (identity(&f), Some(f)))
        .collect();
    after.retain(|file| match known.get_mut(&identity(file)) {
        Some(same) if same.as_ref().is_some_and(|s| s.meta == file.meta) => {
            *same = None;
            false
        }
        _ => true,
    });
    before.extend(known.into_values().flatten());
}

/// Rows of a split that differ from those of the files `before`: new rows and changed ones with their stored kinds, and
/// with `keep_deletes` rows that are gone with kind -D.
///
/// # Errors
/// As [`OrderedMerge::stream`]; also through the stream.
pub(in crate::read) fn read_difference(
    read: &SplitRead,
    split: &ChangeSplit,
    before: &[SplitFile],
) -> Result<BatchStream> {
    let schema = read.table.schema();
    let position = |id: i32| {
        let at = schema.fields.iter().position(|f| f.id == id);
        at.ok_or_else(|| Error::internal("a difference has the table's columns only"))
    };
    let wanted = read.fields.iter().map(|f| position(f.id));
    let key_fields = schema.key_fields();
    let keys = key_fields.iter().map(|f| position(f.id));
    let types: Vec<_> = key_fields
        .iter()
        .map(|f| arrow_type(&f.data_type))
        .collect();
    let nullable = key_fields.iter().any(|f| f.data_type.nullable);
    let side = |files: &[SplitFile]| -> Result<Side> {
        let files = files.iter().cloned();
        let files: Result<Vec<_>> = files.map(|f| KeyedFile::new(f, &key_fields)).collect();
        let merge = OrderedMerge {
            table: read.table.clone(),
            partition: split.partition.clone(),
            section: section_of(files?),
            keep_deletes: read.keep_deletes,
            below: Vec::new(),
            changelog: None,
            folds_single: false,
        };
        Ok(Side {
            rows: merge.stream()?,
            current: None,
            offset: 0,
        })
    };
    let difference = Difference {
        old: side(before)?,
        new: side(&split.files)?,
        key_columns: keys.collect::<Result<_>>()?,
        encoder: KeyEncoder::new(&types, nullable)?,
        wanted: wanted.collect::<Result<_>>()?,
        unordered: unordered_columns(&read.table),
        with_row_kind: read.with_row_kind,
        keep_deletes: read.keep_deletes,
        empty: RecordBatch::new_empty(read.table.arrow_schema()),
    };
    let steps = futures::stream::try_unfold(difference, |mut difference| async move {
        Ok(difference.next().await?.map(|batch| (batch, difference)))
    });
    Ok(steps.boxed())
}

/// Some maps and arrays of aggregations are Java's hash maps and sets: merging the same elements again gives the same order
/// there, but not here.
fn unordered_columns(table: &Table) -> Vec<bool> {
    let aggregates = matches!(
        table.options().merge_engine,
        MergeEngine::Aggregation | MergeEngine::PartialUpdate
    );
    let fields = table.schema().fields.iter();
    let unordered =
        fields.map(|f| aggregates && aggregates_unordered(table.options().map(), &f.name));
    unordered.collect()
}

/// One of two states, in key order.
struct Side {
    rows: BoxStream<'static, Result<Merged>>,
    current: Option<(OrderedBatch, KeyBlock)>,
    /// First row of the current batch that was not compared yet.
    offset: usize,
}

impl Side {
    /// Makes sure that there are rows to compare, unless there are no more.
    async fn fill(&mut self, encoder: &KeyEncoder, key_columns: &[usize]) -> Result<()> {
        while self.current.is_none() || self.offset == self.len() {
            self.current = None;
            self.offset = 0;
            match self.rows.next().await.transpose()? {
                None => return Ok(()),
                Some(Merged::Changelog(_)) => {}
                Some(Merged::Rows(batch)) => {
                    let columns = batch.values.columns();
                    let keys = key_columns.iter().filter_map(|i| columns.get(*i).cloned());
                    let keys = encoder.encode(&keys.collect::<Vec<_>>())?;
                    self.current = Some((batch, keys));
                }
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.current.as_ref().map_or(0, |(_, keys)| keys.len())
    }

    fn kind(&self, row: usize) -> i8 {
        self.current.as_ref().map_or(0, |(b, _)| b.kinds.value(row))
    }
}

/// A row of one state and the row of its key in the other.
type Pair = (Option<usize>, Option<usize>);

/// A comparison under way.
struct Difference {
    old: Side,
    new: Side,
    /// Positions of the key among the table's columns.
    key_columns: Vec<usize>,
    encoder: KeyEncoder,
    /// Positions of the columns to return.
    wanted: Vec<usize>,
    /// For each of the table's columns whether its maps and arrays are compared by what they hold.
    unordered: Vec<bool>,
    with_row_kind: bool,
    keep_deletes: bool,
    empty: RecordBatch,
}

impl Difference {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.old.fill(&self.encoder, &self.key_columns).await?;
            self.new.fill(&self.encoder, &self.key_columns).await?;
            if self.old.current.is_none() && self.new.current.is_none() {
                return Ok(None);
            }
            let pairs = self.pairs();
            let batch = self.told(&pairs)?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }

    /// Pairs rows up to the end of the batch that ends first.
    fn pairs(&mut self) -> Vec<Pair> {
        let (old_end, new_end) = (self.old.len(), self.new.len());
        let (mut i, mut j) = (self.old.offset, self.new.offset);
        let mut pairs = Vec::new();
        match (&self.old.current, &self.new.current) {
            (Some((_, old)), Some((_, new))) => {
                while i < old_end && j < new_end {
                    let order = compare(old, i, new, j);
                    let (takes_old, takes_new) = (order.is_le(), order.is_ge());
                    pairs.push((takes_old.then_some(i), takes_new.then_some(j)));
                    i += usize::from(takes_old);
                    j += usize::from(takes_new);
                }
            }
            _ => {
                pairs.extend((i..old_end).map(|i| (Some(i), None)));
                pairs.extend((j..new_end).map(|j| (None, Some(j))));
                (i, j) = (old_end, new_end);
            }
        }
        (self.old.offset, self.new.offset) = (i, j);
        pairs
    }

    fn told(&self, pairs: &[Pair]) -> Result<RecordBatch> {
        let values = |side: &'_ Side| match &side.current {
            Some((batch, _)) => batch.values.clone(),
            None => self.empty.clone(),
        };
        let (old, new) = (values(&self.old), values(&self.new));
        let mut same = self.same(&old, &new, pairs)?.into_iter();
        let mut places = Vec::new();
        let mut kinds = Vec::new();
        for pair in pairs {
            match *pair {
                (Some(i), None) if self.keep_deletes && !is_retract(self.old.kind(i)) => {
                    places.push((0, i));
                    kinds.push(DELETE);
                }
                (before, Some(j)) => {
                    let unchanged = before.is_some() && same.next().unwrap_or(false);
                    let kind = self.new.kind(j);
                    if !unchanged && (self.keep_deletes || !is_retract(kind)) {
                        places.push((1, j));
                        kinds.push(kind);
                    }
                }
                _ => {}
            }
        }
        let rows = interleave_batches(&[&old, &new], &places)?.project(&self.wanted)?;
        match self.with_row_kind {
            true => with_kinds(&rows, kinds),
            false => Ok(rows),
        }
    }

    /// For each key of both states whether its rows are alike.
    fn same(&self, old: &RecordBatch, new: &RecordBatch, pairs: &[Pair]) -> Result<Vec<bool>> {
        let both = || pairs.iter().filter_map(|(i, j)| i.zip(*j));
        let is_alive = |side: &Side, row| !is_retract(side.kind(row));
        let mut same: Vec<bool> = both()
            .map(|(i, j)| is_alive(&self.old, i) == is_alive(&self.new, j))
            .collect();
        let number = |row: usize| u64::try_from(row).ok();
        let (i, j): (UInt64Array, UInt64Array) = (
            both().map(|(i, _)| number(i)).collect(),
            both().map(|(_, j)| number(j)).collect(),
        );
        let columns = old.columns().iter().zip(new.columns());
        for ((a, b), unordered) in columns.zip(&self.unordered) {
            let (a, b) = (take(a, &i, None)?, take(b, &j, None)?);
            match unordered {
                true => compare_unordered(&a, &b, &mut same)?,
                false => compare_column(&a, &b, &mut same),
            }
        }
        Ok(same)
    }
}

fn with_kinds(rows: &RecordBatch, kinds: Vec<i8>) -> Result<RecordBatch> {
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(arrow_field(&value_kind_field())));
    let options = RecordBatchOptions::new().with_row_count(Some(kinds.len()));
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns.push(Arc::new(Int8Array::from(kinds)));
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options);
    Ok(batch?)
}

fn compare(a: &KeyBlock, i: usize, b: &KeyBlock, j: usize) -> Ordering {
    match (a, b) {
        (KeyBlock::U64(a), KeyBlock::U64(b)) => a[i].cmp(&b[j]),
        (KeyBlock::U128(a), KeyBlock::U128(b)) => a[i].cmp(&b[j]),
        (KeyBlock::Rows(a), KeyBlock::Rows(b)) => a.row(i).data().cmp(b.row(j).data()),
        // one encoder makes blocks of one kind
        _ => Ordering::Less,
    }
}
