//! Collects statistics while batches pass.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};

use super::extremes::{Extremes, extremes};
use super::mode::{StatsMode, StatsModes};
use super::truncate::{truncate_max, truncate_min};
use crate::arrow_bridge::datum_at;
use crate::error::Result;
use crate::format::ColumnBounds;
use crate::spec::{BinaryRow, BinaryRowWriter, DataField, Datum, SimpleStats};

/// Statistics of some columns of one file.
#[derive(Debug)]
pub struct StatsCollector {
    columns: Vec<Column>,
    dense: bool,
}

#[derive(Debug)]
struct Column {
    field: DataField,
    mode: StatsMode,
    nulls: i64,
    bounds: Option<(Datum, Datum)>,
    unknown: bool,
}

/// What a file says about a column.
#[derive(Debug, Default)]
struct Summary {
    min: Option<Datum>,
    max: Option<Datum>,
    nulls: Option<i64>,
}

impl Summary {
    fn is_none(&self) -> bool {
        self.min.is_none() && self.max.is_none() && self.nulls.is_none()
    }
}

impl StatsCollector {
    /// A collector for `fields`. `nested_counts` says whether nested columns have null counts (they do in Avro and
    /// ORC files, in Parquet files nothing is known about them).
    pub fn new(fields: &[DataField], modes: &StatsModes, nested_counts: bool) -> Self {
        let columns = fields
            .iter()
            .zip(&modes.columns)
            .map(|(field, mode)| {
                let nested = field.data_type.kind.is_nested();
                Column {
                    field: field.clone(),
                    mode: match mode {
                        _ if nested && !nested_counts => StatsMode::None,
                        mode => *mode,
                    },
                    nulls: 0,
                    bounds: None,
                    unknown: nested,
                }
            })
            .collect();
        Self {
            columns,
            dense: modes.dense,
        }
    }

    /// Takes rows into account: one array per column.
    ///
    /// # Errors
    /// `Internal` when an array is not of its column's type.
    pub fn update<'a>(&mut self, arrays: impl IntoIterator<Item = &'a ArrayRef>) -> Result<()> {
        self.columns
            .iter_mut()
            .zip(arrays)
            .try_for_each(|(column, array)| column.update(array))
    }

    /// Takes what a file of another program says about its rows into account: one item per column, `None` where it
    /// says nothing.
    pub fn update_bounds<'a>(
        &mut self,
        bounds: impl IntoIterator<Item = Option<&'a ColumnBounds>>,
    ) {
        for (column, bounds) in self.columns.iter_mut().zip(bounds) {
            match bounds {
                Some(bounds) => column.update_bounds(bounds),
                None => column.mode = StatsMode::None,
            }
        }
    }

    /// The statistics and the columns they cover; `None` is all of them.
    pub fn finish(self) -> (SimpleStats, Option<Vec<String>>) {
        let all = self.columns.len();
        let dense = self.dense;
        let kept: Vec<(DataField, Summary)> = self
            .columns
            .into_iter()
            .map(Column::finish)
            .filter(|(_, summary)| !dense || !summary.is_none())
            .collect();
        let names = (kept.len() < all).then(|| kept.iter().map(|(f, _)| f.name.clone()).collect());
        let mut min = BinaryRowWriter::new(kept.len());
        let mut max = BinaryRowWriter::new(kept.len());
        for (field, summary) in &kept {
            min.push(summary.min.as_ref(), &field.data_type);
            max.push(summary.max.as_ref(), &field.data_type);
        }
        let stats = SimpleStats {
            min_values: min.finish().to_serialized(),
            max_values: max.finish().to_serialized(),
            null_counts: Some(kept.iter().map(|(_, summary)| summary.nulls).collect()),
        };
        (stats, names)
    }
}

/// Statistics over no columns.
pub fn empty_stats() -> SimpleStats {
    SimpleStats {
        min_values: BinaryRow::empty().to_serialized(),
        max_values: BinaryRow::empty().to_serialized(),
        null_counts: Some(Vec::new()),
    }
}

