//! Bounds of a column per row group and per page, as values of the declared type.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;

use super::columns::{ColumnsPlan, PrimitiveColumn};
use super::footer::{Footer, group_rows, guarded};
use super::pages;
use crate::format::ColumnBounds;
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::{DataField, Datum, TypeKind};

/// What is known of the values of one row group or page. Bounds need not be values that occur.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds {
    /// No value is less.
    pub(super) min: Option<Datum>,
    /// No value is greater.
    pub(super) max: Option<Datum>,
    /// Nulls, if known.
    pub(super) nulls: Option<u64>,
    /// Rows.
    pub(super) rows: u64,
}

/// Bounds of a predicate's column by row group; `None` when there are none to use.
pub(super) fn of_groups(footer: &Footer, plan: &ColumnsPlan, leaf: &Leaf) -> Option<Vec<Bounds>> {
    let column = plan.primitive(&leaf.column, &leaf.data_type)?;
    let groups = footer.metadata().row_groups();
    let arrays = guarded("statistics", || {
        let converter = converter(footer, plan, leaf)?;
        Ok((
            converter.row_group_mins(groups)?,
            converter.row_group_maxes(groups)?,
            converter.row_group_null_counts(groups)?,
        ))
    })
    .ok()?;
    let rows: Vec<u64> = groups.iter().map(group_rows).collect();
    let mut bounds = collect(&column, arrays, &rows)?;
    for (bounds, group) in bounds.iter_mut().zip(groups) {
        // the deprecated fields compare bytes as signed
        let ordered = group.columns().get(column.leaf).is_some_and(|chunk| {
            let bytes = matches!(
                chunk.column_type(),
                PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY
            );
            chunk
                .statistics()
                .is_some_and(|s| !(bytes && s.is_min_max_deprecated()))
        });
        if !ordered {
            bounds.min = None;
            bounds.max = None;
        }
    }
    Some(bounds)
}

/// Bounds of a column over the whole file; `None` unless every row group has them. Of FLOAT and DOUBLE only nulls are told:
/// writers leave NaN out of their bounds. Those of numbers and dates are values that occur: writers shorten texts alone.
pub(super) fn of_file(
    footer: &Footer,
    plan: &ColumnsPlan,
    field: &DataField,
) -> Option<ColumnBounds> {
    let leaf = Leaf {
        field_id: field.id,
        column: field.name.clone(),
        data_type: field.data_type.clone(),
        op: PredicateOp::IsNull,
        literals: Vec::new(),
    };
    let floating = matches!(field.data_type.kind, TypeKind::Float | TypeKind::Double);
    let mut all = ColumnBounds {
        range: None,
        nulls: 0,
    };
    for group in of_groups(footer, plan, &leaf)? {
        let nulls = group.nulls?;
        all.nulls += nulls;
        if nulls == group.rows || floating {
            continue;
        }
        let (min, max) = (group.min?, group.max?);
        all.range = Some(match all.range.take() {
            None => (min, max),
            Some((low, high)) => (
                match min.compare(&low)? {
                    Ordering::Less => min,
                    _ => low,
                },
                match max.compare(&high)? {
                    Ordering::Greater => max,
                    _ => high,
                },
            ),
        });
    }
    Some(all)
}

/// Bounds of a predicate's column by page of one row group; `None` without a column index.
pub(super) fn of_pages(
    footer: &Footer,
    plan: &ColumnsPlan,
    leaf: &Leaf,
    group: usize,
) -> Option<Vec<Bounds>> {
    let column = plan.primitive(&leaf.column, &leaf.data_type)?;
    let pages = pages::of_leaf(footer, group, column.leaf)?;
    let metadata = footer.metadata();
    let (columns, offsets) = (metadata.column_index()?, metadata.offset_index()?);
    let arrays = guarded("column index", || {
        let converter = converter(footer, plan, leaf)?;
        Ok((
            converter.data_page_mins(columns, offsets, [&group])?,
            converter.data_page_maxes(columns, offsets, [&group])?,
            converter.data_page_null_counts(columns, offsets, [&group])?,
        ))
    })
    .ok()?;
    let rows: Vec<u64> = pages.iter().map(|p| p.rows.end - p.rows.start).collect();
    collect(&column, arrays, &rows)
}

