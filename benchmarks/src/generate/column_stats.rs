//! Minimum, maximum and null count of a column while it is written.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{max, max_boolean, max_string_view, min, min_boolean, min_string_view};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use paimon_core::spec::{DataType, Datum, SimpleStats, TypeKind, binary_row};

use crate::Result;

/// Characters kept of a string bound, as `metadata.stats-mode` = `truncate(16)` says.
const KEPT_CHARS: usize = 16;

/// Statistics of one column of one file.
pub struct ColumnStats {
    data_type: DataType,
    min: Option<Datum>,
    max: Option<Datum>,
    nulls: i64,
}

impl ColumnStats {
    /// Of no rows.
    pub fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            min: None,
            max: None,
            nulls: 0,
        }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// For a type without statistics here.
    pub fn observe(&mut self, column: &ArrayRef) -> Result<()> {
        self.nulls += i64::try_from(column.null_count())?;
        let (low, high) = bounds(column, &self.data_type)?;
        self.min = pick(self.min.take(), low, Ordering::Less);
        self.max = pick(self.max.take(), high, Ordering::Greater);
        Ok(())
    }

    /// The record of a manifest.
    pub fn simple_stats(columns: &[Self]) -> SimpleStats {
        let row = |bound: fn(&Self) -> Option<Datum>| {
            let values: Vec<_> = columns
                .iter()
                .map(|c| (bound(c), c.data_type.with_nullable(true)))
                .collect();
            binary_row(&values).to_serialized()
        };
        SimpleStats {
            min_values: row(|c| c.min.clone().map(truncated_min)),
            max_values: row(|c| c.max.clone().map(truncated_max)),
            null_counts: Some(columns.iter().map(|c| Some(c.nulls)).collect()),
        }
    }
}

fn pick(a: Option<Datum>, b: Option<Datum>, wanted: Ordering) -> Option<Datum> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.compare(&a) == Some(wanted) { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn bounds(column: &ArrayRef, data_type: &DataType) -> Result<(Option<Datum>, Option<Datum>)> {
    let pair = |low: Option<Datum>, high: Option<Datum>| Ok((low, high));
    match &data_type.kind {
        TypeKind::Int => {
            let a = column.as_primitive::<Int32Type>();
            pair(min(a).map(Datum::Int), max(a).map(Datum::Int))
        }
        TypeKind::BigInt => {
            let a = column.as_primitive::<Int64Type>();
            pair(min(a).map(Datum::BigInt), max(a).map(Datum::BigInt))
        }
        TypeKind::Double => {
            let a = column.as_primitive::<Float64Type>();
            pair(min(a).map(Datum::Double), max(a).map(Datum::Double))
        }
        TypeKind::Date => {
            let a = column.as_primitive::<Date32Type>();
            pair(min(a).map(Datum::Date), max(a).map(Datum::Date))
        }
        TypeKind::Decimal { scale, .. } => {
            let a = column.as_primitive::<Decimal128Type>();
            let datum = |unscaled| Datum::Decimal {
                unscaled,
                scale: *scale,
            };
            pair(min(a).map(datum), max(a).map(datum))
        }
        TypeKind::Timestamp(_) => {
            let a = column.as_primitive::<TimestampMicrosecondType>();
            pair(min(a).map(timestamp), max(a).map(timestamp))
        }
        TypeKind::VarChar(_) => {
            let a = column.as_string_view();
            let datum = |text: &str| Datum::String(text.to_string());
            pair(min_string_view(a).map(datum), max_string_view(a).map(datum))
        }
        TypeKind::Boolean => {
            let a: &BooleanArray = column.as_boolean();
            pair(
                min_boolean(a).map(Datum::Boolean),
                max_boolean(a).map(Datum::Boolean),
            )
        }
        other => Err(format!("no statistics for {other}").into()),
    }
}

fn timestamp(micros: i64) -> Datum {
    let nanos = i32::try_from(micros.rem_euclid(1000) * 1000).unwrap_or(0);
    Datum::Timestamp {
        millis: micros.div_euclid(1000),
        nanos,
    }
}

fn truncated_min(datum: Datum) -> Datum {
    match datum {
        Datum::String(text) => Datum::String(text.chars().take(KEPT_CHARS).collect()),
        other => other,
    }
}

/// Texts here are ASCII letters and digits, so the last character kept can always be counted up.
fn truncated_max(datum: Datum) -> Datum {
    match datum {
        Datum::String(text) if text.len() > KEPT_CHARS => {
            let mut kept: Vec<char> = text.chars().take(KEPT_CHARS).collect();
            if let Some(last) = kept.last_mut() {
                *last = char::from_u32(u32::from(*last) + 1).unwrap_or('~');
            }
            Datum::String(kept.into_iter().collect())
        }
        other => other,
    }
}
