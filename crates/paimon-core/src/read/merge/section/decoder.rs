//! Batches of key columns to blocks.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};

use super::block::Block;
use super::rules::MergeRules;
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::KeyEncoder;
use crate::predicate::{Predicate, evaluate_batch};
use crate::read::split::SplitFile;
use crate::selection::FileSelection;
use crate::spec::{FileSource, is_retract};

/// Which rows of the file a batch stands for.
pub(super) struct Stretch {
    /// Rows of the file from the end of the last stretch to the last row of this one.
    pub(super) rows: usize,
    /// Position within the stretch of every row of the batch; `None` when none was skipped.
    positions: Option<Vec<u32>>,
    /// Rows of the batch that take part; `None` is all.
    wanted: Option<BooleanBuffer>,
}

impl Stretch {
    /// All rows from `first` on, as many as the batch has.
    pub(super) fn whole(first: usize, batch: &RecordBatch, live: Option<&FileSelection>) -> Self {
        let rows = batch.num_rows();
        Self {
            rows,
            positions: None,
            wanted: live
                .filter(|l| first + rows <= l.rows())
                .map(|l| l.bits().slice(first, rows)),
        }
    }

    /// The rows that a batch with positions in its last column holds, from row `first` on, kept by a filter.
    ///
    /// # Errors
    /// `Internal` when positions do not ascend from `first` on.
    pub(super) fn filtered(
        first: usize,
        batch: &RecordBatch,
        filter: &Predicate,
        live: Option<&FileSelection>,
    ) -> Result<Self> {
        let wrong = || Error::internal("row positions must ascend in a file");
        let column = batch.columns().last().ok_or_else(wrong)?;
        let values = column
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(wrong)?
            .values();
        let mut positions = Vec::with_capacity(values.len());
        let mut next = first;
        for value in values {
            let row = usize::try_from(*value).map_err(|_| wrong())?;
            if row < next {
                return Err(wrong());
            }
            positions.push(u32::try_from(row - first).map_err(|_| wrong())?);
            next = row + 1;
        }
        let mut wanted = evaluate_batch(filter, batch)?.values().clone();
        if let Some(live) = live {
            let alive = BooleanBuffer::collect_bool(positions.len(), |i| {
                let row = first + positions[i] as usize;
                row >= live.rows() || live.bits().value(row)
            });
            wanted = &wanted & &alive;
        }
        Ok(Self {
            rows: next - first,
            positions: Some(positions),
            wanted: Some(wanted),
        })
    }
}

/// Rows that compare like the age of records of one key: sequence fields, sequence number, and whether the record is
/// an add, which comes after a retract of the same sequence.
///
/// # Errors
/// `Unsupported` for a sequence field that cannot be compared.
pub(in crate::read) fn order_converter(rules: &MergeRules) -> Result<RowConverter> {
    let options = SortOptions {
        descending: rules.sequence_descending,
        nulls_first: true,
    };
    let mut fields: Vec<SortField> = rules
        .sequence_fields
        .iter()
        .map(|f| SortField::new_with_options(arrow_type(&f.data_type), options))
        .collect();
    fields.push(SortField::new(DataType::Int64));
    fields.push(SortField::new(DataType::Boolean));
    Ok(RowConverter::new(fields)?)
}

/// Turns batches of one file into blocks.
pub(super) struct BlockDecoder {
    keys: usize,
    /// Key columns and those behind them that the merge looks at.
    columns: usize,
    key_types: Vec<DataType>,
    encoder: KeyEncoder,
    order: Option<RowConverter>,
    reads_kind: bool,
    ignore_delete: bool,
    /// Sequence number of every row of the file (`sequence.snapshot-ordering`).
    sequence: Option<i64>,
}