fn converter<'a>(
    footer: &'a Footer,
    plan: &'a ColumnsPlan,
    leaf: &Leaf,
) -> Result<StatisticsConverter<'a>, ParquetError> {
    let schema = footer.metadata().file_metadata().schema_descr();
    StatisticsConverter::try_new(&leaf.column, &plan.file_schema, schema)
        .map(|c| c.with_missing_null_counts_as_zero(false))
}

fn collect(
    column: &PrimitiveColumn,
    (mins, maxes, nulls): (ArrayRef, ArrayRef, UInt64Array),
    rows: &[u64],
) -> Option<Vec<Bounds>> {
    if mins.len() != rows.len() || maxes.len() != rows.len() || nulls.len() != rows.len() {
        return None;
    }
    let mins = column.cast.apply(&mins).ok()?;
    let maxes = column.cast.apply(&maxes).ok()?;
    Some(
        rows.iter()
            .enumerate()
            .map(|(i, rows)| Bounds {
                min: datum(&mins, i)
                    .filter(|d| !is_nan(d))
                    .map(|d| with_zero(d, -0.0)),
                max: datum(&maxes, i)
                    .filter(|d| !is_nan(d))
                    .map(|d| with_zero(d, 0.0)),
                nulls: nulls.is_valid(i).then(|| nulls.value(i)),
                rows: *rows,
            })
            .collect(),
    )
}

fn is_nan(datum: &Datum) -> bool {
    match datum {
        Datum::Float(v) => v.is_nan(),
        Datum::Double(v) => v.is_nan(),
        _ => false,
    }
}

/// Writers may store either zero as a bound for both: a zero bound becomes `zero`.
fn with_zero(datum: Datum, zero: f32) -> Datum {
    match datum {
        Datum::Float(v) => Datum::Float(if v == 0.0 { zero } else { v }),
        Datum::Double(v) => Datum::Double(if v == 0.0 { f64::from(zero) } else { v }),
        other => other,
    }
}

/// Value `i` of an array of a primitive Paimon type.
fn datum(array: &ArrayRef, i: usize) -> Option<Datum> {
    if array.is_null(i) {
        return None;
    }
    Some(match array.data_type() {
        ArrowType::Boolean => Datum::Boolean(array.as_boolean().value(i)),
        ArrowType::Int8 => Datum::TinyInt(array.as_primitive::<Int8Type>().value(i)),
        ArrowType::Int16 => Datum::SmallInt(array.as_primitive::<Int16Type>().value(i)),
        ArrowType::Int32 => Datum::Int(array.as_primitive::<Int32Type>().value(i)),
        ArrowType::Int64 => Datum::BigInt(array.as_primitive::<Int64Type>().value(i)),
        ArrowType::Float32 => Datum::Float(array.as_primitive::<Float32Type>().value(i)),
        ArrowType::Float64 => Datum::Double(array.as_primitive::<Float64Type>().value(i)),
        ArrowType::Decimal128(_, scale) => Datum::Decimal {
            unscaled: array.as_primitive::<Decimal128Type>().value(i),
            scale: u8::try_from(*scale).ok()?,
        },
        ArrowType::Utf8View => Datum::String(array.as_string_view().value(i).to_string()),
        ArrowType::BinaryView => Datum::Bytes(array.as_binary_view().value(i).to_vec()),
        ArrowType::Date32 => Datum::Date(array.as_primitive::<Date32Type>().value(i)),
        ArrowType::Time32(TimeUnit::Millisecond) => {
            Datum::Time(array.as_primitive::<Time32MillisecondType>().value(i))
        }
        ArrowType::Timestamp(unit, _) => timestamp(array, *unit, i)?,
        _ => return None,
    })
}

fn timestamp(array: &ArrayRef, unit: TimeUnit, i: usize) -> Option<Datum> {
    let (value, per_milli) = match unit {
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(i), 1),
        TimeUnit::Microsecond => (
            array.as_primitive::<TimestampMicrosecondType>().value(i),
            1_000,
        ),
        TimeUnit::Nanosecond => (
            array.as_primitive::<TimestampNanosecondType>().value(i),
            1_000_000,
        ),
        TimeUnit::Second => return None,
    };
    Some(Datum::Timestamp {
        millis: value.div_euclid(per_milli),
        nanos: i32::try_from(value.rem_euclid(per_milli) * (1_000_000 / per_milli)).ok()?,
    })
}
