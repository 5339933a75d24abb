//! Reading a split: raw files, merged sections, column groups.
//!
//! Source: `RawFileSplitRead`, `MergeFileSplitRead`, `DataEvolutionSplitRead`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int8Array, RecordBatch, RecordBatchOptions};
use futures::{StreamExt, TryStreamExt};

use super::changes::ChangeSplit;
use super::changes::difference::read_difference;
use super::column_groups::read_column_group;
use super::file::row_ids::with_row_ids;
use super::file::scan::{DEFAULT_BATCH_SIZE, FileScan};
use super::memory::ReadMemory;
use super::merge::fold::{FoldRequest, fold_section};
use super::merge::section::{MergeRules, Resolution, SectionOutcome, merge_section};
use super::split::{DataSplit, Partition, Section, SplitFile, SplitKind};
use crate::arrow_bridge::arrow_field;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::mergetree::function::{MergeFunction, create_merge_function, required_columns};
use crate::predicate::{Predicate, project};
use crate::spec::{DataField, value_kind_field};
use crate::table::Table;

/// Files of a stream that are open at once: one is opened while another is read.
pub const FILES_AT_ONCE: usize = 2;

/// What a split's reader returns.
#[derive(Clone)]
pub struct SplitRead {
    /// Table.
    pub table: Table,
    /// Columns to return, of the current schema or system columns.
    pub fields: Vec<DataField>,
    /// Filter used to skip data; rows that do not match may come back.
    pub filter: Predicate,
    /// Appends `_VALUE_KIND`, the row kind.
    pub with_row_kind: bool,
    /// Keeps -U and -D rows of merged splits, and the kinds that files store.
    pub keep_deletes: bool,
    /// Rows per batch.
    pub batch_size: usize,
    /// Memory of one stream.
    pub memory: ReadMemory,
}

impl SplitRead {
    /// Reads some columns of a table.
    pub fn new(table: &Table, fields: Vec<DataField>) -> Self {
        Self {
            table: table.clone(),
            fields,
            filter: Predicate::AlwaysTrue,
            with_row_kind: false,
            keep_deletes: false,
            batch_size: DEFAULT_BATCH_SIZE,
            memory: ReadMemory::UNLIMITED,
        }
    }

    /// Rows of a split, in no particular order.
    ///
    /// # Errors
    /// `Damaged` naming the file. Errors also come through the stream.
    pub fn read(&self, split: &DataSplit) -> Result<BatchStream> {
        let read = self.clone();
        let partition = split.partition.clone();
        Ok(match &split.kind {
            SplitKind::Raw(files) => {
                let streams = files.clone().into_iter().map(move |file| {
                    let (read, partition) = (read.clone(), partition.clone());
                    async move { read.raw_file(&partition, file).await }
                });
                flatten(streams.collect())
            }
            SplitKind::Columns(groups) => {
                let streams = groups.clone().into_iter().map(move |group| {
                    let (read, partition) = (read.clone(), partition.clone());
                    async move {
                        let stream = read_column_group(&read, &partition, group).await?;
                        Ok(if read.with_row_kind {
                            insert_kind(stream)
                        } else {
                            stream
                        })
                    }
                });
                flatten(streams.collect())
            }
            SplitKind::Merge(sections) => {
                let streams = sections.clone().into_iter().map(move |section| {
                    let (read, partition) = (read.clone(), partition.clone());
                    async move { read.section(partition, section).await }
                });
                flatten(streams.collect())
            }
        })
    }

    /// Rows of a split of changes, each with its stored kind (+I in append tables), file after file; of two states that
    /// are compared in key order.
    ///
    /// # Errors
    /// `Damaged` naming the file. Errors also come through the stream.
    pub fn read_changes(&self, split: &ChangeSplit) -> BatchStream {
        let keyed = self.table.schema().has_primary_key();
        if let Some(before) = split.before.clone() {
            let (read, split) = (self.clone(), split.clone());
            let open = async move { read_difference(&read, &split, &before) };
            return futures::stream::once(open).try_flatten().boxed();
        }
        let streams = split.files.clone().into_iter().map(|file| {
            let (read, partition) = (self.clone(), split.partition.clone());
            async move {
                if !keyed {
                    return read.raw_file(&partition, file).await;
                }
                let mut scan = read.file_scan(&partition, &file, read.filter.clone());
                if read.with_row_kind {
                    scan.fields.push(value_kind_field());
                }
                scan.open().await
            }
        });
        flatten(streams.collect())
    }

    async fn raw_file(&self, partition: &Arc<Partition>, file: SplitFile) -> Result<BatchStream> {
        let mut scan = self.file_scan(partition, &file, self.filter.clone());
        // Java merges every split where it keeps deletes, so the kinds are those of the files
        let stored_kind =
            self.with_row_kind && self.keep_deletes && self.table.schema().has_primary_key();
        if stored_kind {
            scan.fields.push(value_kind_field());
        }
        let stream = self.open(scan).await?;
        Ok(if self.with_row_kind && !stored_kind {
            insert_kind(stream)
        } else {
            stream
        })
    }

    /// Opens a scan, computing row ids and sequences where the table tracks them.
    async fn open(&self, scan: FileScan) -> Result<BatchStream> {
        let lost = self.table.options().ignore_lost_files;
        let corrupt = self.table.options().ignore_corrupt_files;
        let opened = if self.table.options().row_tracking {
            with_row_ids(scan).await
        } else {
            scan.open().await
        };
        match opened {
            Err(e) if lost && crate::io::is_not_found(&e) => Ok(futures::stream::empty().boxed()),
            Err(e) if corrupt && !crate::io::is_not_found(&e) => {
                tracing::warn!(error = %e, "a file that cannot be read is skipped");
                Ok(futures::stream::empty().boxed())
            }
            other => other,
        }
    }

