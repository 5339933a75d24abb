//! Folding the rows that share a key: partial-update and aggregation.
//!
//! Every file is read once. Rows alone under their key pass through; the others wait in a queue per run until all
//! members of a chunk of groups are there, are brought into group order and folded column by column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{BooleanArray, Int8Array, RecordBatch};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::interleave::interleave_batches;
use super::section::{FileOutcome, SectionOutcome};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::mergetree::function::{MergeFunction, MergeInput};
use crate::read::file::scan::FileScan;
use crate::read::memory::ReadMemory;
use crate::read::split::{Partition, Section, SplitFile};
use crate::selection::FileSelection;
use crate::spec::{DataField, is_retract, value_kind_field};
use crate::table::Table;

/// Groups folded at a time.
const GROUPS_PER_CHUNK: usize = 4096;

/// What to fold and how.
pub(in crate::read) struct FoldRequest {
    pub table: Table,
    pub partition: Arc<Partition>,
    pub section: Section,
    pub outcome: Arc<SectionOutcome>,
    pub function: Arc<dyn MergeFunction>,
    /// Columns to read; batches have them and then `_VALUE_KIND`.
    pub fields: Vec<DataField>,
    pub keep_deletes: bool,
    pub batch_size: usize,
    pub memory: ReadMemory,
}

/// Batches of `fields` and `_VALUE_KIND`; the order of rows is not that of the keys.
pub(in crate::read) fn fold_section(request: FoldRequest) -> BatchStream {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let mut folder = Folder::new(request, sender.clone());
        if let Err(error) = folder.run().await {
            // the reader may be gone
            let _ = sender.send(Err(error)).await;
        }
    });
    futures::stream::unfold(
        receiver,
        |mut r| async move { r.recv().await.map(|b| (b, r)) },
    )
    .boxed()
}

/// Batches of a file, which of its rows are to be folded, and how many rows came already.
type OpenFile = (BatchStream, BooleanArray, usize);

/// One run's files, one after the other.
struct RunQueue {
    files: std::vec::IntoIter<(SplitFile, FileOutcome)>,
    stream: Option<OpenFile>,
    /// Rows to fold that no group has taken.
    waiting: Vec<RecordBatch>,
    /// First row of `waiting[0]` that no group has taken.
    offset: usize,
    available: usize,
}

struct Folder {
    request: FoldRequest,
    sender: mpsc::Sender<Result<RecordBatch>>,
    runs: Vec<RunQueue>,
    gone: bool,
}

impl Folder {
    fn new(request: FoldRequest, sender: mpsc::Sender<Result<RecordBatch>>) -> Self {
        let runs = request
            .section
            .runs
            .iter()
            .zip(&request.outcome.files)
            .map(|(run, outcomes)| {
                let files: Vec<_> = run
                    .files
                    .iter()
                    .cloned()
                    .zip(outcomes.iter().cloned())
                    .collect();
                RunQueue {
                    files: files.into_iter(),
                    stream: None,
                    waiting: Vec::new(),
                    offset: 0,
                    available: 0,
                }
            })
            .collect();
        Self {
            request,
            sender,
            runs,
            gone: false,
        }
    }

    async fn run(&mut self) -> Result<()> {
        let outcome = self.request.outcome.clone();
        let mut members = outcome.group_runs.as_slice();
        for sizes in outcome.group_sizes.chunks(GROUPS_PER_CHUNK) {
            let count: usize = sizes.iter().map(|s| *s as usize).sum();
            let (now, later) = members.split_at(count.min(members.len()));
            members = later;
            self.fold_chunk(sizes, now).await?;
            if self.gone {
                return Ok(());
            }
        }
        for r in 0..self.runs.len() {
            while !self.gone && self.pull(r).await? {}
        }
        Ok(())
    }