impl BlockDecoder {
    pub(super) fn new(rules: &MergeRules, ordered: bool, file: &SplitFile) -> Result<Self> {
        let reads_kind = file.meta.delete_row_count != Some(0);
        let types: Vec<_> = rules
            .key_fields
            .iter()
            .map(|f| arrow_type(&f.data_type))
            .collect();
        let nullable = rules.key_fields.iter().any(|f| f.data_type.nullable);
        let order = if ordered {
            Some(order_converter(rules)?)
        } else {
            None
        };
        let stamped = rules.snapshot_ordering && file.meta.file_source != Some(FileSource::Compact);
        Ok(Self {
            keys: types.len(),
            columns: types.len()
                + if ordered {
                    rules.sequence_fields.len() + 1
                } else {
                    0
                }
                + usize::from(reads_kind),
            encoder: KeyEncoder::new(&types, nullable)?,
            key_types: types,
            order,
            reads_kind,
            ignore_delete: rules.ignore_delete,
            sequence: stamped.then_some(file.meta.max_sequence_number),
        })
    }

    /// Whether `_VALUE_KIND` is among the columns, behind the others.
    pub(super) fn reads_kind(&self) -> bool {
        self.reads_kind
    }

    /// The block of a batch; columns behind those of the merge are ignored.
    ///
    /// # Errors
    /// When keys do not ascend. They are looked at here, where they were just made and are close to the processor.
    pub(super) fn decode(
        &self,
        file: usize,
        batch: &RecordBatch,
        stretch: Stretch,
    ) -> Result<Block> {
        let mut kinds: Option<Vec<u8>> = self.reads_kind.then(|| {
            let column = batch.column(self.columns - 1);
            let kinds = column.as_primitive::<Int8Type>().values();
            kinds.iter().map(|k| u8::from(is_retract(*k))).collect()
        });
        let wanted = self.wanted(&stretch, kinds.as_deref(), batch.num_rows());
        let own: Vec<usize> = (0..self.columns).collect();
        let mut batch = batch.project(&own)?;
        let mut live = stretch.positions;
        if let Some(bits) = wanted {
            live = Some(match live {
                Some(positions) => bits.set_indices().map(|i| positions[i]).collect(),
                None => bits
                    .set_indices()
                    .map(|i| u32::try_from(i).unwrap_or(u32::MAX))
                    .collect(),
            });
            kinds = kinds.map(|k| bits.set_indices().map(|i| k[i]).collect());
            batch =
                arrow_select::filter::filter_record_batch(&batch, &BooleanArray::new(bits, None))?;
        }
        let keys = self.encoder.encode(&batch.columns()[..self.keys])?;
        let order = match &self.order {
            Some(converter) => Some(self.order_of(converter, &batch, kinds.as_deref())?),
            None => None,
        };
        let n = keys.len();
        let block = Block {
            file,
            rows: stretch.rows,
            keys,
            live,
            order,
            retract: kinds,
            dead: vec![0; n],
            fold: Vec::new(),
        };
        block.check_sorted()?;
        Ok(block)
    }

    /// Rows of the batch that take part; `None` is all.
    fn wanted(
        &self,
        stretch: &Stretch,
        kinds: Option<&[u8]>,
        rows: usize,
    ) -> Option<BooleanBuffer> {
        let mut wanted = stretch.wanted.clone();
        if self.ignore_delete
            && let Some(kinds) = kinds
        {
            let adds = BooleanBuffer::collect_bool(rows, |i| kinds[i] == 0);
            wanted = Some(match wanted {
                Some(w) => &w & &adds,
                None => adds,
            });
        }
        wanted.filter(|w| w.count_set_bits() < rows)
    }

    /// A block of rows that take no part.
    pub(super) fn skipped(&self, file: usize, rows: usize) -> Result<Block> {
        let none: Vec<ArrayRef> = self
            .key_types
            .iter()
            .map(arrow_array::new_empty_array)
            .collect();
        Ok(Block {
            file,
            rows,
            keys: self.encoder.encode(&none)?,
            live: Some(Vec::new()),
            order: None,
            retract: None,
            dead: Vec::new(),
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