    fn file_scan(
        &self,
        partition: &Arc<Partition>,
        file: &SplitFile,
        filter: Predicate,
    ) -> FileScan {
        let mut scan = FileScan::new(&self.table, partition, file, &self.fields);
        scan.filter = filter;
        scan.batch_size = self.batch_size;
        scan.step_bytes = self.memory.step_bytes(FILES_AT_ONCE, scan.step_bytes);
        scan
    }

    /// The rules of this read's merges.
    pub fn rules(&self) -> MergeRules {
        let mut rules = MergeRules::of(&self.table);
        rules.keep_deletes = self.keep_deletes;
        rules.key_filter = key_filter(&self.table, &self.filter);
        rules
    }

    async fn section(&self, partition: Arc<Partition>, section: Section) -> Result<BatchStream> {
        let rules = self.rules();
        let outcome =
            Arc::new(merge_section(&self.table, &partition, &section, &rules, self.memory).await?);
        if rules.resolution == Resolution::Fold {
            return self.folded(partition, section, outcome);
        }
        let mut fields = self.fields.clone();
        if self.with_row_kind {
            fields.push(value_kind_field());
        }
        let mut scans = Vec::new();
        for (run, outcomes) in section.runs.iter().zip(&outcome.files) {
            for (file, outcome) in run.files.iter().zip(outcomes) {
                if outcome.keep.selected() == 0 {
                    continue;
                }
                let mut scan = self.file_scan(&partition, file, self.filter.clone());
                scan.file.deletion = None;
                scan.fields = fields.clone();
                if outcome.keep.selected() < outcome.keep.rows() {
                    scan.selection = Some(outcome.keep.clone());
                }
                scans.push(scan.open());
            }
        }
        Ok(flatten(scans))
    }

    fn folded(
        &self,
        partition: Arc<Partition>,
        section: Section,
        outcome: Arc<SectionOutcome>,
    ) -> Result<BatchStream> {
        let (fields, function) = fold_function(&self.table, &self.fields)?;
        let own = self.fields.len();
        let with_kind = self.with_row_kind;
        let wanted: Vec<usize> = (0..own).chain(with_kind.then_some(fields.len())).collect();
        let stream = fold_section(FoldRequest {
            table: self.table.clone(),
            partition,
            section,
            outcome,
            function,
            fields,
            keep_deletes: self.keep_deletes,
            batch_size: self.batch_size,
            memory: self.memory,
        });
        Ok(stream
            .map(move |batch| Ok(batch?.project(&wanted)?))
            .boxed())
    }
}

/// Columns to read for a fold of `fields` (these first, then what the engine needs), and the function over them.
fn fold_function(
    table: &Table,
    fields: &[DataField],
) -> Result<(Vec<DataField>, Arc<dyn MergeFunction>)> {
    let schema = table.schema();
    let engine = table.options().merge_engine;
    let names: Vec<String> = fields.iter().map(|f| f.name.clone()).collect();
    let options = table.options().map();
    let mut read = fields.to_vec();
    let required = required_columns(
        engine,
        &names,
        &schema.fields,
        &schema.primary_keys,
        options,
    )?;
    for name in required {
        if !read.iter().any(|f| f.name == name)
            && let Some(field) = schema.field(&name)
        {
            read.push(field.clone());
        }
    }
    let function = create_merge_function(engine, &read, &schema.primary_keys, options)
        .map_err(|e| e.with_default("table", table.name()))?;
    Ok((read, function.into()))
}

/// Appends the row kind +I to every batch.
fn insert_kind(stream: BatchStream) -> BatchStream {
    stream
        .map(|batch| {
            let batch = batch?;
            let rows = batch.num_rows();
            let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
            fields.push(Arc::new(arrow_field(&value_kind_field())));
            let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
            columns.push(Arc::new(Int8Array::from(vec![0i8; rows])));
            let schema = Arc::new(arrow_schema::Schema::new(fields));
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(
                schema, columns, &options,
            )?)
        })
        .boxed()
}

/// Streams one after the other; the next one is opened while the current one is read.
fn flatten<F>(opens: Vec<F>) -> BatchStream
where
    F: Future<Output = Result<BatchStream>> + Send + 'static,
{
    futures::stream::iter(opens)
        .buffered(1)
        .try_flatten()
        .boxed()
}

/// Keeps the rows of a batch that match.
pub(crate) fn filter_batch(batch: RecordBatch, filter: &Predicate) -> Result<RecordBatch> {
    if *filter == Predicate::AlwaysTrue {
        return Ok(batch);
    }
    let mask = crate::predicate::evaluate_batch(filter, &batch)?;
    if mask.true_count() == batch.num_rows() && mask.null_count() == 0 {
        return Ok(batch);
    }
    Ok(arrow_select::filter::filter_record_batch(&batch, &mask)?)
}

/// The part of a filter that only speaks of key columns.
pub fn key_filter(table: &Table, filter: &Predicate) -> Predicate {
    let ids: Vec<i32> = table.schema().key_fields().iter().map(|f| f.id).collect();
    project(filter, &|leaf| ids.contains(&leaf.field_id))
}

/// The error for a column that a table does not have.
pub(crate) fn no_column(table: &Table, name: &str) -> Error {
    let names: Vec<&str> = table
        .schema()
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    Error::new(
        crate::ErrorKind::NotFound,
        format!(
            "column {name:?} does not exist; there are {}",
            names.join(", ")
        ),
    )
    .with("table", table.name())
}
