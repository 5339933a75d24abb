//! DataFusion's Parquet source, which prunes, filters before it decodes all columns and follows dynamic filters.
//!
//! It keeps a selection of rows as a list of runs, and makes that list anew at each of its steps. Survivors in long runs are
//! given to it that way. Of a file with short runs it reads all rows instead, and tells where each one lies in the file:
//! the bits pick the survivors from what its filters left.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions::core::file_row_index;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use paimon_core::Error;
use paimon_core::io::FolderPaths;
use paimon_core::read::{FileSelection, SectionOutcome};
use parquet::arrow::arrow_reader::RowSelection;

use super::super::layout::partition_values;
use super::super::native::partitioned_file;
use super::super::sections::{SHARED_ROWS_MIN, Share, Work};
use super::{ReadContext, survivors};
use crate::error::to_datafusion;

/// Rows a run and the gap behind it have at least, on average, for a list of runs to be worth it.
const RUN_ROWS_MIN: usize = 32;

/// Rows that are skipped together or not at all in files with short runs.
const STRETCH_ROWS: usize = 4096;

/// Name of the column of positions inside a file. It leaves the scan with the rows that do not survive.
const POSITION_COLUMN: &str = "__paimon_position";

/// The surviving rows of a share.
pub(super) fn read(
    work: &Work,
    share: &Share,
    outcome: &SectionOutcome,
    config: &FileScanConfig,
    around: &ReadContext,
) -> Result<SendableRecordBatchStream> {
    let (mut selected, mut scattered) = (Vec::new(), Vec::new());
    let mut paths = FolderPaths::new(work.table.io());
    let values = partition_values(&work.table, &work.sections[share.section].partition)?;
    for (i, (file, keep)) in survivors(work, share, outcome).enumerate() {
        let Some((part, rows)) = part_of(keep, share, i) else {
            continue;
        };
        let file = partitioned_file(&mut paths, file, &values)?;
        match part {
            part if part.selected() == part.rows() => selected.push(file),
            part if is_scattered(part.bits(), rows) => {
                scattered.push((with_rows(file, stretches(part.bits())), part));
            }
            part => {
                let rows = RowSelection::from_boolean_buffer(part.bits().clone());
                selected.push(with_rows(file, rows));
            }
        }
    }
    around.metrics.files.add(selected.len() + scattered.len());
    if scattered.is_empty() {
        return scan(config.clone(), selected, &around.task);
    }
    let positioned = with_positions(config)?;
    let mut streams = Vec::with_capacity(scattered.len() + 1);
    if !selected.is_empty() {
        streams.push(scan(config.clone(), selected, &around.task)?);
    }
    for (file, keep) in scattered {
        let rows = scan(positioned.clone(), vec![file], &around.task)?;
        streams.push(pick(rows, keep, &around.schema));
    }
    let stream = futures::stream::iter(streams).flatten();
    let schema = around.schema.clone();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

/// The rows of a selection that belong to a share, among how many rows they lie; `None` when there are none.
fn part_of(
    selection: &FileSelection,
    share: &Share,
    file: usize,
) -> Option<(FileSelection, usize)> {
    if selection.selected() == 0 {
        return None;
    }
    let rows = selection.rows();
    if share.of == 1 {
        return Some((selection.clone(), rows));
    }
    if rows < SHARED_ROWS_MIN {
        return (file % share.of == share.index).then(|| (selection.clone(), rows));
    }
    let start = rows * share.index / share.of;
    let end = rows * (share.index + 1) / share.of;
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(start, false);
    bits.append_buffer(&selection.bits().slice(start, end - start));
    bits.append_n(rows - end, false);
    let part = FileSelection::new(bits.finish());
    (part.selected() > 0).then_some((part, end - start))
}

/// A scan of some files.
fn scan(
    config: FileScanConfig,
    files: Vec<PartitionedFile>,
    task: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let config = FileScanConfigBuilder::from(config)
        .with_file_groups(vec![FileGroup::new(files)])
        .build();
    DataSourceExec::new(Arc::new(config)).execute(0, task.clone())
}

/// Attaches the rows wanted.
fn with_rows(file: PartitionedFile, rows: RowSelection) -> PartitionedFile {
    file.with_extension(ParquetRowSelection::new(rows))
}

/// The same scan with the position of each row as one more column.
fn with_positions(config: &FileScanConfig) -> Result<FileScanConfig> {
    let source = config.file_source();
    let schema = config.projected_schema()?;
    let indices: Vec<usize> = (0..schema.fields().len()).collect();
    let mut columns: Vec<ProjectionExpr> = ProjectionExprs::from_indices(&indices, &schema)
        .iter()
        .cloned()
        .collect();
    let options = Arc::default();
    let position = ScalarFunctionExpr::try_new(file_row_index(), Vec::new(), &schema, options)?;
    columns.push(ProjectionExpr::new(Arc::new(position), POSITION_COLUMN));
    let source = source
        .try_pushdown_projection(&ProjectionExprs::new(columns))?
        .ok_or_else(|| DataFusionError::Internal("a source without positions of rows".into()))?;
    Ok(FileScanConfigBuilder::from(config.clone())
        .with_source(source)
        .build())
}

/// Of rows with their positions behind the other columns, those that are kept.
fn pick(
    rows: SendableRecordBatchStream,
    keep: FileSelection,
    schema: &SchemaRef,
) -> SendableRecordBatchStream {
    let out = schema.clone();
    let mut next = 0;
    let picked = rows
        .map(move |batch| picked(&batch?, keep.bits(), &mut next, &out))
        .try_filter(|batch| std::future::ready(batch.num_rows() > 0));
    Box::pin(RecordBatchStreamAdapter::new(schema.clone(), picked))
}

/// `next` is the first position that may come, and moves behind those of the batch.
fn picked(
    batch: &RecordBatch,
    keep: &BooleanBuffer,
    next: &mut usize,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let Some((positions, columns)) = batch.columns().split_last() else {
        return Err(DataFusionError::Internal("a scan without positions".into()));
    };
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns.to_vec(), &options)?;
    let wanted = wanted(positions, keep, next)?;
    if wanted.true_count() == rows.num_rows() {
        return Ok(rows);
    }
    Ok(filter_record_batch(&rows, &wanted)?)
}