    async fn emit(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.gone |= self.sender.send(Ok(batch)).await.is_err();
        }
    }

    /// Reads one more batch of a run; false at its end.
    async fn pull(&mut self, r: usize) -> Result<bool> {
        loop {
            if self.runs[r].stream.is_none() {
                let Some((file, outcome)) = self.runs[r].files.next() else {
                    return Ok(false);
                };
                self.runs[r].stream = open(&self.request, file, outcome).await?;
                continue;
            }
            let next = match &mut self.runs[r].stream {
                Some((stream, _, _)) => stream.next().await,
                None => None,
            };
            let Some(batch) = next else {
                self.runs[r].stream = None;
                continue;
            };
            self.route(r, batch?).await?;
            return Ok(true);
        }
    }

    /// Sends rows alone under their key on and queues the others.
    async fn route(&mut self, r: usize, batch: RecordBatch) -> Result<()> {
        let Some((_, folded, seen)) = &mut self.runs[r].stream else {
            return Ok(());
        };
        let n = batch.num_rows();
        if *seen + n > folded.len() {
            return Err(Error::internal(
                "a file returned more rows than were selected",
            ));
        }
        let mask = folded.slice(*seen, n);
        *seen += n;
        let to_fold = mask.true_count();
        if to_fold == 0 {
            self.emit(batch).await;
            return Ok(());
        }
        let queue = &mut self.runs[r];
        queue.available += to_fold;
        if to_fold == n {
            queue.waiting.push(batch);
            return Ok(());
        }
        queue
            .waiting
            .push(arrow_select::filter::filter_record_batch(&batch, &mask)?);
        let alone = not(&mask);
        let alone = arrow_select::filter::filter_record_batch(&batch, &alone)?;
        self.emit(alone).await;
        Ok(())
    }

    async fn fold_chunk(&mut self, sizes: &[u32], members: &[u16]) -> Result<()> {
        let mut needed = vec![0usize; self.runs.len()];
        for run in members {
            needed[usize::from(*run)] += 1;
        }
        for (r, needed) in needed.iter().enumerate() {
            while self.runs[r].available < *needed {
                if !self.pull(r).await? {
                    return Err(Error::internal(
                        "a file returned fewer rows to fold than its keys promised",
                    ));
                }
            }
        }
        let rows = self.gather(members)?;
        self.release(&needed);
        let (columns, kinds) = split_kind(&rows)?;
        let mut offsets = Vec::with_capacity(sizes.len() + 1);
        offsets.push(0);
        for size in sizes {
            offsets.push(offsets.last().copied().unwrap_or(0) + *size as usize);
        }
        let output = self.request.function.merge(&MergeInput {
            rows: &columns,
            kinds: kinds.values(),
            offsets: &offsets,
        })?;
        let keep = (0..sizes.len()).map(|g| {
            output.keep.as_ref().is_none_or(|k| k.value(g))
                && (self.request.keep_deletes || !is_retract(output.kinds[g]))
        });
        let keep: BooleanArray = keep.map(Some).collect();
        let mut arrays = output.rows.columns().to_vec();
        arrays.push(Arc::new(Int8Array::from(output.kinds)));
        let batch = RecordBatch::try_new(rows.schema(), arrays)?;
        let batch = arrow_select::filter::filter_record_batch(&batch, &keep)?;
        self.emit(batch).await;
        Ok(())
    }

    /// Brings the queued rows of the members into group order.
    fn gather(&self, members: &[u16]) -> Result<RecordBatch> {
        let mut starts = Vec::with_capacity(self.runs.len());
        let mut batches: Vec<&RecordBatch> = Vec::new();
        for run in &self.runs {
            starts.push((batches.len(), run.offset));
            batches.extend(&run.waiting);
        }
        let mut cursors = starts;
        let mut indices = Vec::with_capacity(members.len());
        for run in members {
            let (at, row) = &mut cursors[usize::from(*run)];
            while *row >= batches.get(*at).map_or(usize::MAX, |b| b.num_rows()) {
                *at += 1;
                *row = 0;
            }
            indices.push((*at, *row));
            *row += 1;
        }
        interleave_batches(&batches, &indices)
    }

    fn release(&mut self, taken: &[usize]) {
        for (run, taken) in self.runs.iter_mut().zip(taken) {
            run.available -= taken;
            run.offset += taken;
            while let Some(first) = run.waiting.first()
                && run.offset >= first.num_rows()
            {
                run.offset -= first.num_rows();
                run.waiting.remove(0);
            }
        }
    }
}

/// Opens a file for the rows it contributes; beside the stream, which of them are to be folded.
async fn open(r: &FoldRequest, file: SplitFile, outcome: FileOutcome) -> Result<Option<OpenFile>> {
    let keep = &outcome.keep;
    let (wanted, folded) = match &outcome.fold {
        None => (
            keep.clone(),
            BooleanArray::from(vec![false; keep.selected()]),
        ),
        Some(fold) => {
            let wanted = FileSelection::new(keep.bits() | fold.bits());
            let bits = BooleanArray::new(fold.bits().clone(), None);
            let mask = BooleanArray::new(wanted.bits().clone(), None);
            let folded = arrow_select::filter::filter(&bits, &mask)?;
            (Arc::new(wanted), folded.as_boolean().clone())
        }
    };
    if wanted.selected() == 0 {
        return Ok(None);
    }
    let mut fields = r.fields.clone();
    fields.push(value_kind_field());
    // rows that a deletion vector removes took no part in the merge already
    let mut bare = file;
    bare.deletion = None;
    let mut scan = FileScan::new(&r.table, &r.partition, &bare, &fields);
    scan.selection = Some(wanted);
    scan.batch_size = r.batch_size;
    scan.step_bytes = r.memory.step_bytes(r.section.runs.len(), scan.step_bytes);
    Ok(Some((scan.open().await?, folded, 0)))
}

/// Splits off the row kinds, the last column.
pub(in crate::read) fn split_kind(batch: &RecordBatch) -> Result<(RecordBatch, Int8Array)> {
    let last = batch.num_columns().saturating_sub(1);
    let kinds = batch
        .column(last)
        .as_primitive_opt::<Int8Type>()
        .ok_or_else(|| Error::internal("row kinds must be the last column"))?
        .clone();
    let columns: Vec<usize> = (0..last).collect();
    Ok((batch.project(&columns)?, kinds))
}

fn not(mask: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!mask.values(), None)
}
