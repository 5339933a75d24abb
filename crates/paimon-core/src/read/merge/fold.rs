//! Folding the rows that share a key: partial-update and aggregation.
//!
//! Every file is read once. Rows alone under their key pass through; the others wait in a queue per run, as the batches
//! they came in, until all members of a chunk of groups are there and are folded column by column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, BooleanArray, Int8Array, RecordBatch};
use arrow_schema::SchemaRef;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::section::{FileOutcome, SectionOutcome};
use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::mergetree::function::{MergeFunction, MergeInput, MergeOutput, MergeRows, Place};
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
    /// Batches with rows to fold that no group has taken.
    waiting: Vec<Waiting>,
    /// How many rows of `waiting[0]` groups have taken.
    offset: usize,
    available: usize,
}

/// Rows of a batch that are to be folded.
struct Waiting {
    columns: Vec<ArrayRef>,
    kinds: Int8Array,
    rows: Vec<usize>,
}

struct Folder {
    request: FoldRequest,
    /// Columns that are merged.
    merged_schema: SchemaRef,
    /// The same with `_VALUE_KIND`.
    schema: SchemaRef,
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
        let merged_schema = arrow_schema(&request.fields);
        let schema = arrow_schema(&with_kind(&request.fields));
        Self {
            request,
            merged_schema,
            schema,
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
        let (columns, kinds) = split_kind(&batch)?;
        let queue = &mut self.runs[r];
        queue.available += to_fold;
        queue.waiting.push(Waiting {
            columns: columns.columns().to_vec(),
            kinds,
            rows: mask.values().set_indices().collect(),
        });
        if to_fold == n {
            return Ok(());
        }
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
        let output = self.merged(sizes, members)?;
        self.release(&needed);
        let keep = (0..sizes.len()).map(|g| {
            output.keep.as_ref().is_none_or(|k| k.value(g))
                && (self.request.keep_deletes || !is_retract(output.kinds[g]))
        });
        let keep: BooleanArray = keep.map(Some).collect();
        let mut arrays = output.rows.columns().to_vec();
        arrays.push(Arc::new(Int8Array::from(output.kinds)));
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        let batch = arrow_select::filter::filter_record_batch(&batch, &keep)?;
        self.emit(batch).await;
        Ok(())
    }

    /// Merges the next groups, of so many members each.
    fn merged(&self, sizes: &[u32], members: &[u16]) -> Result<MergeOutput> {
        let waiting: Vec<&Waiting> = self.runs.iter().flat_map(|run| &run.waiting).collect();
        let places = self.places(&waiting, members)?;
        let mut offsets = Vec::with_capacity(sizes.len() + 1);
        offsets.push(0);
        for size in sizes {
            offsets.push(offsets.last().copied().unwrap_or(0) + *size as usize);
        }
        let sources: Vec<&[ArrayRef]> = waiting.iter().map(|w| w.columns.as_slice()).collect();
        let kind = |(source, row): &Place| waiting[*source].kinds.value(*row);
        self.request.function.merge(&MergeInput {
            rows: &MergeRows::scattered(self.merged_schema.clone(), &sources, &places)?,
            kinds: &places.iter().map(kind).collect::<Vec<_>>(),
            offsets: &offsets,
        })
    }

    /// Where the members lie: a batch that waits, counted over all runs, and a row of it.
    fn places(&self, waiting: &[&Waiting], members: &[u16]) -> Result<Vec<Place>> {
        let mut cursors = Vec::with_capacity(self.runs.len());
        let mut first = 0;
        for run in &self.runs {
            cursors.push((first, run.offset));
            first += run.waiting.len();
        }
        let mut places = Vec::with_capacity(members.len());
        for run in members {
            let (source, taken) = &mut cursors[usize::from(*run)];
            while *taken >= waiting.get(*source).map_or(usize::MAX, |w| w.rows.len()) {
                *source += 1;
                *taken = 0;
            }
            let Some(batch) = waiting.get(*source) else {
                return Err(Error::internal("a row to fold was not read"));
            };
            places.push((*source, batch.rows[*taken]));
            *taken += 1;
        }
        Ok(places)
    }

    fn release(&mut self, taken: &[usize]) {
        for (run, taken) in self.runs.iter_mut().zip(taken) {
            run.available -= taken;
            run.offset += taken;
            while let Some(first) = run.waiting.first()
                && run.offset >= first.rows.len()
            {
                run.offset -= first.rows.len();
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
    let fields = with_kind(&r.fields);
    // rows that a deletion vector removes took no part in the merge already
    let mut bare = file;
    bare.deletion = None;
    let mut scan = FileScan::new(&r.table, &r.partition, &bare, &fields);
    scan.selection = Some(wanted);
    scan.batch_size = r.batch_size;
    scan.step_bytes = r.memory.step_bytes(r.section.runs.len(), scan.step_bytes);
    Ok(Some((scan.open().await?, folded, 0)))
}

fn with_kind(fields: &[DataField]) -> Vec<DataField> {
    let mut fields = fields.to_vec();
    fields.push(value_kind_field());
    fields
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
