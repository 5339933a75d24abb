//! Rows that are too old to keep. Source: `RecordLevelExpire`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, BooleanArray, Int8Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;

use crate::arrow_bridge::datum_at;
use crate::error::{Error, Result};
use crate::options::parse_duration_ms;
use crate::read::{Merged, OrderedBatch, column_stats};
use crate::spec::{DataField, DataFileMeta, Datum, TypeKind, row_kind};
use crate::table::Table;

/// From this value on a BIGINT is a time in milliseconds.
const MILLISECONDS_FROM: i64 = 1_000_000_000_000;

/// Leaves out rows whose time field lies more than `record-level.expire-time` back.
#[derive(Debug)]
pub(super) struct RecordLevelExpire {
    field: DataField,
    position: usize,
    /// Rows before this time have expired, epoch seconds.
    oldest: i64,
}

impl RecordLevelExpire {
    /// The rule of a table at a time (epoch milliseconds); `None` when rows do not expire.
    ///
    /// # Errors
    /// `InvalidInput` for a missing time field or one of another type, naming the option.
    pub(super) fn new(table: &Table, now_ms: i64) -> Result<Option<Arc<Self>>> {
        const TIME: &str = "record-level.expire-time";
        const FIELD: &str = "record-level.time-field";
        let options = table.options();
        let Some(after) = options.get(TIME) else {
            return Ok(None);
        };
        let after = parse_duration_ms(after).map_err(|e| e.with("option", TIME))? / 1000;
        let name = options.get(FIELD).unwrap_or_default();
        let fields = &table.schema().fields;
        let position = fields.iter().position(|f| f.name == name);
        let wrong = |message: String| Error::invalid(message).with("option", FIELD);
        let position =
            position.ok_or_else(|| wrong(format!("{name:?} is not a column of the table")))?;
        let field = fields[position].clone();
        let kind = &field.data_type.kind;
        if !matches!(
            kind,
            TypeKind::Int
                | TypeKind::BigInt
                | TypeKind::Timestamp(_)
                | TypeKind::LocalZonedTimestamp(_)
        ) {
            return Err(wrong(format!(
                "expected a column of type INT, BIGINT or TIMESTAMP, {name:?} is {kind}"
            )));
        }
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        Ok(Some(Arc::new(Self {
            field,
            position,
            oldest: now_ms.div_euclid(1000).saturating_sub(after),
        })))
    }

    /// Whether a file holds a row that has expired, by its statistics.
    ///
    /// # Errors
    /// `Damaged` when its schema is gone.
    pub(super) async fn has_expired(&self, table: &Table, file: &DataFileMeta) -> Result<bool> {
        let schema = table.schemas().schema(file.schema_id).await?;
        let min = column_stats(file, &schema, &self.field).and_then(|stats| stats.min);
        Ok(min
            .and_then(|m| seconds(&m))
            .is_some_and(|t| t < self.oldest))
    }
}

/// A time as epoch seconds.
fn seconds(value: &Datum) -> Option<i64> {
    match value {
        Datum::Int(seconds) => Some(i64::from(*seconds)),
        Datum::BigInt(time) if *time >= MILLISECONDS_FROM => Some(time / 1000),
        Datum::BigInt(time) => Some(*time),
        Datum::Timestamp { millis, .. } => Some(millis / 1000),
        _ => None,
    }
}

impl RecordLevelExpire {
    /// Merged rows without those that have expired. Changelogs lose them too: an update to a row that has expired is a
    /// delete, one of a row that had expired an insert.
    ///
    /// # Errors
    /// `Internal` for a batch of other columns.
    pub(super) fn leave_out(&self, merged: Merged) -> Result<Merged> {
        Ok(match merged {
            Merged::Rows(batch) => Merged::Rows(match self.keep(&batch.values)? {
                Some(keep) => filter(&batch, &batch.kinds, keep)?,
                None => batch,
            }),
            Merged::Changelog(batch) => Merged::Changelog(match self.keep(&batch.values)? {
                Some(keep) => filter(&batch, &halves(&batch.kinds, &keep), keep)?,
                None => batch,
            }),
        })
    }

    /// One bit per row; `None` is all.
    fn keep(&self, values: &RecordBatch) -> Result<Option<BooleanBuffer>> {
        let times = values
            .columns()
            .get(self.position)
            .ok_or_else(|| Error::internal("a batch lacks the time field"))?;
        let old = |value: Datum| seconds(&value).is_some_and(|t| t < self.oldest);
        let rows = 0..times.len();
        let keep: BooleanBuffer = match &self.field.data_type.kind {
            TypeKind::Int => {
                let values = times.as_primitive::<Int32Type>();
                rows.map(|i| values.is_null(i) || !old(Datum::Int(values.value(i))))
                    .collect()
            }
            TypeKind::BigInt => {
                let values = times.as_primitive::<Int64Type>();
                rows.map(|i| values.is_null(i) || !old(Datum::BigInt(values.value(i))))
                    .collect()
            }
            _ => {
                let data_type = &self.field.data_type;
                let kept: Result<Vec<bool>> = rows
                    .map(|i| Ok(!datum_at(times.as_ref(), i, data_type)?.is_some_and(old)))
                    .collect();
                kept?.into_iter().collect()
            }
        };
        Ok((keep.count_set_bits() < keep.len()).then_some(keep))
    }
}

fn filter(batch: &OrderedBatch, kinds: &Int8Array, keep: BooleanBuffer) -> Result<OrderedBatch> {
    let keep = BooleanArray::new(keep, None);
    Ok(OrderedBatch {
        values: filter_record_batch(&batch.values, &keep)?,
        sequence: arrow_select::filter::filter(&batch.sequence, &keep)?
            .as_primitive()
            .clone(),
        kinds: arrow_select::filter::filter(kinds, &keep)?
            .as_primitive()
            .clone(),
    })
}

/// Kinds of changes of which one half may be left out.
fn halves(kinds: &Int8Array, keep: &BooleanBuffer) -> Int8Array {
    let (before, after) = (row_kind::UPDATE_BEFORE, row_kind::UPDATE_AFTER);
    let of = |i: usize, kind: i8| i < kinds.len() && kinds.value(i) == kind;
    let kind = |i: usize| match kinds.value(i) {
        k if k == before && of(i + 1, after) && !keep.value(i + 1) => row_kind::DELETE,
        k if k == after && i > 0 && of(i - 1, before) && !keep.value(i - 1) => row_kind::INSERT,
        k => k,
    };
    (0..kinds.len()).map(kind).collect::<Vec<i8>>().into()
}
