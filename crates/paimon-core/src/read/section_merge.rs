//! The key merge of a section: which rows of its files survive, and which are to be folded.
//!
//! Only key columns are read, the sequence columns where the runs' sequence ranges overlap or `sequence.field` is set,
//! `_VALUE_KIND` where files hold deletes. Runs are decoded by tasks of their own and merged window by window, so
//! memory follows the number of runs, not their length. Source: `MergeTreeReaders`, `LookupMergeFunction`,
//! `SortMergeReaderWithLoserTree`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::SortOptions;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::file_scan::FileScan;
use super::selection::FileSelection;
use super::split::{Partition, Section, SortedRun, SplitFile};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::{KeyBlock, KeyEncoder, find_collisions, mark_superseded};
use crate::options::MergeEngineKind;
use crate::spec::{DataField, FileSource, is_retract, sequence_number_field, value_kind_field};
use crate::table::Table;

/// Rows per block of decoded keys.
const KEY_BATCH_SIZE: usize = 32 * 1024;

/// What becomes of rows that share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The last one stays.
    Latest,
    /// The first one stays.
    First,
    /// They are folded by a merge function.
    Fold,
}

/// The rules of a section's merge.
#[derive(Debug, Clone)]
pub struct MergeRules {
    /// What becomes of rows that share a key.
    pub resolution: Resolution,
    /// Whether -U and -D rows stay in the result.
    pub keep_deletes: bool,
    key_fields: Vec<DataField>,
    sequence_fields: Vec<DataField>,
    sequence_descending: bool,
    snapshot_ordering: bool,
    lookup: bool,
    ignore_delete: bool,
}

impl MergeRules {
    /// The rules of a primary-key table.
    pub fn of(table: &Table) -> Self {
        let options = table.options();
        let schema = table.schema();
        let resolution = match options.merge_engine {
            MergeEngineKind::Deduplicate => Resolution::Latest,
            MergeEngineKind::FirstRow => Resolution::First,
            MergeEngineKind::PartialUpdate | MergeEngineKind::Aggregation => Resolution::Fold,
        };
        Self {
            resolution,
            keep_deletes: false,
            key_fields: schema.key_fields(),
            sequence_fields: schema.select(&options.sequence_fields),
            sequence_descending: options.sequence_descending,
            snapshot_ordering: options.snapshot_ordering,
            lookup: options.need_lookup() && resolution != Resolution::First,
            ignore_delete: options.ignore_delete,
        }
    }
}

/// What the merge decided about one file.
#[derive(Debug, Clone)]
pub struct FileOutcome {
    /// Rows that go to the result as they are.
    pub keep: Arc<FileSelection>,
    /// Rows that are folded with others; empty unless the resolution is [`Resolution::Fold`].
    pub fold: Option<Arc<FileSelection>>,
}

/// What the merge decided about a section.
#[derive(Debug, Clone, Default)]
pub struct SectionOutcome {
    /// Per run and file, in the section's order.
    pub files: Vec<Vec<FileOutcome>>,
    /// Groups to fold, in key order: number of members.
    pub group_sizes: Vec<u32>,
    /// Runs of the members, group by group, oldest first. The rows are those of `fold`, in file order.
    pub group_runs: Vec<u16>,
}

impl SectionOutcome {
    /// Rows that go to the result as they are.
    pub fn kept_rows(&self) -> usize {
        self.files.iter().flatten().map(|f| f.keep.selected()).sum()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        let bits: usize = self
            .files
            .iter()
            .flatten()
            .map(|f| f.keep.rows() / 8 * if f.fold.is_some() { 2 } else { 1 })
            .sum();
        bits + self.group_sizes.len() * 4 + self.group_runs.len() * 2
    }
}

