//! One data file seen through the current schema: reader by file name, schema evolution by field id, partition
//! columns from the partition value, deletion vector and file index applied.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::blobs::ManagedBlobs;
use super::evolution::EvolutionPlan;
use crate::arrow_bridge::{array_of, arrow_field};
use crate::deletionvectors::{DeletionVector, decode_deletion_vector, read_range_of};
use crate::error::{Error, Result};
use crate::format::{BatchStream, DEFAULT_STEP_BYTES, FileReadRequest, POSITION_COLUMN, read_file};
use crate::index::{FileIndexResult, evaluate};
use crate::predicate::{Leaf, Predicate, project};
use crate::read::split::{Partition, SplitFile};
use crate::selection::FileSelection;
use crate::spec::{DataField, SYSTEM_ID_MIN, TableSchema, TypeKind};
use crate::table::Table;

/// Rows per batch when the caller does not say.
pub const DEFAULT_BATCH_SIZE: usize = 8192;

/// A read of one file.
#[derive(Clone)]
pub struct FileScan {
    /// Table, for schemas, options and the store.
    pub table: Table,
    /// The file.
    pub file: SplitFile,
    /// Its partition.
    pub partition: Arc<Partition>,
    /// Wanted columns: of the current schema, or system columns.
    pub fields: Vec<DataField>,
    /// Rows wanted, deletion vector not included; `None` is all.
    pub selection: Option<Arc<FileSelection>>,
    /// Physical rows wanted.
    pub row_range: Option<Range<u64>>,
    /// Filter over the current schema, used to skip; rows that do not match may come back.
    pub filter: Predicate,
    /// Rows per batch.
    pub batch_size: usize,
    /// Compressed bytes to hold at a time, about.
    pub step_bytes: u64,
    /// Appends physical row positions.
    pub with_position: bool,
}

/// The error of reading a file of the snapshot that the table is pinned to.
async fn explained(table: &Table, path: &str, error: Error) -> Error {
    let error = error.with_default("path", path);
    match table.target().snapshot() {
        Some(snapshot) => table.snapshots().reading_error(snapshot.id, error).await,
        None => error,
    }
}

impl FileScan {
    /// A scan of all rows of a file.
    pub fn new(
        table: &Table,
        partition: &Arc<Partition>,
        file: &SplitFile,
        fields: &[DataField],
    ) -> Self {
        Self {
            table: table.clone(),
            file: file.clone(),
            partition: partition.clone(),
            fields: fields.to_vec(),
            selection: None,
            row_range: None,
            filter: Predicate::AlwaysTrue,
            batch_size: DEFAULT_BATCH_SIZE,
            step_bytes: DEFAULT_STEP_BYTES,
            with_position: false,
        }
    }

    /// Opens the file. Batches have the columns of `fields`, then the position column when asked for.
    ///
    /// # Errors
    /// `Damaged` naming the file, `SnapshotExpired` when it is missing as the snapshot is that the table is pinned to.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream leaves nothing behind.
    pub async fn open(self) -> Result<BatchStream> {
        let (table, path) = (self.table.clone(), self.file.path.clone());
        match self.open_inner().await {
            Ok(stream) => Ok(stream
                .or_else(move |error| {
                    let (table, path) = (table.clone(), path.clone());
                    async move { Err(explained(&table, &path, error).await) }
                })
                .boxed()),
            Err(error) => Err(explained(&table, &path, error).await),
        }
    }

    async fn open_inner(self) -> Result<BatchStream> {
        let schema = self
            .table
            .schemas()
            .schema(self.file.meta.schema_id)
            .await?;
        let mapping = Arc::new(FileMapping::new(&self, &schema)?);
        let selection = self.selection(&mapping).await?;
        if selection.as_ref().is_some_and(|s| s.selected() == 0) {
            return Ok(futures::stream::empty().boxed());
        }
        let size = u64::try_from(self.file.meta.file_size)
            .map_err(|_| Error::damaged("file size in the manifest is negative"))?;
        let io = self.table.io();
        let request = FileReadRequest {
            file: io.input(&self.file.path, size)?,
            fields: mapping.file_columns().to_vec(),
            selection,
            row_range: self.row_range.clone(),
            predicate: mapping.file_filter.clone(),
            batch_size: self.batch_size,
            step_bytes: self.step_bytes,
            with_position: self.with_position,
        };
        let blobs = ManagedBlobs::of(&self)?;
        let stream = read_file(request).await?;
        let stream = stream.map(move |batch| mapping.apply(batch?)).boxed();
        Ok(match blobs {
            Some(blobs) => blobs.resolve(stream),
            None => stream,
        })
    }

    /// Deletion vector, caller's selection and file index combined; `None` is all rows.
    async fn selection(&self, mapping: &FileMapping) -> Result<Option<Arc<FileSelection>>> {
        let live = live_rows(&self.table, &self.file).await?;
        let indexed = match &mapping.file_filter {
            Some(filter) => self.rows_by_index(filter).await?,
            None => None,
        };
        let more = live.into_iter().chain(indexed);
        Ok(more.fold(self.selection.clone(), |all, rows| {
            Some(Arc::new(match all {
                Some(all) => all.intersect(&rows),
                None => rows,
            }))
        }))
    }

