//! Reading the rows that survive, on one of three roads.
//!
//! Nothing but a count needs no file. With a filter in the scan DataFusion's Parquet source reads, survivors attached as
//! row selections: it prunes, filters late and follows dynamic filters. Without one the core's reader is faster on
//! scattered survivors and holds a bounded part of each file.

use std::sync::Arc;

use arrow::array::{BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::{ProjectionExprs, Projector};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::io::FolderPaths;
use paimon_core::read::{FILES_AT_ONCE, FileScan, FileSelection, SectionOutcome, SplitFile};
use paimon_core::spec::DataField;

use super::layout::{FileLayout, partition_values};
use super::memory::ScanMemory;
use super::native::{partitioned_file, with_selection};
use super::sections::{SHARED_ROWS_MIN, ScanMetrics, Share, Work};
use crate::error::to_datafusion;

/// What a partition of a scan runs in.
#[derive(Clone)]
pub(super) struct ReadContext {
    pub(super) task: Arc<TaskContext>,
    pub(super) memory: Arc<ScanMemory>,
    pub(super) metrics: ScanMetrics,
    /// Of the batches.
    pub(super) schema: SchemaRef,
}

/// How the survivors of a scan are read.
#[derive(Clone)]
pub(super) enum Road {
    /// No column is wanted.
    Count,
    /// DataFusion's source, with whatever was pushed into it.
    Native(Box<FileScanConfig>),
    /// The core's reader.
    Core(Arc<CoreRoad>),
}

/// Columns to read, and what becomes of them.
pub(super) struct CoreRoad {
    fields: Vec<DataField>,
    projector: Option<Projector>,
}

impl Road {
    /// The road for a scan with this configuration.
    pub(super) fn choose(work: &Work, config: &FileScanConfig, schema: &SchemaRef) -> Result<Self> {
        if config.file_source().filter().is_some() {
            return Ok(Road::Native(Box::new(config.clone())));
        }
        if schema.fields().is_empty() {
            return Ok(Road::Count);
        }
        let projection = config.file_source().projection();
        Ok(Road::Core(Arc::new(CoreRoad::new(work, projection)?)))
    }

    /// The surviving rows of a share.
    pub(super) fn read(
        &self,
        work: &Arc<Work>,
        share: &Share,
        outcome: &SectionOutcome,
        around: &ReadContext,
    ) -> Result<SendableRecordBatchStream> {
        match self {
            Road::Count => Ok(counted(outcome, share, around)),
            Road::Native(config) => native(work, share, outcome, (**config).clone(), around),
            Road::Core(road) => Ok(road.read(work, share, outcome, around)),
        }
    }
}

impl CoreRoad {
    fn new(work: &Work, projection: Option<&ProjectionExprs>) -> Result<Self> {
        let table = &work.table;
        let all = FileLayout::of(table).fields(table);
        let Some(projection) = projection else {
            return Ok(Self {
                fields: all,
                projector: None,
            });
        };
        let columns = projection.column_indices();
        let fields: Vec<DataField> = columns
            .iter()
            .filter_map(|i| all.get(*i).cloned())
            .collect();
        let own = arrow_schema(&fields);
        let remapped = projection
            .clone()
            .try_map_exprs(|expr| reassign_expr_columns(expr, &own))?;
        let plain = remapped.iter().enumerate().all(|(i, e)| {
            let column = e
                .expr
                .downcast_ref::<datafusion::physical_expr::expressions::Column>();
            column.is_some_and(|c| c.index() == i && c.name() == e.alias)
        });
        let plain = plain && remapped.iter().count() == columns.len();
        Ok(Self {
            fields,
            projector: if plain {
                None
            } else {
                Some(remapped.make_projector(&own)?)
            },
        })
    }

    fn read(
        self: &Arc<Self>,
        work: &Arc<Work>,
        share: &Share,
        outcome: &SectionOutcome,
        around: &ReadContext,
    ) -> SendableRecordBatchStream {
        let mut scans = Vec::new();
        for (i, (file, keep)) in survivors(work, share, outcome).enumerate() {
            let Some((selection, rows)) = rows_of_share(keep, share, i) else {
                continue;
            };
            let partition = &work.sections[share.section].partition;
            let mut scan = FileScan::new(&work.table, partition, file, &self.fields);
            // the survivors account for it already
            scan.file.deletion = None;
            scan.batch_size = around.task.session_config().batch_size();
            scan.step_bytes = around
                .memory
                .bytes
                .step_bytes(FILES_AT_ONCE, scan.step_bytes);
            scan.row_range = rows;
            scan.selection = selection;
            scans.push(scan);
        }
        around.metrics.files.add(scans.len());
        let road = self.clone();
        let out = around.schema.clone();
        let stream = futures::stream::iter(scans)
            .map(|scan| scan.open())
            .buffered(1)
            .try_flatten()
            .map_err(to_datafusion)
            .map(move |batch| road.project(batch?, &out));
        Box::pin(RecordBatchStreamAdapter::new(around.schema.clone(), stream))
    }

    fn project(&self, batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let batch = match &self.projector {
            Some(projector) => projector.project_batch(&batch)?,
            None => batch,
        };
        if batch.schema() == *schema {
            return Ok(batch);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
            .map_err(DataFusionError::from)
    }
}

/// Files of a share's section with their surviving rows.
fn survivors<'a>(
    work: &'a Work,
    share: &Share,
    outcome: &'a SectionOutcome,
) -> impl Iterator<Item = (&'a SplitFile, &'a Arc<FileSelection>)> {
    let section = &work.sections[share.section].section;
    let files = section.runs.iter().flat_map(|r| &r.files);
    files.zip(outcome.files.iter().flatten().map(|o| &o.keep))
}

/// What a scan of a file's part in a share is given: bits, and a range of rows where the file is cut.
type RowsWanted = (Option<Arc<FileSelection>>, Option<std::ops::Range<u64>>);

/// The rows of a file that belong to a share; `None` when there are none.
fn rows_of_share(keep: &Arc<FileSelection>, share: &Share, file: usize) -> Option<RowsWanted> {
    let rows = keep.rows();
    if keep.selected() == 0 {
        return None;
    }
    let bits = (keep.selected() < rows).then(|| keep.clone());
    if share.of == 1 {
        return Some((bits, None));
    }
    if rows < SHARED_ROWS_MIN {
        return (file % share.of == share.index).then_some((bits, None));
    }
    let start = rows * share.index / share.of;
    let end = rows * (share.index + 1) / share.of;
    Some((bits, Some(start as u64..end as u64)))
}

/// The rows of a selection that belong to a share; `None` when there are none.
fn part_of(selection: &FileSelection, share: &Share, file: usize) -> Option<FileSelection> {
    if selection.selected() == 0 {
        return None;
    }
    if share.of == 1 {
        return Some(selection.clone());
    }
    let rows = selection.rows();
    if rows < SHARED_ROWS_MIN {
        return (file % share.of == share.index).then(|| selection.clone());
    }
    let start = rows * share.index / share.of;
    let end = rows * (share.index + 1) / share.of;
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(start, false);
    bits.append_buffer(&selection.bits().slice(start, end - start));
    bits.append_n(rows - end, false);
    let part = FileSelection::new(bits.finish());
    (part.selected() > 0).then_some(part)
}

/// The surviving rows of a share through DataFusion's source.
fn native(
    work: &Work,
    share: &Share,
    outcome: &SectionOutcome,
    config: FileScanConfig,
    around: &ReadContext,
) -> Result<SendableRecordBatchStream> {
    let mut group = Vec::new();
    let mut paths = FolderPaths::new(work.table.io());
    let values = partition_values(&work.table, &work.sections[share.section].partition)?;
    for (i, (file, keep)) in survivors(work, share, outcome).enumerate() {
        let Some(part) = part_of(keep, share, i) else {
            continue;
        };
        let own = partitioned_file(&mut paths, file, &values)?;
        group.push(if part.selected() == part.rows() {
            own
        } else {
            with_selection(own, &part)
        });
    }
    around.metrics.files.add(group.len());
    let config = FileScanConfigBuilder::from(config)
        .with_file_groups(vec![FileGroup::new(group)])
        .build();
    DataSourceExec::new(Arc::new(config)).execute(0, around.task.clone())
}

/// Batches without columns, for counting: the surviving rows of the section come with its first share.
fn counted(
    outcome: &SectionOutcome,
    share: &Share,
    around: &ReadContext,
) -> SendableRecordBatchStream {
    let rows = if share.index == 0 {
        outcome.kept_rows()
    } else {
        0
    };
    let step = around.task.session_config().batch_size().max(1);
    let out = around.schema.clone();
    let batches = (0..rows.div_ceil(step)).map(move |i| {
        let count = step.min(rows - i * step);
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(out.clone(), Vec::new(), &options)
            .map_err(DataFusionError::from)
    });
    let stream = futures::stream::iter(batches);
    Box::pin(RecordBatchStreamAdapter::new(around.schema.clone(), stream))
}