/// Merges the keys of a section.
///
/// # Errors
/// `Damaged` naming the file; also when a run is not sorted by key.
#[tracing::instrument(name = "key_merge", skip_all, fields(runs = section.runs.len()))]
pub async fn merge_section(
    table: &Table,
    partition: &Arc<Partition>,
    section: &Section,
    rules: &MergeRules,
) -> Result<SectionOutcome> {
    let ordered = needs_order(section, rules);
    let mut runs = Vec::with_capacity(section.runs.len());
    for run in &section.runs {
        let source = RunSource {
            table: table.clone(),
            partition: partition.clone(),
            run: run.clone(),
            rules: rules.clone(),
            ordered,
        };
        runs.push(RunState::start(source, run));
    }
    let mut merger = Merger {
        rules,
        ordered,
        runs,
        outcome: SectionOutcome::default(),
    };
    merger.run().await?;
    merger.finish()
}

/// Whether the order of two runs' rows is not that of the runs.
fn needs_order(section: &Section, rules: &MergeRules) -> bool {
    if section.runs.len() < 2 {
        return false;
    }
    if !rules.sequence_fields.is_empty() {
        return true;
    }
    let range = |run: &SortedRun| {
        let min = run.files.iter().map(|f| f.meta.min_sequence_number).min();
        let max = run.files.iter().map(|f| f.meta.max_sequence_number).max();
        (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX))
    };
    section
        .runs
        .windows(2)
        .any(|w| range(&w[0]).1 >= range(&w[1]).0)
}

/// Decoded rows of one file that a window can be cut from.
struct Block {
    file: usize,
    rows: usize,
    keys: KeyBlock,
    /// Physical row within the block of every key, when some rows take no part.
    live: Option<Vec<u32>>,
    order: Option<Rows>,
    /// 1 for -U and -D, per key.
    retract: Option<Vec<u8>>,
    /// Outcome per key.
    dead: Vec<u8>,
    fold: Vec<u8>,
}

/// Decodes one run, file after file, in a task of its own.
struct RunSource {
    table: Table,
    partition: Arc<Partition>,
    run: SortedRun,
    rules: MergeRules,
    ordered: bool,
}

impl RunSource {
    async fn send_all(self, sender: mpsc::Sender<Result<Block>>) {
        for (i, file) in self.run.files.iter().enumerate() {
            if let Err(error) = self.send_file(i, file, &sender).await {
                // nobody listens any more when this fails
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }

    async fn send_file(
        &self,
        index: usize,
        file: &SplitFile,
        sender: &mpsc::Sender<Result<Block>>,
    ) -> Result<()> {
        let rules = &self.rules;
        let reads_kind = file.meta.delete_row_count != Some(0);
        let mut fields = rules.key_fields.clone();
        if self.ordered {
            fields.extend(rules.sequence_fields.iter().cloned());
            fields.push(sequence_number_field());
        }
        if reads_kind {
            fields.push(value_kind_field());
        }
        let rows_total = usize::try_from(file.meta.row_count)
            .map_err(|_| Error::damaged("row count in the manifest is negative"))?;
        let live = super::file_scan::live_rows(&self.table, file).await?;
        let mut bare = file.clone();
        bare.deletion = None;
        let mut scan = FileScan::new(&self.table, &self.partition, &bare, &fields);
        scan.batch_size = KEY_BATCH_SIZE;
        let decoder = BlockDecoder::new(rules, self.ordered, reads_kind, file)?;
        let mut stream = scan.open().await?;
        let mut first = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let live = match &live {
                Some(l) if first + batch.num_rows() <= l.rows() => {
                    Some(l.bits().slice(first, batch.num_rows()))
                }
                _ => None,
            };
            let block = decoder
                .decode(index, &batch, live)
                .map_err(|e| e.with_default("path", &file.path))?;
            first += batch.num_rows();
            if sender.send(Ok(block)).await.is_err() {
                return Ok(());
            }
        }
        if first != rows_total {
            return Err(Error::damaged(format!(
                "data file has {first} rows, its manifest entry says {rows_total}"
            ))
            .with("path", &file.path));
        }
        Ok(())
    }
}

/// Turns batches of one file into blocks.
struct BlockDecoder {
    keys: usize,
    encoder: KeyEncoder,
    order: Option<RowConverter>,
    reads_kind: bool,
    ignore_delete: bool,
    /// Sequence number of every row of the file (`sequence.snapshot-ordering`).
    sequence: Option<i64>,
}

impl BlockDecoder {
    fn new(rules: &MergeRules, ordered: bool, reads_kind: bool, file: &SplitFile) -> Result<Self> {
        let types: Vec<_> = rules
            .key_fields
            .iter()
            .map(|f| arrow_type(&f.data_type))
            .collect();
        let nullable = rules.key_fields.iter().any(|f| f.data_type.nullable);
        let order = if ordered {
            let options = SortOptions {
                descending: rules.sequence_descending,
                nulls_first: true,
            };
            let mut fields: Vec<SortField> = rules
                .sequence_fields
                .iter()
                .map(|f| SortField::new_with_options(arrow_type(&f.data_type), options))
                .collect();
            fields.push(SortField::new(arrow_schema::DataType::Int64));
            // an add comes after a retract of the same sequence
            fields.push(SortField::new(arrow_schema::DataType::Boolean));
            Some(RowConverter::new(fields)?)
        } else {
            None
        };
        let stamped = rules.snapshot_ordering && file.meta.file_source != Some(FileSource::Compact);
        Ok(Self {
            keys: types.len(),
            encoder: KeyEncoder::new(&types, nullable)?,
            order,
            reads_kind,
            ignore_delete: rules.ignore_delete,
            sequence: stamped.then_some(file.meta.max_sequence_number),
        })
    }