    /// Rows that may match by the file index, given a filter over the file's columns; `None` is all.
    async fn rows_by_index(&self, filter: &Predicate) -> Result<Option<FileSelection>> {
        if !self.table.options().file_index_read {
            return Ok(None);
        }
        let Some(container) = self.file_index().await? else {
            return Ok(None);
        };
        let rows = usize::try_from(self.file.meta.row_count)
            .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
        let filter = project(filter, &|leaf| self.is_as_indexed(leaf));
        Ok(match evaluate(&container, &filter, rows as u64)? {
            FileIndexResult::Keep => None,
            FileIndexResult::Skip => Some(FileSelection::only(rows, std::iter::empty())),
            FileIndexResult::Rows(bitmap) => {
                Some(FileSelection::only(rows, bitmap.iter().map(u64::from)))
            }
        })
    }

    /// Whether values are compared as they were indexed: ORC files drop the blanks that CHAR values were written with.
    fn is_as_indexed(&self, leaf: &Leaf) -> bool {
        !(matches!(leaf.data_type.kind, TypeKind::Char(_))
            && self.file.meta.file_name.ends_with(".orc"))
    }

    async fn file_index(&self) -> Result<Option<Bytes>> {
        if let Some(embedded) = &self.file.meta.embedded_index {
            return Ok(Some(embedded.clone()));
        }
        let Some(name) = self
            .file
            .meta
            .extra_files
            .iter()
            .find(|n| n.ends_with(INDEX_SUFFIX))
        else {
            return Ok(None);
        };
        let name = crate::io::checked_name(name)?;
        let folder = self.file.path.rsplit_once('/').map_or("", |(f, _)| f);
        let bytes = self
            .table
            .io()
            .read(&format!("{folder}/{name}"), INDEX_SIZE_MAX)
            .await?;
        Ok(Some(bytes))
    }
}

/// Ends the name of a file index beside its data file.
pub(crate) const INDEX_SUFFIX: &str = ".index";

/// Largest file index that is accepted, bytes.
pub(crate) const INDEX_SIZE_MAX: u64 = 256 << 20;

/// Makes sure that an index beside its file is not larger than what readers accept.
///
/// # Errors
/// `InvalidInput` naming the options.
pub(crate) fn check_index_size(index: &[u8]) -> Result<()> {
    if u64::try_from(index.len()).is_ok_and(|size| size <= INDEX_SIZE_MAX) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the file indexes of one data file take {} bytes, at most {INDEX_SIZE_MAX} are read: index fewer columns, or write \
         smaller files (`target-file-size`)",
        index.len()
    ))
    .with("option", "file-index.*"))
}

/// Whether a file has an index, embedded in its manifest entry or beside it.
pub fn has_index(file: &SplitFile) -> bool {
    let meta = &file.meta;
    meta.embedded_index.is_some() || meta.extra_files.iter().any(|n| n.ends_with(INDEX_SUFFIX))
}

/// Rows of a file that may match a filter over the current schema by its file index; `None` is all. A row that is left
/// out does not match.
///
/// # Errors
/// `Damaged` naming the file.
pub async fn indexed_rows(
    table: &Table,
    partition: &Arc<Partition>,
    file: &SplitFile,
    filter: &Predicate,
) -> Result<Option<FileSelection>> {
    if !has_index(file) || *filter == Predicate::AlwaysTrue {
        return Ok(None);
    }
    let mut fields = Vec::new();
    filter.for_each_leaf(&mut |leaf| {
        fields.extend(table.schema().field_by_id(leaf.field_id).cloned())
    });
    fields.sort_by_key(|f| f.id);
    fields.dedup_by_key(|f| f.id);
    let mut scan = FileScan::new(table, partition, file, &fields);
    scan.filter = filter.clone();
    let schema = table.schemas().schema(file.meta.schema_id).await?;
    match &FileMapping::new(&scan, &schema)?.file_filter {
        Some(filter) => scan.rows_by_index(filter).await,
        None => Ok(None),
    }
    .map_err(|e| e.with_default("path", &file.path))
}

/// Rows that a file's deletion vector leaves; `None` without one.
///
/// # Errors
/// `Damaged` naming the index file.
pub async fn live_rows(table: &Table, file: &SplitFile) -> Result<Option<FileSelection>> {
    let Some(vector) = deleted_rows(table, file).await? else {
        return Ok(None);
    };
    let rows = usize::try_from(file.meta.row_count)
        .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
    Ok(Some(vector.to_selection(rows)))
}

/// The deletion vector of a file, its positions checked; `None` without one.
///
/// # Errors
/// `Damaged` naming the index file.
pub(crate) async fn deleted_rows(
    table: &Table,
    file: &SplitFile,
) -> Result<Option<DeletionVector>> {
    let Some(deletion) = &file.deletion else {
        return Ok(None);
    };
    let range = read_range_of(&deletion.meta, deletion.file_size)?;
    let input = table.io().input(&deletion.path, deletion.file_size)?;
    let bytes = input.read_range(range).await?;
    let vector = decode_deletion_vector(&bytes, &deletion.meta, &deletion.path)?;
    let rows = u64::try_from(file.meta.row_count)
        .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
    vector.check_row_count(rows)?;
    Ok(Some(vector))
}

