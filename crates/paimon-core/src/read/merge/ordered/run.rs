//! One sorted run of an ordered merge, decoded in a task of its own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int8Array, Int64Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_row::{RowConverter, Rows};
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::Role;
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::{KeyBlock, KeyEncoder};
use crate::predicate::Predicate;
use crate::read::file::scan::{FileScan, live_rows};
use crate::read::merge::section::{MergeRules, order_converter};
use crate::read::split::{Partition, SortedRun, SplitFile};
use crate::selection::FileSelection;
use crate::spec::{DataField, FileSource, is_retract, sequence_number_field, value_kind_field};
use crate::table::Table;

/// Rows per block, at most and at least.
const ROWS_PER_BLOCK: (u64, u64) = (64, 8192);

/// Bytes of a file that a block should stand for, at most.
const BYTES_PER_BLOCK: u64 = 512 << 10;

/// Compressed bytes held of each run at a time, at most and at least.
const STEP_BYTES: (u64, u64) = (64 << 10, 2 << 20);

/// Compressed bytes held of all runs of a section together: they are all open at once.
const BYTES_OF_RUNS: u64 = 64 << 20;

/// Rows of one file in key order.
pub(super) struct RunBlock {
    pub(super) values: Vec<ArrayRef>,
    pub(super) sequence: Int64Array,
    pub(super) kinds: Int8Array,
    pub(super) keys: KeyBlock,
    /// Number of the file in its run.
    pub(super) file: usize,
    /// Where in the file the rows are, when asked for.
    pub(super) positions: Option<Int64Array>,
    /// Age within a key, where that is not the age of the run.
    pub(super) order: Option<Rows>,
}

/// Progress through one run.
pub(super) struct Run {
    pub(super) level: i32,
    pub(super) role: Role,
    blocks: mpsc::Receiver<Result<RunBlock>>,
    pub(super) current: Option<RunBlock>,
    /// First row of the current block that no window has taken.
    pub(super) offset: usize,
}

impl Run {
    pub(super) fn start(source: RunSource, role: Role) -> Self {
        let (sender, blocks) = mpsc::channel(1);
        let level = source.run.level;
        tokio::spawn(source.send_all(sender));
        Self {
            level,
            role,
            blocks,
            current: None,
            offset: 0,
        }
    }

    /// Makes sure that the current block has rows left; false at the end of the run.
    pub(super) async fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some(block) = &self.current
                && self.offset < block.keys.len()
            {
                return Ok(true);
            }
            let Some(block) = self.blocks.recv().await else {
                self.current = None;
                return Ok(false);
            };
            let block = block?;
            let before = self.current.as_ref().map(|b| &b.keys);
            check_sorted(before, &block.keys)?;
            self.current = Some(block);
            self.offset = 0;
        }
    }
}

/// Keys of a run must ascend strictly: anything else would make the merge lose rows or return wrong ones.
fn check_sorted(before: Option<&KeyBlock>, keys: &KeyBlock) -> Result<()> {
    let follows = match (before, keys) {
        (Some(KeyBlock::U64(a)), KeyBlock::U64(b)) => a.last() < b.first(),
        (Some(KeyBlock::U128(a)), KeyBlock::U128(b)) => a.last() < b.first(),
        (Some(KeyBlock::Rows(a)), KeyBlock::Rows(b)) if a.num_rows() > 0 && b.num_rows() > 0 => {
            a.row(a.num_rows() - 1).data() < b.row(0).data()
        }
        _ => true,
    };
    let ascend = match keys {
        KeyBlock::U64(k) => k.is_sorted_by(|a, b| a < b),
        KeyBlock::U128(k) => k.is_sorted_by(|a, b| a < b),
        KeyBlock::Rows(k) => (1..k.num_rows()).all(|i| k.row(i - 1) < k.row(i)),
    };
    if follows && ascend {
        return Ok(());
    }
    Err(Error::damaged(
        "keys of a sorted run of a primary-key table must ascend, found an equal or smaller key after a larger one",
    ))
}