    fn decode(
        &self,
        file: usize,
        batch: &RecordBatch,
        live: Option<BooleanBuffer>,
    ) -> Result<Block> {
        let rows = batch.num_rows();
        let kinds: Option<Vec<u8>> = if self.reads_kind {
            let column = batch.column(batch.num_columns() - 1);
            let kinds = column.as_primitive::<Int8Type>();
            Some(
                kinds
                    .values()
                    .iter()
                    .map(|k| u8::from(is_retract(*k)))
                    .collect(),
            )
        } else {
            None
        };
        let mut live = live;
        if self.ignore_delete
            && let Some(kinds) = &kinds
        {
            let adds = BooleanBuffer::collect_bool(rows, |i| kinds[i] == 0);
            live = Some(match live {
                Some(l) => &l & &adds,
                None => adds,
            });
        }
        let live = live.filter(|l| l.count_set_bits() < rows);
        let (batch, kinds, live) = match live {
            None => (batch.clone(), kinds, None),
            Some(bits) => {
                let picked: Vec<u32> = bits
                    .set_indices()
                    .map(|i| u32::try_from(i).unwrap_or(u32::MAX))
                    .collect();
                let kinds = kinds.map(|k| picked.iter().map(|i| k[*i as usize]).collect());
                let mask = BooleanArray::new(bits, None);
                let batch = arrow_select::filter::filter_record_batch(batch, &mask)?;
                (batch, kinds, Some(picked))
            }
        };
        let keys = self.encoder.encode(&batch.columns()[..self.keys])?;
        let order = match &self.order {
            Some(converter) => Some(self.order_of(converter, &batch, kinds.as_deref())?),
            None => None,
        };
        let n = keys.len();
        Ok(Block {
            file,
            rows,
            keys,
            live,
            order,
            retract: kinds,
            dead: vec![0; n],
            fold: Vec::new(),
        })
    }