/// Whether each position is kept. They ascend from `next` on: the source counts rows by the numbers that row groups give
/// themselves, and a damaged footer may repeat those.
fn wanted(positions: &ArrayRef, keep: &BooleanBuffer, next: &mut usize) -> Result<BooleanArray> {
    let positions = positions
        .as_primitive_opt::<Int64Type>()
        .filter(|p| p.null_count() == 0)
        .ok_or_else(|| DataFusionError::Internal("positions of rows are numbers".into()))?
        .values();
    let place = |at: &i64| usize::try_from(*at).ok();
    let Some((first, last)) = positions.first().zip(positions.last()) else {
        return Ok(BooleanArray::from(Vec::<bool>::new()));
    };
    let ends = place(first).zip(place(last)).filter(|(first, last)| {
        let ascends = positions.windows(2).all(|w| w[0] < w[1]);
        ascends && *next <= *first && *last < keep.len()
    });
    let Some((first, last)) = ends else {
        return Err(to_datafusion(Error::damaged(format!(
            "rows of a data file are expected in its order, from row {next} to its {} rows, found {first} to {last}",
            keep.len()
        ))));
    };
    *next = last + 1;
    if last + 1 - first == positions.len() {
        return Ok(BooleanArray::new(keep.slice(first, positions.len()), None));
    }
    let bits = BooleanBuffer::collect_bool(positions.len(), |i| {
        place(&positions[i]).is_some_and(|at| keep.value(at))
    });
    Ok(BooleanArray::new(bits, None))
}