impl Column {
    fn update(&mut self, array: &ArrayRef) -> Result<()> {
        if self.mode == StatsMode::None {
            return Ok(());
        }
        self.nulls += i64::try_from(array.null_count()).unwrap_or(i64::MAX);
        if self.mode == StatsMode::Counts || self.unknown {
            return Ok(());
        }
        let (min, max) = match extremes(array.as_ref()) {
            Extremes::Empty => return Ok(()),
            Extremes::Unknown => {
                self.unknown = true;
                return Ok(());
            }
            Extremes::Rows(min, max) => (min, max),
        };
        let at = |row| datum_at(array.as_ref(), row, &self.field.data_type);
        if let (Some(min), Some(max)) = (at(min)?, at(max)?) {
            self.widen(min, max);
        }
        Ok(())
    }

    fn update_bounds(&mut self, bounds: &ColumnBounds) {
        self.nulls = self.nulls.saturating_add_unsigned(bounds.nulls);
        if let Some((min, max)) = bounds.range.clone() {
            self.widen(min, max);
        }
    }

    fn widen(&mut self, min: Datum, max: Datum) {
        self.bounds = Some(match self.bounds.take() {
            None => (min, max),
            Some((old_min, old_max)) => (
                if min.compare(&old_min) == Some(Ordering::Less) {
                    min
                } else {
                    old_min
                },
                if max.compare(&old_max) == Some(Ordering::Greater) {
                    max
                } else {
                    old_max
                },
            ),
        });
    }

    fn finish(self) -> (DataField, Summary) {
        if self.mode == StatsMode::None {
            return (self.field, Summary::default());
        }
        let mut summary = Summary {
            nulls: Some(self.nulls),
            ..Summary::default()
        };
        if let Some((min, max)) = self.bounds.filter(|_| !self.unknown) {
            let (min, max) = (lower_zero(min), upper_zero(max));
            let (min, max) = match self.mode {
                StatsMode::Truncate(n) => (truncate_min(min, n), truncate_max(max, n)),
                _ => (min, Some(max)),
            };
            if let Some(max) = max {
                summary.min = Some(min);
                summary.max = Some(max);
            }
        }
        (self.field, summary)
    }
}

/// Zeros of both signs are equal in a filter but not in statistics: bounds take in both.
fn lower_zero(min: Datum) -> Datum {
    match min {
        Datum::Float(0.0) => Datum::Float(-0.0),
        Datum::Double(0.0) => Datum::Double(-0.0),
        other => other,
    }
}