    fn order_of(
        &self,
        converter: &RowConverter,
        batch: &RecordBatch,
        retract: Option<&[u8]>,
    ) -> Result<Rows> {
        let end = batch.num_columns() - usize::from(self.reads_kind);
        let mut columns: Vec<ArrayRef> = batch.columns()[self.keys..end].to_vec();
        if let (Some(sequence), Some(last)) = (self.sequence, columns.last_mut()) {
            *last = Arc::new(Int64Array::from(vec![sequence; batch.num_rows()]));
        }
        let add =
            BooleanBuffer::collect_bool(batch.num_rows(), |i| retract.is_none_or(|r| r[i] == 0));
        columns.push(Arc::new(BooleanArray::new(add, None)));
        Ok(converter.convert_columns(&columns)?)
    }
}

/// Progress through one run.
struct RunState {
    level: i32,
    blocks: mpsc::Receiver<Result<Block>>,
    current: Option<Block>,
    /// First key of the current block that no window has taken.
    offset: usize,
    files: Vec<FileBits>,
}

/// Outcome bits of one file, filled in row order.
struct FileBits {
    keep: BooleanBufferBuilder,
    fold: BooleanBufferBuilder,
}

impl RunState {
    fn start(source: RunSource, run: &SortedRun) -> Self {
        let (sender, blocks) = mpsc::channel(2);
        tokio::spawn(source.send_all(sender));
        Self {
            level: run.level,
            blocks,
            current: None,
            offset: 0,
            files: run
                .files
                .iter()
                .map(|_| FileBits {
                    keep: BooleanBufferBuilder::new(0),
                    fold: BooleanBufferBuilder::new(0),
                })
                .collect(),
        }
    }

    /// Makes sure that the current block has keys left; false at the end of the run.
    async fn fill(&mut self, rules: &MergeRules) -> Result<bool> {
        loop {
            if let Some(block) = &self.current {
                if self.offset < block.keys.len() {
                    return Ok(true);
                }
                self.close(rules);
            }
            match self.blocks.recv().await {
                None => return Ok(false),
                Some(block) => {
                    let block = block?;
                    check_sorted(&block)?;
                    self.current = Some(block);
                    self.offset = 0;
                }
            }
        }
    }

    /// Writes the outcome of the current block to its file's bits.
    fn close(&mut self, rules: &MergeRules) {
        let Some(block) = self.current.take() else {
            return;
        };
        let Some(bits) = self.files.get_mut(block.file) else {
            return;
        };
        let n = block.keys.len();
        let folded = |i: usize| block.fold.get(i).is_some_and(|f| *f == 1);
        let dropped =
            |i: usize| !rules.keep_deletes && block.retract.as_ref().is_some_and(|r| r[i] == 1);
        let keep =
            BooleanBuffer::collect_bool(n, |i| block.dead[i] == 0 && !folded(i) && !dropped(i));
        let fold = (rules.resolution == Resolution::Fold)
            .then(|| BooleanBuffer::collect_bool(n, |i| block.dead[i] == 0 && folded(i)));
        match &block.live {
            None => {
                bits.keep.append_buffer(&keep);
                if let Some(fold) = fold {
                    bits.fold.append_buffer(&fold);
                }
            }
            Some(live) => {
                append_spread(&mut bits.keep, &keep, live, block.rows);
                if let Some(fold) = fold {
                    append_spread(&mut bits.fold, &fold, live, block.rows);
                }
            }
        }
    }
}

/// Appends `rows` bits, those at `positions` taken from `bits`, the others unset.
fn append_spread(
    out: &mut BooleanBufferBuilder,
    bits: &BooleanBuffer,
    positions: &[u32],
    rows: usize,
) {
    let start = out.len();
    out.append_n(rows, false);
    for (i, position) in positions.iter().enumerate() {
        if bits.value(i) {
            out.set_bit(start + *position as usize, true);
        }
    }
}

/// Keys of a run must ascend strictly: anything else would make the merge return wrong rows.
fn check_sorted(block: &Block) -> Result<()> {
    let sorted = match &block.keys {
        KeyBlock::U64(k) => k.is_sorted_by(|a, b| a < b),
        KeyBlock::U128(k) => k.is_sorted_by(|a, b| a < b),
        KeyBlock::Rows(k) => (1..k.num_rows()).all(|i| k.row(i - 1) < k.row(i)),
    };
    if sorted {
        return Ok(());
    }
    Err(Error::damaged(
        "keys of a data file of a primary-key table must ascend, found an equal or smaller key after a larger one",
    ))
}

struct Merger<'a> {
    rules: &'a MergeRules,
    ordered: bool,
    runs: Vec<RunState>,
    outcome: SectionOutcome,
}