/// How a file's columns become the wanted ones.
struct FileMapping {
    plan: EvolutionPlan,
    /// Filter in the file's columns, exact where it exists.
    file_filter: Option<Predicate>,
    /// Where each wanted column comes from.
    sources: Vec<Source>,
    schema: SchemaRef,
}

enum Source {
    /// Column of the evolved batch.
    File(usize),
    /// The partition value.
    Constant(ArrayRef),
}

impl FileMapping {
    fn new(scan: &FileScan, file_schema: &TableSchema) -> Result<Self> {
        let current = scan.table.schema();
        let partition_fields = current.partition_fields();
        let mut physical = Vec::new();
        let mut sources = Vec::new();
        for field in &scan.fields {
            match partition_fields.iter().position(|p| p.id == field.id) {
                Some(i) => {
                    let value = scan.partition.values.get(i).cloned().flatten();
                    sources.push(Source::Constant(array_of(
                        value.as_ref(),
                        &field.data_type,
                        1,
                    )?));
                }
                None => {
                    sources.push(Source::File(physical.len()));
                    physical.push(field.clone());
                }
            }
        }
        let mut file_fields = file_schema.fields.clone();
        if let Some(written) = &scan.file.meta.write_cols {
            file_fields.retain(|f| written.contains(&f.name));
        }
        file_fields.extend(physical.iter().filter(|f| f.id >= SYSTEM_ID_MIN).cloned());
        let plan = EvolutionPlan::new(&file_fields, &physical)?;
        let mut arrow: Vec<_> = scan.fields.iter().map(arrow_field).collect();
        if scan.with_position {
            arrow.push(arrow_schema::Field::new(
                POSITION_COLUMN,
                arrow_schema::DataType::Int64,
                false,
            ));
        }
        let file_filter = translate(&scan.filter, &plan, current);
        Ok(Self {
            file_filter,
            plan,
            sources,
            schema: Arc::new(arrow_schema::Schema::new(arrow)),
        })
    }

    fn file_columns(&self) -> &[DataField] {
        self.plan.file_columns()
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.file_columns().len();
        let position = batch.columns().get(columns).cloned();
        let own: Vec<usize> = (0..columns).collect();
        let evolved = self.plan.apply(batch.project(&own)?)?;
        let mut out: Vec<ArrayRef> = Vec::with_capacity(self.sources.len() + 1);
        for source in &self.sources {
            out.push(match source {
                Source::File(i) => evolved.column(*i).clone(),
                Source::Constant(one) => repeat(one, rows)?,
            });
        }
        out.extend(position);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            relax(&self.schema, &out),
            out,
            &options,
        )?)
    }
}

/// The schema with fields made nullable where the data holds nulls all the same (a NOT NULL column that a file of an
/// older schema lacks).
fn relax(schema: &SchemaRef, columns: &[ArrayRef]) -> SchemaRef {
    let wrong = |i: usize| {
        let field = schema.field(i);
        !field.is_nullable() && columns[i].null_count() > 0
    };
    if !(0..columns.len()).any(wrong) {
        return schema.clone();
    }
    let fields: Vec<_> = (0..columns.len())
        .map(|i| {
            let field = schema.field(i).clone();
            let nullable = field.is_nullable() || wrong(i);
            field.with_nullable(nullable)
        })
        .collect();
    Arc::new(arrow_schema::Schema::new(fields))
}

fn repeat(one: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let indices = arrow_array::UInt32Array::from(vec![0; rows]);
    Ok(arrow_select::take::take(one, &indices, None)?)
}

/// The filter in terms of a file's columns, weakened where a column cannot be translated.
fn translate(filter: &Predicate, plan: &EvolutionPlan, current: &TableSchema) -> Option<Predicate> {
    if *filter == Predicate::AlwaysTrue {
        return None;
    }
    let partition_ids: Vec<i32> = current.partition_fields().iter().map(|f| f.id).collect();
    let of = |leaf: &Leaf| {
        if partition_ids.contains(&leaf.field_id) {
            return None;
        }
        plan.map_leaf(leaf)
    };
    let kept = project(filter, &|leaf| of(leaf).is_some());
    let mapped = map_leaves(&kept, &|leaf| of(leaf));
    (mapped != Predicate::AlwaysTrue).then_some(mapped)
}

fn map_leaves(predicate: &Predicate, of: &dyn Fn(&Leaf) -> Option<Leaf>) -> Predicate {
    match predicate {
        Predicate::Leaf(leaf) => of(leaf).map_or(Predicate::AlwaysTrue, Predicate::Leaf),
        Predicate::And(parts) => Predicate::And(parts.iter().map(|p| map_leaves(p, of)).collect()),
        Predicate::Or(parts) => Predicate::Or(parts.iter().map(|p| map_leaves(p, of)).collect()),
        other => other.clone(),
    }
}
