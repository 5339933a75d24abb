//! Reading the rows that survive, on one of three roads.
//!
//! Nothing but a count needs no file. With a filter in the scan DataFusion's Parquet source reads: it prunes, filters late
//! and follows dynamic filters. Without one the core's reader is faster on scattered survivors and holds a bounded part of
//! each file.

mod core_road;
mod native_road;

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use paimon_core::read::{FileSelection, SectionOutcome, SplitFile};

use self::core_road::CoreRoad;
use super::memory::ScanMemory;
use super::sections::{ScanMetrics, Share, Work};

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
            Road::Native(config) => native_road::read(work, share, outcome, config, around),
            Road::Core(road) => Ok(road.read(work, share, outcome, around)),
        }
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
