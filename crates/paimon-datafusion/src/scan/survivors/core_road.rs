//! The core's reader: it takes the bits as they are and holds a bounded part of each file.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExprs, Projector};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::read::{FILES_AT_ONCE, FileScan, FileSelection, SectionOutcome};
use paimon_core::spec::DataField;

use super::super::layout::FileLayout;
use super::super::sections::{SHARED_ROWS_MIN, Share, Work};
use super::{ReadContext, survivors};
use crate::error::to_datafusion;

/// Columns to read, and what becomes of them.
pub(in super::super) struct CoreRoad {
    fields: Vec<DataField>,
    projector: Option<Projector>,
}

impl CoreRoad {
    pub(super) fn new(work: &Work, projection: Option<&ProjectionExprs>) -> Result<Self> {
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
            let column = e.expr.downcast_ref::<Column>();
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

    pub(super) fn read(
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