impl Merger<'_> {
    async fn run(&mut self) -> Result<()> {
        loop {
            let mut active = Vec::with_capacity(self.runs.len());
            for (r, run) in self.runs.iter_mut().enumerate() {
                if run.fill(self.rules).await? {
                    active.push(r);
                }
            }
            if active.is_empty() {
                return Ok(());
            }
            self.window(&active)?;
        }
    }

    /// Takes the next window: everything up to the smallest last key of the current blocks.
    fn window(&mut self, active: &[usize]) -> Result<()> {
        let blocks: Vec<&Block> = active
            .iter()
            .filter_map(|r| self.runs[*r].current.as_ref())
            .collect();
        let offsets: Vec<usize> = active.iter().map(|r| self.runs[*r].offset).collect();
        let (ends, verdict) = match blocks.first().map(|b| &b.keys) {
            Some(KeyBlock::U64(_)) => {
                let keys: Vec<&[u64]> = blocks.iter().map(|b| b.keys_u64()).collect();
                self.judge(active, &offsets, &keys)
            }
            Some(KeyBlock::U128(_)) => {
                let keys: Vec<&[u128]> = blocks.iter().map(|b| b.keys_u128()).collect();
                self.judge(active, &offsets, &keys)
            }
            _ => {
                let bytes: Vec<Vec<&[u8]>> = blocks.iter().map(|b| b.keys_bytes()).collect();
                let keys: Vec<&[&[u8]]> = bytes.iter().map(Vec::as_slice).collect();
                self.judge(active, &offsets, &keys)
            }
        };
        self.record(active, &ends, verdict);
        Ok(())
    }

    fn judge<K: Copy + Ord>(
        &self,
        active: &[usize],
        offsets: &[usize],
        keys: &[&[K]],
    ) -> (Vec<usize>, Verdict) {
        let rest: Vec<&[K]> = keys.iter().zip(offsets).map(|(k, o)| &k[*o..]).collect();
        let bound = rest.iter().filter_map(|k| k.last()).min();
        let slices: Vec<&[K]> = match bound {
            Some(bound) => rest
                .iter()
                .map(|k| {
                    let whole = k.last().is_some_and(|last| last <= bound);
                    let end = if whole {
                        k.len()
                    } else {
                        k.partition_point(|x| x <= bound)
                    };
                    &k[..end]
                })
                .collect(),
            None => rest,
        };
        let ends = slices
            .iter()
            .zip(offsets)
            .map(|(s, o)| o + s.len())
            .collect();
        let mut dead: Vec<Vec<u8>> = slices.iter().map(|s| vec![0; s.len()]).collect();
        let mut sizes = Vec::new();
        let mut members = Vec::new();
        if slices.len() < 2 {
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        if self.rules.resolution == Resolution::Latest && !self.ordered {
            let mut views: Vec<&mut [u8]> = dead.iter_mut().map(Vec::as_mut_slice).collect();
            mark_superseded(&slices, &mut views);
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        let found = find_collisions(&slices);
        let fold = self.rules.resolution == Resolution::Fold;
        if fold && !self.rules.lookup && !self.ordered {
            sizes = found.offsets.windows(2).map(|w| w[1] - w[0]).collect();
            members = found.members;
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        let mut scratch = Vec::new();
        for g in 0..found.groups() {
            scratch.clear();
            scratch.extend_from_slice(found.group(g));
            self.resolve(active, offsets, &mut scratch, &mut dead);
            if fold {
                sizes.push(u32::try_from(scratch.len()).unwrap_or(u32::MAX));
                members.extend_from_slice(&scratch);
            }
        }
        (
            ends,
            Verdict {
                dead,
                sizes,
                members,
            },
        )
    }

    /// Orders the members of a group, applies the lookup rule and marks those that do not survive.
    fn resolve(
        &self,
        active: &[usize],
        offsets: &[usize],
        members: &mut Vec<(u32, u32)>,
        dead: &mut [Vec<u8>],
    ) {
        if self.rules.lookup {
            let level = |m: &(u32, u32)| self.runs[active[m.0 as usize]].level;
            let newest = members.iter().map(level).filter(|l| *l > 0).min();
            members.retain(|m| {
                let kept = level(m) == 0 || Some(level(m)) == newest;
                if !kept {
                    dead[m.0 as usize][m.1 as usize] = 1;
                }
                kept
            });
        }
        if self.ordered {
            members.sort_by(|a, b| self.compare(active, offsets, a, b));
        }
        let winner = match self.rules.resolution {
            Resolution::Fold => return,
            Resolution::Latest => members.last().copied(),
            Resolution::First => members.first().copied(),
        };
        for member in members.iter() {
            if Some(*member) != winner {
                dead[member.0 as usize][member.1 as usize] = 1;
            }
        }
    }

    fn compare(
        &self,
        active: &[usize],
        offsets: &[usize],
        a: &(u32, u32),
        b: &(u32, u32),
    ) -> Ordering {
        let order = |m: &(u32, u32)| {
            let run = &self.runs[active[m.0 as usize]];
            let rows = run.current.as_ref()?.order.as_ref()?;
            Some(rows.row(offsets[m.0 as usize] + m.1 as usize))
        };
        match (order(a), order(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }

    fn record(&mut self, active: &[usize], ends: &[usize], verdict: Verdict) {
        for ((r, end), dead) in active.iter().zip(ends).zip(&verdict.dead) {
            let run = &mut self.runs[*r];
            let start = run.offset;
            run.offset = *end;
            if let Some(block) = &mut run.current {
                block.dead[start..*end].copy_from_slice(dead);
            }
        }
        self.outcome.group_sizes.extend_from_slice(&verdict.sizes);
        for (slot, index) in &verdict.members {
            let r = active[*slot as usize];
            self.outcome
                .group_runs
                .push(u16::try_from(r).unwrap_or(u16::MAX));
            let run = &mut self.runs[r];
            let start = run.offset - verdict.dead[*slot as usize].len();
            if let Some(block) = &mut run.current {
                if block.fold.is_empty() {
                    block.fold = vec![0; block.keys.len()];
                }
                block.fold[start + *index as usize] = 1;
            }
        }
    }

    fn finish(mut self) -> Result<SectionOutcome> {
        if self.runs.len() > usize::from(u16::MAX) {
            return Err(Error::new(
                crate::ErrorKind::ResourceExhausted,
                format!(
                    "a section has {} sorted runs, at most 65535 are merged",
                    self.runs.len()
                ),
            ));
        }
        let fold = self.rules.resolution == Resolution::Fold;
        for run in &mut self.runs {
            run.close(self.rules);
            let files = run.files.iter_mut().map(|bits| FileOutcome {
                keep: Arc::new(FileSelection::new(bits.keep.finish())),
                fold: fold.then(|| Arc::new(FileSelection::new(bits.fold.finish()))),
            });
            self.outcome.files.push(files.collect());
        }
        Ok(self.outcome)
    }
}

/// What a window decided, per active run.
struct Verdict {
    dead: Vec<Vec<u8>>,
    /// Sizes of the groups to fold.
    sizes: Vec<u32>,
    /// Their members: (active run, index in the window).
    members: Vec<(u32, u32)>,
}

impl Block {
    fn keys_u64(&self) -> &[u64] {
        match &self.keys {
            KeyBlock::U64(k) => k,
            _ => &[],
        }
    }

    fn keys_u128(&self) -> &[u128] {
        match &self.keys {
            KeyBlock::U128(k) => k,
            _ => &[],
        }
    }

    fn keys_bytes(&self) -> Vec<&[u8]> {
        match &self.keys {
            KeyBlock::Rows(rows) => (0..rows.num_rows()).map(|i| rows.row(i).data()).collect(),
            _ => Vec::new(),
        }
    }
}