/// Whether those that are kept of some rows lie in short runs.
fn is_scattered(keep: &BooleanBuffer, rows: usize) -> bool {
    let chunks = keep.bit_chunks();
    let mut before = 0;
    let mut runs = 0;
    for word in chunks.iter_padded() {
        // a run starts where a bit is set and the one before it is not
        runs += (word & !(word << 1 | before)).count_ones() as usize;
        before = word >> 63;
    }
    runs * RUN_ROWS_MIN > rows
}

/// The stretches of a file with a row that is kept.
fn stretches(keep: &BooleanBuffer) -> RowSelection {
    let rows = keep.len();
    let starts = (0..rows).step_by(STRETCH_ROWS);
    let stretches = starts.map(|start| start..(start + STRETCH_ROWS).min(rows));
    let kept = stretches.filter(|s| keep.slice(s.start, s.len()).count_set_bits() > 0);
    RowSelection::from_consecutive_ranges(kept, rows)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use parquet::arrow::arrow_reader::RowSelector;

    use super::*;

    fn bits(len: usize, kept: impl Fn(usize) -> bool) -> BooleanBuffer {
        BooleanBuffer::collect_bool(len, kept)
    }

    fn answer(positions: Vec<i64>, keep: &BooleanBuffer, mut next: usize) -> Option<Vec<bool>> {
        let positions: ArrayRef = Arc::new(Int64Array::from(positions));
        let wanted = wanted(&positions, keep, &mut next).ok()?;
        Some(wanted.values().iter().collect())
    }

    #[test]
    fn survivors_are_scattered_when_their_runs_are_short() {
        let every = |n: usize| bits(6400, move |i| i.is_multiple_of(n));
        let scattered = |keep: &BooleanBuffer| is_scattered(keep, keep.len());
        assert!(scattered(&every(2)));
        assert!(scattered(&every(31)));
        assert!(!scattered(&every(32)));
        assert!(!scattered(&every(6400)));
        // runs over the borders of words count once
        assert!(!scattered(&bits(6400, |i| (i / 16).is_multiple_of(2))));
        assert!(scattered(&bits(6400, |i| (i / 15).is_multiple_of(2))));
        // a share of a file is judged by its own rows
        assert!(is_scattered(&every(31), 6400) && !is_scattered(&every(40), 6400));
        assert!(is_scattered(&every(40), 3200));
        let sliced = every(31).slice(3, 6000);
        assert!(scattered(&sliced));
        assert!(!scattered(&bits(0, |_| true)));
        assert!(!scattered(&bits(100, |_| false)));
    }

    #[test]
    fn stretches_without_survivors_are_skipped() {
        let keep = bits(3 * STRETCH_ROWS + 7, |i| i == 5 || i >= 3 * STRETCH_ROWS);
        let selectors: Vec<RowSelector> = stretches(&keep).into();
        let expected = [
            RowSelector::select(STRETCH_ROWS),
            RowSelector::skip(2 * STRETCH_ROWS),
            RowSelector::select(7),
        ];
        assert_eq!(selectors, expected);
    }

    #[test]
    fn bits_are_looked_up_wherever_a_row_lies() {
        let keep = bits(70, |i| i.is_multiple_of(3));
        let expected = |rows: &[i64]| rows.iter().map(|i| i % 3 == 0).collect::<Vec<_>>();
        for rows in [vec![], vec![0], vec![2, 3, 4, 5, 6], vec![1, 3, 69]] {
            let wanted = expected(&rows);
            assert_eq!(answer(rows.clone(), &keep, 0), Some(wanted), "{rows:?}");
        }
        assert_eq!(answer(vec![5, 6], &keep, 5), Some(vec![false, true]));
        assert_eq!(answer(vec![5, 6], &keep, 6), None);
        assert_eq!(answer(vec![2, 4, 3, 5], &keep, 0), None);
        assert_eq!(answer(vec![4, 4], &keep, 0), None);
        assert_eq!(answer(vec![-1], &keep, 0), None);
        assert_eq!(answer(vec![3, 70], &keep, 0), None);
        assert_eq!(answer(vec![3, 99, 100], &keep, 0), None);
    }
}
