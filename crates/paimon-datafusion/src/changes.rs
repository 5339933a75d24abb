//! Changes between snapshots as tables: the rows that came, and `t$audit_log` with every row and its kind.
//!
//! Source: `AuditLogTable`, `IncrementalDeltaStartingScanner`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int8Array, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::cast::as_int8_array;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use paimon_core::read::{ChangeSplit, DataSplit};
use paimon_core::table::{ChangesBuilder, ReadBuilder, Table, TableRead};

use crate::error::to_datafusion;

/// First column of an audit log.
const ROW_KIND: &str = "rowkind";

const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// Rows of changes, or all rows of a table with their kinds.
#[derive(Debug)]
pub(crate) struct ChangesProvider {
    source: Source,
    schema: SchemaRef,
    /// Whether the kind is the first column; else rows that are no more are left out.
    audit: bool,
}

#[derive(Debug)]
enum Source {
    Changes(Box<ChangesBuilder>),
    State(Table),
}

impl ChangesProvider {
    /// What a range of snapshots added: of changes the new rows only.
    pub(crate) fn rows(changes: ChangesBuilder) -> Self {
        Self {
            schema: changes.table().arrow_schema(),
            source: Source::Changes(Box::new(changes)),
            audit: false,
        }
    }

    /// The audit log of a range of snapshots.
    pub(crate) fn audit(changes: ChangesBuilder) -> Self {
        Self {
            schema: audit_schema(&changes.table().arrow_schema()),
            source: Source::Changes(Box::new(changes)),
            audit: true,
        }
    }

    /// The audit log of a state: its rows, deletes that no compaction has dropped yet among them.
    pub(crate) fn audit_of_state(table: Table) -> Self {
        Self {
            schema: audit_schema(&table.arrow_schema()),
            source: Source::State(table),
            audit: true,
        }
    }

    async fn parts(&self, columns: &[&str], partitions: usize) -> paimon_core::Result<Parts> {
        Ok(match &self.source {
            Source::Changes(changes) => {
                let changes = changes.as_ref().clone().with_projection(columns);
                let splits = changes.plan().await?.into_iter().map(Part::Changes);
                Parts::new(changes.reader()?, splits, partitions)
            }
            Source::State(table) => {
                let read: ReadBuilder = table.read_builder().with_row_kind().with_deletes();
                let read = read.with_projection(columns);
                let splits = read.plan().await?.splits.into_iter().map(Part::State);
                Parts::new(read.reader()?, splits, partitions)
            }
        })
    }
}

fn audit_schema(table: &SchemaRef) -> SchemaRef {
    let mut fields = vec![Arc::new(Field::new(ROW_KIND, DataType::Utf8View, false))];
    fields.extend(table.fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for ChangesProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let names = schema.fields().iter().map(|f| f.name().as_str());
        let names: Vec<&str> = names.filter(|n| !(self.audit && *n == ROW_KIND)).collect();
        let partitions = state.config().target_partitions();
        let parts = self
            .parts(&names, partitions)
            .await
            .map_err(to_datafusion)?;
        let streams = parts.groups.into_iter().map(|group| {
            let rows = Rows {
                schema: schema.clone(),
                reader: parts.reader.clone(),
                parts: group,
                audit: self.audit,
            };
            Arc::new(rows) as Arc<dyn PartitionStream>
        });
        let table = StreamingTable::try_new(schema.clone(), streams.collect())?;
        table.scan(state, None, &[], limit).await
    }
}

#[derive(Debug, Clone)]
enum Part {
    Changes(ChangeSplit),
    State(DataSplit),
}

struct Parts {
    reader: TableRead,
    groups: Vec<Vec<Part>>,
}

impl Parts {
    fn new(reader: TableRead, splits: impl Iterator<Item = Part>, partitions: usize) -> Self {
        let mut groups = vec![Vec::new(); partitions.max(1)];
        for (i, split) in splits.enumerate() {
            let at = i % groups.len();
            groups[at].push(split);
        }
        Self { reader, groups }
    }
}

/// One partition of a scan.
struct Rows {
    schema: SchemaRef,
    reader: TableRead,
    parts: Vec<Part>,
    audit: bool,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (reader, schema, audit) = (self.reader.clone(), self.schema.clone(), self.audit);
        let batches = futures::stream::iter(self.parts.clone())
            .map(move |part| match part {
                Part::Changes(split) => reader.read_changes(&split),
                Part::State(split) => reader.read(&split),
            })
            .try_flatten()
            .map_err(to_datafusion)
            .and_then(move |batch| {
                let shaped = match audit {
                    true => with_kind(&batch, &schema),
                    false => without_retracts(&batch, &schema),
                };
                futures::future::ready(shaped)
            });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

/// Columns and row kinds of a batch that ends with its kinds.
fn split_kinds(batch: &RecordBatch) -> Result<(&[ArrayRef], &Int8Array)> {
    let (columns, kinds) = batch
        .columns()
        .split_at(batch.num_columns().saturating_sub(1));
    let kinds = kinds.first().map(|kinds| as_int8_array(kinds));
    let missing = || to_datafusion(paimon_core::Error::internal("a batch lacks its row kinds"));
    Ok((columns, kinds.ok_or_else(missing)??))
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

fn with_kind(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (columns, kinds) = split_kinds(batch)?;
    let mut columns = columns.to_vec();
    if let Ok(at) = schema.index_of(ROW_KIND) {
        let text = |kind: &i8| {
            usize::try_from(*kind)
                .ok()
                .and_then(|k| KINDS.get(k))
                .copied()
        };
        let texts: StringViewArray = kinds.values().iter().map(text).collect();
        columns.insert(at, Arc::new(texts));
    }
    batch_of(schema, columns, batch.num_rows())
}

fn without_retracts(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (columns, kinds) = split_kinds(batch)?;
    // -U and -D
    let stays: BooleanArray = kinds.values().iter().map(|k| Some(k % 2 == 0)).collect();
    let all = batch_of(schema, columns.to_vec(), batch.num_rows())?;
    match stays.true_count() == stays.len() {
        true => Ok(all),
        false => Ok(filter_record_batch(&all, &stays)?),
    }
}
