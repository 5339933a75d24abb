//! Changed rows, applied to a table write.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Int8Array, Int64Array, RecordBatch, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Int64Type, Schema};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use paimon_core::Error;
use paimon_core::deletionvectors::DeletionVector;
use paimon_core::spec::{CommitMessage, ROW_ID, SEQUENCE_NUMBER};
use paimon_core::table::{Table, TableWrite};
use paimon_core::write::{Removal, RemovedRows, WriteContext, remove_rows, rewrite_without};

use super::columns::ColumnChanges;
use super::target::Statement;
use super::writes::Writes;
use crate::error::to_datafusion;
use crate::scan::{TargetFiles, TargetProvider, finds_rows_by_place};

const INSERT: i8 = 0;
const DELETE: i8 = 3;

/// Columns before the table's own in rows that are found by their places: action, file, position; with row tracking the
/// id follows.
const LEADING: usize = 3;

/// What a statement changes, as its rows come.
pub(super) struct RowChanges<'a> {
    table: &'a Table,
    target: &'a TargetProvider,
    rows: Rows,
    count: u64,
    messages: Vec<CommitMessage>,
}

enum Rows {
    /// Rows replace those of their key.
    Keyed(Box<Keys>),
    /// Columns of rows replace those of their ids, or rows go.
    Columns(Box<ColumnChanges>),
    /// Rows replace those at their positions.
    Placed(BTreeMap<i32, DeletionVector>),
}

/// Keys in the order of rows, to find two changes of one row.
struct Keys {
    columns: Vec<usize>,
    converter: RowConverter,
    last: Option<OwnedRow>,
}

impl<'a> RowChanges<'a> {
    pub(super) fn new(
        statement: &'a Statement,
        target: &'a TargetProvider,
        context: &WriteContext,
    ) -> Result<Self> {
        let table = &statement.table;
        let rows = if !finds_rows_by_place(table) {
            Rows::Keyed(Box::new(Keys::new(table)?))
        } else if table.options().data_evolution {
            let changes = ColumnChanges::new(target.pinned(), &statement.assigned, context);
            Rows::Columns(Box::new(changes.map_err(to_datafusion)?))
        } else {
            Rows::Placed(BTreeMap::new())
        };
        Ok(Self {
            table,
            target,
            rows,
            count: 0,
            messages: Vec::new(),
        })
    }

    /// The number of changed rows, and the messages of files that are no part of the writes.
    pub(super) fn into_messages(self) -> (u64, Vec<CommitMessage>) {
        (self.count, self.messages)
    }

    /// Takes some rows: the new ones are written.
    ///
    /// # Errors
    /// `InvalidInput` when a row of the table is changed twice, and as writing.
    pub(super) async fn apply(&mut self, batch: &RecordBatch, writes: &mut Writes) -> Result<()> {
        let kinds = batch.column(0).as_primitive::<Int8Type>().clone();
        self.count += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        match &mut self.rows {
            Rows::Keyed(keys) => {
                let own = columns_from(batch, 1)?;
                if keys.find_twice(&own, &kinds)? {
                    return Err(self.changed_twice());
                }
                let written = writes.new_rows()?.write_with_kinds(&own, &kinds).await;
                written.map_err(|e| self.named(e))
            }
            Rows::Columns(changes) => {
                let changed = of_kinds(batch, |kind| kind != INSERT)?;
                if changes.find_twice(row_ids(&changed)) {
                    return Err(self.changed_twice());
                }
                let gone = of_kinds(&changed, |kind| kind == DELETE)?;
                let updated = of_kinds(&changed, |kind| kind != DELETE)?;
                let own = columns_from(&updated, 2)?;
                let applied = async {
                    changes.remove(row_ids(&gone))?;
                    let out = &mut self.messages;
                    changes.update(row_ids(&updated), &own, out).await
                };
                applied.await.map_err(|e| self.named(e))?;
                let new = columns_from(&of_kinds(batch, |kind| kind == INSERT)?, 2)?;
                self.write(&new, writes.new_rows()?).await
            }
            Rows::Placed(removed) => {
                if !mark(removed, batch, &kinds)? {
                    return Err(self.changed_twice());
                }
                if self.table.options().row_tracking {
                    return self.write_tracked(batch, writes).await;
                }
                let own = columns_from(&of_kinds(batch, |kind| kind != DELETE)?, LEADING)?;
                self.write(&own, writes.new_rows()?).await
            }
        }
    }

    /// Writes rows of a table with row tracking: changed ones keep their ids.
    async fn write_tracked(&self, batch: &RecordBatch, writes: &mut Writes) -> Result<()> {
        let new = columns_from(&of_kinds(batch, |kind| kind == INSERT)?, LEADING + 1)?;
        self.write(&new, writes.new_rows()?).await?;
        let changed = of_kinds(batch, |kind| kind != INSERT && kind != DELETE)?;
        self.write(&with_ids(&changed)?, writes.old_rows()?).await
    }

    async fn write(&self, rows: &RecordBatch, write: &mut TableWrite) -> Result<()> {
        match rows.num_rows() {
            0 => Ok(()),
            _ => write.write(rows).await.map_err(|e| self.named(e)),
        }
    }