fn upper_zero(max: Datum) -> Datum {
    match max {
        // -0.0 + 0.0 is 0.0, everything else stays
        Datum::Float(v) => Datum::Float(v + 0.0),
        Datum::Double(v) => Datum::Double(v + 0.0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int32Array, RecordBatch, StringViewArray};
    use indexmap::IndexMap;

    use super::*;
    use crate::write::testing::{TYPES, batch, fields};

    fn collect(
        fields: &[DataField],
        mode: StatsMode,
        dense: bool,
        batches: &[RecordBatch],
    ) -> (SimpleStats, Option<Vec<String>>) {
        let modes = StatsModes::new(fields, mode, &[], false, dense, &IndexMap::new()).unwrap();
        let mut collector = StatsCollector::new(fields, &modes, false);
        for batch in batches {
            collector.update(batch.columns()).unwrap();
        }
        collector.finish()
    }

    fn bound(bytes: &bytes::Bytes, i: usize, field: &DataField) -> Option<Datum> {
        let row = BinaryRow::from_serialized(bytes, "bound").unwrap();
        row.get(i, &field.data_type).unwrap()
    }

    /// Row by row, with `Datum::compare`.
    fn naive(
        batch: &RecordBatch,
        c: usize,
        field: &DataField,
    ) -> (Option<Datum>, Option<Datum>, i64) {
        let mut values: Vec<Datum> = (0..batch.num_rows())
            .filter_map(|r| datum_at(batch.column(c), r, &field.data_type).unwrap())
            .collect();
        values.sort_by(|a, b| a.compare(b).unwrap());
        let nulls = batch.num_rows() - values.len();
        (
            values.first().cloned(),
            values.last().cloned(),
            i64::try_from(nulls).unwrap(),
        )
    }

    #[test]
    fn bounds_of_every_type_are_those_of_a_plain_search() {
        let plain: Vec<&str> = TYPES
            .iter()
            .copied()
            .filter(|t| {
                !t.contains('<') && *t != "VARIANT" && !t.starts_with("FLOAT") && *t != "DOUBLE"
            })
            .collect();
        let fields = fields(&plain, 0);
        let rows = batch(&fields, 500);
        let parts = [rows.slice(0, 1), rows.slice(1, 200), rows.slice(201, 299)];
        let (stats, names) = collect(&fields, StatsMode::Full, true, &parts);
        assert_eq!(names, None);
        for (i, field) in fields.iter().enumerate() {
            let (min, max, nulls) = naive(&rows, i, field);
            assert_eq!(
                bound(&stats.min_values, i, field),
                min,
                "{}",
                field.data_type
            );
            assert_eq!(
                bound(&stats.max_values, i, field),
                max,
                "{}",
                field.data_type
            );
            assert_eq!(stats.null_counts.as_ref().unwrap()[i], Some(nulls));
        }
    }

    #[test]
    fn dense_statistics_leave_out_nested_columns() {
        let fields = fields(&["ARRAY<INT>", "INT", "VARIANT"], 0);
        let rows = batch(&fields, 10);
        let (stats, names) = collect(&fields, StatsMode::Full, true, std::slice::from_ref(&rows));
        assert_eq!(names, Some(vec!["c1".to_string()]));
        assert_eq!(stats.null_counts, Some(vec![Some(2)]));
        let (stats, names) = collect(&fields, StatsMode::Full, false, std::slice::from_ref(&rows));
        assert_eq!(names, None);
        assert_eq!(stats.null_counts, Some(vec![None, Some(2), None]));
        let (stats, names) = collect(&fields, StatsMode::None, true, std::slice::from_ref(&rows));
        assert_eq!((names, stats), (Some(vec![]), empty_stats()));
        let (stats, _) = collect(
            &fields[1..2],
            StatsMode::Counts,
            true,
            &[rows.project(&[1]).unwrap()],
        );
        assert_eq!(bound(&stats.min_values, 0, &fields[1]), None);
        assert_eq!(stats.null_counts, Some(vec![Some(2)]));
    }

    #[test]
    fn nan_hides_bounds_and_zeros_take_both_signs() {
        let fields = fields(&["DOUBLE"], 0);
        let of = |parts: &[&[f64]]| {
            let batches: Vec<RecordBatch> = parts
                .iter()
                .map(|values| {
                    let array = Arc::new(Float64Array::from(values.to_vec()));
                    RecordBatch::try_new(crate::arrow_bridge::arrow_schema(&fields), vec![array])
                        .unwrap()
                })
                .collect();
            let (stats, _) = collect(&fields, StatsMode::Full, true, &batches);
            (
                bound(&stats.min_values, 0, &fields[0]),
                bound(&stats.max_values, 0, &fields[0]),
            )
        };
        assert_eq!(of(&[&[1.0, f64::NAN], &[2.0]]), (None, None));
        assert_eq!(of(&[&[1.0], &[f64::NAN]]), (None, None));
        let (min, max) = of(&[&[0.0], &[-0.0]]);
        assert!(matches!(min, Some(Datum::Double(v)) if v.is_sign_negative()));
        assert!(matches!(max, Some(Datum::Double(v)) if v.is_sign_positive()));
        assert_eq!(
            of(&[&[f64::INFINITY, -3.5]]),
            (
                Some(Datum::Double(-3.5)),
                Some(Datum::Double(f64::INFINITY))
            )
        );
    }

    #[test]
    fn text_is_cut_and_columns_of_nulls_have_no_bounds() {
        let fields = fields(&["STRING", "INT"], 0);
        let text = StringViewArray::from(vec![Some("abcdef"), None, Some("abczzz")]);
        let rows = RecordBatch::try_new(
            crate::arrow_bridge::arrow_schema(&fields),
            vec![Arc::new(text), Arc::new(Int32Array::from(vec![None; 3]))],
        )
        .unwrap();
        let (stats, names) = collect(&fields, StatsMode::Truncate(3), true, &[rows]);
        assert_eq!(names, None);
        assert_eq!(
            bound(&stats.min_values, 0, &fields[0]),
            Some(Datum::String("abc".into()))
        );
        assert_eq!(
            bound(&stats.max_values, 0, &fields[0]),
            Some(Datum::String("abd".into()))
        );
        assert_eq!(bound(&stats.min_values, 1, &fields[1]), None);
        assert_eq!(stats.null_counts, Some(vec![Some(1), Some(3)]));
    }
}
