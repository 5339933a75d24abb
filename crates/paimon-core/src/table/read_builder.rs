//! Reading a table: projection, filter, limit, plan, batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use futures::{StreamExt, TryStreamExt};

use super::Table;
use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::predicate::Predicate;
use crate::read::{
    ChangeSplit, DataSplit, Plan, PlanRequest, ReadMemory, SplitRead, filter_batch, no_column, plan,
};
use crate::spec::{DataField, value_kind_field};

/// What to read of a table.
#[derive(Clone, Debug)]
pub struct ReadBuilder {
    pub(super) table: Table,
    projection: Option<Vec<String>>,
    pub(super) request: PlanRequest,
    limit: Option<usize>,
    with_row_kind: bool,
    keep_deletes: bool,
    batch_size: Option<usize>,
    memory: ReadMemory,
}

impl ReadBuilder {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            projection: None,
            request: PlanRequest::default(),
            limit: None,
            with_row_kind: false,
            keep_deletes: false,
            batch_size: None,
            memory: ReadMemory::UNLIMITED,
        }
    }

    /// Columns to return, in this order; all of them when not called.
    #[must_use]
    pub fn with_projection(mut self, columns: &[&str]) -> Self {
        self.projection = Some(columns.iter().map(|c| (*c).to_string()).collect());
        self
    }

    /// Only rows that match; exact.
    #[must_use]
    pub fn with_filter(mut self, filter: Predicate) -> Self {
        self.request.filter = filter;
        self
    }

    /// At most this many rows.
    #[must_use]
    pub fn with_limit(mut self, rows: usize) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Appends the column `_VALUE_KIND` with the row kind: 0 +I, 1 -U, 2 +U, 3 -D.
    #[must_use]
    pub fn with_row_kind(mut self) -> Self {
        self.with_row_kind = true;
        self
    }

    /// Keeps rows of kind -U and -D that merging left; the kinds of all rows are those that files store.
    #[must_use]
    pub fn with_deletes(mut self) -> Self {
        self.keep_deletes = true;
        self
    }

    /// Rows per batch, at most.
    #[must_use]
    pub fn with_batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows.max(1));
        self
    }

    /// Memory of each stream of rows: less is fetched of every file at a time.
    #[must_use]
    pub fn with_memory(mut self, memory: ReadMemory) -> Self {
        self.memory = memory;
        self
    }

    /// Only the files of the highest level of a primary-key table (`t$ro`).
    #[must_use]
    pub fn read_optimized(mut self) -> Self {
        self.request.read_optimized = true;
        self
    }

    /// The table that is read.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Plans the read.
    ///
    /// # Errors
    /// `Damaged` for broken metadata, `SnapshotExpired` when the snapshot vanished meanwhile, `Unsupported` for a table
    /// that another branch completes: plan each of its [`sources`](Self::sources).
    pub async fn plan(&self) -> Result<Plan> {
        if let Some(other) = self.table.other_branch() {
            return Err(Error::unsupported(format!(
                "rows of two branches cannot be planned as one: branch {:?} completes the table",
                other.branch_name()
            ))
            .with("table", self.table.name()));
        }
        plan(&self.table, &self.request).await
    }

    /// The reader of planned splits.
    ///
    /// # Errors
    /// `NotFound` for an unknown column.
    pub fn reader(&self) -> Result<TableRead> {
        let schema = self.table.schema();
        let wanted: Vec<DataField> = match &self.projection {
            None => schema.fields.clone(),
            Some(names) => names
                .iter()
                .map(|n| column(&self.table, n))
                .collect::<Result<_>>()?,
        };
        let mut fields = wanted.clone();
        let mut of_filter = BTreeSet::new();
        self.request.filter.for_each_leaf(&mut |leaf| {
            of_filter.insert(leaf.column.clone());
        });
        for name in of_filter {
            if !fields.iter().any(|f| f.name == name) {
                fields.push(column(&self.table, &name)?);
            }
        }
        let extra = fields.len() - wanted.len();
        let mut read = SplitRead::new(&self.table, fields);
        read.filter = self.request.filter.clone();
        read.with_row_kind = self.with_row_kind;
        read.keep_deletes = self.keep_deletes;
        read.memory = self.memory;
        if let Some(rows) = self.batch_size {
            read.batch_size = rows;
        }
        let mut out = wanted;
        if self.with_row_kind {
            out.push(value_kind_field());
        }
        Ok(TableRead {
            read,
            schema: arrow_schema(&out),
            extra,
        })
    }

    /// Plans and reads everything; batches in no particular order.
    ///
    /// # Errors
    /// As [`Self::plan`] and [`TableRead::read`].
    pub async fn stream(&self) -> Result<BatchStream> {
        let mut parts = Vec::new();
        for source in self.sources().await? {
            let plan = source.plan().await?;
            let reader = source.reader()?;
            let splits = futures::stream::iter(plan.splits);
            let batches = splits.map(move |split| reader.read(&split)).try_flatten();
            parts.push(batches);
        }
        let stream = futures::stream::iter(parts).flatten().boxed();
        Ok(match self.limit {
            Some(limit) => limited(stream, limit),
            None => stream,
        })
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub async fn collect(&self) -> Result<Vec<RecordBatch>> {
        self.stream().await?.try_collect().await
    }
}