    /// Ends the changes: what becomes of the files whose rows changed. Rows that stay may be written.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) async fn finish(
        &mut self,
        writes: &mut Writes,
        context: &WriteContext,
    ) -> Result<()> {
        let removed = match &mut self.rows {
            Rows::Keyed(_) => return Ok(()),
            Rows::Columns(changes) => {
                let finished = changes.finish(&mut self.messages).await;
                finished.map_err(|e| self.named(e))?
            }
            Rows::Placed(removed) => {
                let removed = std::mem::take(removed);
                removed_rows(self.target.files(), &removed)?
            }
        };
        let Some(base) = self.target.base().filter(|_| !removed.is_empty()) else {
            return Ok(());
        };
        if self.table.schema().has_primary_key() {
            let messages = rewrite_without(self.table, context, &removed).await;
            self.messages.extend(messages.map_err(|e| self.named(e))?);
            return Ok(());
        }
        let removal = match self.table.options().deletion_vectors {
            true => Removal::Vectors,
            false => Removal::Rewrite,
        };
        if removal == Removal::Rewrite {
            for file in &removed {
                let mut rest = file.rest(self.table).await.map_err(|e| self.named(e))?;
                while let Some(batch) = rest.try_next().await.map_err(|e| self.named(e))? {
                    self.write(&batch, writes.old_rows()?).await?;
                }
            }
        }
        let messages = remove_rows(self.table, context, base, removed, removal).await;
        self.messages.extend(messages.map_err(|e| self.named(e))?);
        Ok(())
    }

    fn changed_twice(&self) -> DataFusionError {
        self.named(Error::invalid(
            "a row of the table matches several rows of the source that would change it: make the source unique",
        ))
    }

    fn named(&self, error: Error) -> DataFusionError {
        to_datafusion(error.with_default("table", self.table.name()))
    }
}

impl Keys {
    fn new(table: &Table) -> Result<Self> {
        let schema = table.arrow_schema();
        let columns = table
            .schema()
            .primary_keys
            .iter()
            .map(|name| Ok(schema.index_of(name)?))
            .collect::<Result<Vec<_>>>()?;
        let fields = columns
            .iter()
            .map(|i| SortField::new(schema.field(*i).data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            columns,
            last: None,
        })
    }

    /// Whether two changes of one row follow each other.
    fn find_twice(&mut self, rows: &RecordBatch, kinds: &Int8Array) -> Result<bool> {
        let keys: Vec<_> = self
            .columns
            .iter()
            .map(|i| Arc::clone(rows.column(*i)))
            .collect();
        let keys = self.converter.convert_columns(&keys)?;
        let mut last: Option<usize> = None;
        for (at, kind) in kinds.values().iter().enumerate() {
            if *kind == INSERT {
                continue;
            }
            let key = keys.row(at);
            let same = match last {
                Some(before) => keys.row(before) == key,
                None => self.last.as_ref().is_some_and(|before| before.row() == key),
            };
            if same {
                return Ok(true);
            }
            last = Some(at);
        }
        if let Some(at) = last {
            self.last = Some(keys.row(at).owned());
        }
        Ok(false)
    }
}

/// Ids of rows of a table with data evolution.
fn row_ids(batch: &RecordBatch) -> &Int64Array {
    batch.column(1).as_primitive::<Int64Type>()
}

/// The rows of some kinds.
fn of_kinds(batch: &RecordBatch, wanted: fn(i8) -> bool) -> Result<RecordBatch> {
    let kinds = batch.column(0).as_primitive::<Int8Type>().values();
    let keep: BooleanArray = kinds.iter().map(|kind| Some(wanted(*kind))).collect();
    Ok(filter_record_batch(batch, &keep)?)
}

/// The columns from one on.
fn columns_from(batch: &RecordBatch, first: usize) -> Result<RecordBatch> {
    let columns: Vec<usize> = (first..batch.num_columns()).collect();
    Ok(batch.project(&columns)?)
}

/// Changed rows as a write takes them that keeps ids: the columns of the table, `_ROW_ID`, and no `_SEQUENCE_NUMBER`,
/// which is that of the snapshot to come.
fn with_ids(batch: &RecordBatch) -> Result<RecordBatch> {
    let own = columns_from(batch, LEADING + 1)?;
    let ids = Arc::clone(batch.column(LEADING));
    let numbers = new_null_array(&DataType::Int64, own.num_rows());
    let system = [(ROW_ID, ids), (SEQUENCE_NUMBER, numbers)];
    let schema = own.schema();
    let mut fields: Vec<_> = schema.fields().iter().map(Arc::clone).collect();
    let mut columns = own.columns().to_vec();
    for (name, column) in system {
        fields.push(Arc::new(Field::new(name, DataType::Int64, true)));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// Notes the positions of rows that go; false when one goes twice.
fn mark(
    removed: &mut BTreeMap<i32, DeletionVector>,
    batch: &RecordBatch,
    kinds: &Int8Array,
) -> Result<bool> {
    let files = batch.column(1).as_primitive::<Int32Type>();
    let positions = batch.column(2).as_primitive::<Int64Type>();
    for (at, kind) in kinds.values().iter().enumerate() {
        if *kind == INSERT {
            continue;
        }
        let position = u64::try_from(positions.value(at)).ok();
        let Some(position) = position.filter(|_| files.is_valid(at) && positions.is_valid(at))
        else {
            return Err(DataFusionError::Internal(
                "a changed row has no position".into(),
            ));
        };
        if !removed.entry(files.value(at)).or_default().delete(position) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn removed_rows(
    files: &TargetFiles,
    removed: &BTreeMap<i32, DeletionVector>,
) -> Result<Vec<RemovedRows>> {
    removed
        .iter()
        .map(|(number, positions)| {
            let file = files.get(*number).ok_or_else(|| {
                DataFusionError::Internal("a changed row is in an unknown file".into())
            })?;
            Ok(RemovedRows {
                partition: file.partition,
                bucket: file.bucket,
                total_buckets: file.total_buckets,
                file: file.file,
                positions: positions.clone(),
            })
        })
        .collect()
}