/// Decodes one run, file after file.
pub(super) struct RunSource {
    pub(super) table: Table,
    pub(super) partition: Arc<Partition>,
    pub(super) run: SortedRun,
    /// Rows wanted of each file; `None` is all.
    pub(super) rows: Option<Vec<Arc<FileSelection>>>,
    /// Columns of the table that are read, the key among them.
    pub(super) fields: Arc<Vec<DataField>>,
    pub(super) rules: Arc<MergeRules>,
    pub(super) ordered: bool,
    /// Rows that do not match need not come.
    pub(super) skip: Predicate,
    pub(super) with_positions: bool,
    /// Runs that are open at once.
    pub(super) runs: usize,
}

/// What the files of a run share.
struct Decoder {
    /// Positions of the key among the table's columns.
    keys: Vec<usize>,
    /// Positions of the sequence fields.
    sequence: Vec<usize>,
    encoder: KeyEncoder,
    order: Option<RowConverter>,
}

impl RunSource {
    pub(super) async fn send_all(self, sender: mpsc::Sender<Result<RunBlock>>) {
        if let Err(error) = self.send_files(&sender).await {
            // nobody listens any more when this fails
            let _ = sender.send(Err(error)).await;
        }
    }

    async fn send_files(&self, sender: &mpsc::Sender<Result<RunBlock>>) -> Result<()> {
        let decoder = self.decoder()?;
        for (i, file) in self.run.files.iter().enumerate() {
            let sent = self.send_file(&decoder, i, sender).await;
            if !sent.map_err(|e| e.with_default("path", &file.path))? {
                break;
            }
        }
        Ok(())
    }

    /// Sends the rows of a file; false when nobody listens any more.
    async fn send_file(
        &self,
        decoder: &Decoder,
        number: usize,
        sender: &mpsc::Sender<Result<RunBlock>>,
    ) -> Result<bool> {
        let file = &self.run.files[number];
        let rows = self.rows.as_ref().and_then(|rows| rows.get(number));
        let live = live_rows(&self.table, file).await?;
        let live = match (live, rows) {
            (Some(live), Some(rows)) => Some(Arc::new(live.intersect(rows))),
            (live, rows) => live.map(Arc::new).or_else(|| rows.cloned()),
        };
        let expected = match &live {
            Some(live) => live.selected(),
            None => usize::try_from(file.meta.row_count)
                .map_err(|_| Error::damaged("row count in the manifest is negative"))?,
        };
        if expected == 0 {
            return Ok(true);
        }
        let mut fields = self.fields.to_vec();
        fields.push(sequence_number_field());
        fields.push(value_kind_field());
        let mut bare = file.clone();
        bare.deletion = None;
        let mut scan = FileScan::new(&self.table, &self.partition, &bare, &fields);
        scan.selection = live;
        scan.filter = self.skip.clone();
        scan.with_position = self.with_positions;
        let step = self.step_bytes();
        scan.batch_size = rows_per_block(file, step);
        scan.step_bytes = step;
        let mut stream = scan.open().await?;
        let mut found = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            found += batch.num_rows();
            let block = self.decode(decoder, number, &batch)?;
            if !block.keys.is_empty() && sender.send(Ok(block)).await.is_err() {
                return Ok(false);
            }
        }
        if found != expected && self.skip == Predicate::AlwaysTrue {
            return Err(Error::damaged(format!(
                "data file has {found} rows, its manifest entry says {expected}"
            )));
        }
        Ok(true)
    }

    fn step_bytes(&self) -> u64 {
        let runs = u64::try_from(self.runs.max(1)).unwrap_or(u64::MAX);
        (BYTES_OF_RUNS / runs).clamp(STEP_BYTES.0, STEP_BYTES.1)
    }

    fn decoder(&self) -> Result<Decoder> {
        let rules = &self.rules;
        let fields = &self.fields;
        let positions = |wanted: &[DataField]| -> Vec<usize> {
            let position = |id: i32| fields.iter().position(|f| f.id == id);
            wanted.iter().filter_map(|f| position(f.id)).collect()
        };
        let types: Vec<_> = rules
            .key_fields
            .iter()
            .map(|f| arrow_type(&f.data_type))
            .collect();
        let nullable = rules.key_fields.iter().any(|f| f.data_type.nullable);
        Ok(Decoder {
            keys: positions(&rules.key_fields),
            sequence: positions(&rules.sequence_fields),
            encoder: KeyEncoder::new(&types, nullable)?,
            order: self.ordered.then(|| order_converter(rules)).transpose()?,
        })
    }

    fn decode(&self, decoder: &Decoder, number: usize, batch: &RecordBatch) -> Result<RunBlock> {
        let file = &self.run.files[number];
        let mut batch = batch.clone();
        if let Some(wanted) = self.wanted(&batch) {
            batch = filter_record_batch(&batch, &BooleanArray::new(wanted, None))?;
        }
        let positions = match self.with_positions {
            true => Some(take_positions(&mut batch)?),
            false => None,
        };
        let (values, mut sequence, kinds) = split_system(&batch)?;
        let stamped =
            self.rules.snapshot_ordering && file.meta.file_source != Some(FileSource::Compact);
        if stamped {
            sequence = Int64Array::from_value(file.meta.max_sequence_number, batch.num_rows());
        }
        let pick =
            |at: &[usize]| -> Vec<ArrayRef> { at.iter().map(|i| values[*i].clone()).collect() };
        let order = match &decoder.order {
            None => None,
            Some(converter) => {
                let mut columns = pick(&decoder.sequence);
                columns.push(Arc::new(sequence.clone()));
                let add = kinds.values().iter().map(|k| !is_retract(*k)).collect();
                columns.push(Arc::new(BooleanArray::new(add, None)));
                Some(converter.convert_columns(&columns)?)
            }
        };
        Ok(RunBlock {
            keys: decoder.encoder.encode(&pick(&decoder.keys))?,
            values,
            sequence,
            kinds,
            order,
            file: number,
            positions,
        })
    }

    /// Rows that take part; `None` is all.
    fn wanted(&self, batch: &RecordBatch) -> Option<BooleanBuffer> {
        if !self.rules.ignore_delete {
            return None;
        }
        let kinds = batch
            .column(self.fields.len() + 1)
            .as_primitive::<Int8Type>();
        let adds: BooleanBuffer = kinds.values().iter().map(|k| !is_retract(*k)).collect();
        (adds.count_set_bits() < batch.num_rows()).then_some(adds)
    }
}