fn column(table: &Table, name: &str) -> Result<DataField> {
    if let Some(field) = table.schema().field(name) {
        return Ok(field.clone());
    }
    if table.options().row_tracking {
        match name {
            crate::spec::ROW_ID => return Ok(crate::spec::row_id_field()),
            crate::spec::SEQUENCE_NUMBER => return Ok(crate::spec::sequence_number_field()),
            _ => {}
        }
    }
    Err(no_column(table, name))
}

/// What a reader returns of its splits.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSpec {
    /// Columns, in order.
    pub columns: Vec<String>,
    /// Rows; exact.
    pub filter: Predicate,
    /// Whether the kind of each row follows the columns.
    pub with_row_kind: bool,
    /// Whether rows of kind -U and -D stay.
    pub keep_deletes: bool,
    /// Rows per batch, at most.
    pub batch_size: usize,
}

impl ReadSpec {
    /// A reader of a table's splits.
    ///
    /// # Errors
    /// `NotFound` for an unknown column.
    pub fn reader(&self, table: &Table) -> Result<TableRead> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let read = ReadBuilder {
            with_row_kind: self.with_row_kind,
            keep_deletes: self.keep_deletes,
            ..ReadBuilder::new(table.clone())
        };
        read.with_projection(&columns)
            .with_filter(self.filter.clone())
            .with_batch_size(self.batch_size)
            .reader()
    }
}

/// Reads splits.
#[derive(Clone)]
pub struct TableRead {
    read: SplitRead,
    schema: SchemaRef,
    /// Columns at the end (before the row kind) that only the filter needs.
    extra: usize,
}

impl TableRead {
    /// The table of the splits.
    pub fn table(&self) -> &Table {
        &self.read.table
    }

    /// What is returned of them.
    pub fn spec(&self) -> ReadSpec {
        let wanted = self.read.fields.len() - self.extra;
        let columns = self.read.fields.iter().take(wanted);
        ReadSpec {
            columns: columns.map(|f| f.name.clone()).collect(),
            filter: self.read.filter.clone(),
            with_row_kind: self.read.with_row_kind,
            keep_deletes: self.read.keep_deletes,
            batch_size: self.read.batch_size,
        }
    }

    /// Schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same reader with another memory.
    #[must_use]
    pub fn with_memory(mut self, memory: ReadMemory) -> Self {
        self.read.memory = memory;
        self
    }

    /// Rows of a split that match the filter, in no particular order.
    ///
    /// # Errors
    /// `Damaged` naming the file, `SnapshotExpired` when the split's snapshot vanished meanwhile; also through the stream.
    pub fn read(&self, split: &DataSplit) -> Result<BatchStream> {
        let (table, id) = (self.read.table.clone(), split.snapshot_id);
        let explain = move |error| {
            let table = table.clone();
            async move { Err(table.snapshots().reading_error(id, error).await) }
        };
        let stream = self.read.read(split)?.or_else(explain);
        Ok(self.shaped(stream.boxed()))
    }

    /// Rows of a split of changes that match the filter, in their order.
    ///
    /// # Errors
    /// `Damaged` naming the file; also through the stream.
    pub fn read_changes(&self, split: &ChangeSplit) -> Result<BatchStream> {
        Ok(self.shaped(self.read.read_changes(split)))
    }

    fn shaped(&self, stream: BatchStream) -> BatchStream {
        let filter = self.read.filter.clone();
        let (schema, extra) = (self.schema.clone(), self.extra);
        let with_kind = self.read.with_row_kind;
        stream
            .map(move |batch| {
                let batch = filter_batch(batch?, &filter)?;
                shape(batch, &schema, extra, with_kind)
            })
            .boxed()
    }
}

/// Drops the columns that only the filter needed and sets the declared schema.
fn shape(
    batch: RecordBatch,
    schema: &SchemaRef,
    extra: usize,
    with_kind: bool,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut columns = batch.columns().to_vec();
    let kind = if with_kind { columns.pop() } else { None };
    columns.truncate(columns.len() - extra);
    columns.extend(kind);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let exact = RecordBatch::try_new_with_options(schema.clone(), columns.clone(), &options);
    match exact {
        Ok(batch) => Ok(batch),
        Err(_) => {
            // a NOT NULL column that old files lack reads as null
            let fields: Vec<_> = schema
                .fields()
                .iter()
                .map(|f| Arc::new(f.as_ref().clone().with_nullable(true)))
                .collect();
            let relaxed = Arc::new(arrow_schema::Schema::new(fields));
            Ok(RecordBatch::try_new_with_options(
                relaxed, columns, &options,
            )?)
        }
    }
}

fn limited(stream: BatchStream, limit: usize) -> BatchStream {
    stream
        .scan(limit, |left, batch| {
            let out = match batch {
                _ if *left == 0 => None,
                Ok(batch) => {
                    let take = batch.num_rows().min(*left);
                    *left -= take;
                    Some(Ok(batch.slice(0, take)))
                }
                Err(e) => Some(Err(e)),
            };
            futures::future::ready(out)
        })
        .boxed()
}