/// Takes the position column off a batch.
fn take_positions(batch: &mut RecordBatch) -> Result<Int64Array> {
    let last = batch.num_columns().saturating_sub(1);
    let positions = batch.column(last).as_primitive::<Int64Type>().clone();
    *batch = batch.project(&(0..last).collect::<Vec<_>>())?;
    Ok(positions)
}

/// The table's columns, sequence numbers and kinds of a batch.
fn split_system(batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Int64Array, Int8Array)> {
    let (values, system) = batch
        .columns()
        .split_at(batch.num_columns().saturating_sub(2));
    let [sequence, kinds] = system else {
        return Err(Error::internal("a block lacks its system columns"));
    };
    let missing =
        |what: &str| Error::damaged(format!("a row of a primary-key table has no {what}"));
    if sequence.null_count() > 0 {
        return Err(missing("sequence number"));
    }
    if kinds.null_count() > 0 {
        return Err(missing("row kind"));
    }
    Ok((
        values.to_vec(),
        sequence.as_primitive::<Int64Type>().clone(),
        kinds.as_primitive::<Int8Type>().clone(),
    ))
}

fn rows_per_block(file: &SplitFile, step_bytes: u64) -> usize {
    let number = |n: i64| u64::try_from(n).unwrap_or(0).max(1);
    let row = number(file.meta.file_size)
        .div_ceil(number(file.meta.row_count))
        .max(1);
    let (least, most) = ROWS_PER_BLOCK;
    usize::try_from((BYTES_PER_BLOCK.min(step_bytes) / row).clamp(least, most)).unwrap_or(64)
}
