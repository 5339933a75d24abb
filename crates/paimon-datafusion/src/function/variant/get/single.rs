//! Numbers, texts, points in time: values of one kind are cast together, as columns.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::interleave;
use datafusion::error::Result;
use paimon_core::arrow_bridge::{arrow_type, cast_array, datums_to_array};
use paimon_core::spec::{DataType, Datum, TypeKind, parse_data_type};
use parquet_variant::Variant;

use super::super::print::{plain, stripped};
use super::Conversion;
use crate::error::to_datafusion;

const MICROS_PER_MILLI: i64 = 1000;
const NANOS_PER_MICRO: i64 = 1000;

/// Values of one type, by their rows.
struct Group {
    data_type: DataType,
    rows: Vec<usize>,
    values: Vec<Option<Datum>>,
}

impl Conversion {
    /// A column of a type that is not nested.
    pub(super) fn singles(
        &self,
        values: &[Option<Variant<'_, '_>>],
        to: &DataType,
    ) -> Result<ArrayRef> {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<TypeKind, usize> = HashMap::new();
        for (row, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let Some((datum, kind)) = self.datum(value, to)? else {
                continue;
            };
            let group = *known.entry(kind.clone()).or_insert_with(|| {
                groups.push(Group {
                    data_type: DataType::nullable(kind),
                    rows: Vec::new(),
                    values: Vec::new(),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(group) {
                group.rows.push(row);
                group.values.push(Some(datum));
            }
        }
        let mut arrays = vec![new_null_array(&arrow_type(to), 1)];
        let mut places = vec![(0, 0); values.len()];
        for group in groups {
            for (i, row) in group.rows.iter().enumerate() {
                if let Some(place) = places.get_mut(*row) {
                    *place = (arrays.len(), i);
                }
            }
            arrays.push(self.cast(&group, values, to)?);
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &places)?)
    }

    fn cast(
        &self,
        group: &Group,
        values: &[Option<Variant<'_, '_>>],
        to: &DataType,
    ) -> Result<ArrayRef> {
        let array = datums_to_array(&group.values, &group.data_type).map_err(to_datafusion)?;
        if let Ok(cast) = cast_array(&array, &group.data_type, to) {
            return Ok(cast);
        }
        // one of them does not fit
        let mut rows = Vec::with_capacity(group.rows.len());
        for (i, row) in group.rows.iter().enumerate() {
            let one = cast_array(&array.slice(i, 1), &group.data_type, to);
            rows.push(match one {
                Ok(one) => one,
                Err(_) => {
                    let value = values.get(*row).and_then(Option::as_ref);
                    self.no_value::<()>(value, to)?;
                    new_null_array(&arrow_type(to), 1)
                }
            });
        }
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        Ok(arrow::compute::concat(&rows)?)
    }

    /// A value and its type, `None` for null.
    fn datum(&self, value: &Variant<'_, '_>, to: &DataType) -> Result<Option<(Datum, TypeKind)>> {
        let Some((datum, kind)) = self.typed(value, to)? else {
            return Ok(None);
        };
        match fits(&datum, &to.kind) {
            true => Ok(Some((datum, kind))),
            false => self.no_value(Some(value), to),
        }
    }

    fn typed(&self, value: &Variant<'_, '_>, to: &DataType) -> Result<Option<(Datum, TypeKind)>> {
        let decimal = |unscaled: i128, scale: u8| {
            let (unscaled, scale) = stripped(unscaled, scale);
            let kind = TypeKind::Decimal {
                precision: 38,
                scale,
            };
            (Datum::Decimal { unscaled, scale }, kind)
        };
        let long = |value: i64| (Datum::BigInt(value), TypeKind::BigInt);
        let string = parse_data_type("STRING").map_err(to_datafusion)?.kind;
        let text = |text: &str| (Datum::String(text.to_string()), string.clone());
        Ok(Some(match value {
            Variant::Null => return Ok(None),
            Variant::BooleanTrue => (Datum::Boolean(true), TypeKind::Boolean),
            Variant::BooleanFalse => (Datum::Boolean(false), TypeKind::Boolean),
            Variant::Int8(v) => long(i64::from(*v)),
            Variant::Int16(v) => long(i64::from(*v)),
            Variant::Int32(v) => long(i64::from(*v)),
            Variant::Int64(v) => long(*v),
            Variant::Float(v) => (Datum::Float(*v), TypeKind::Float),
            Variant::Double(v) => (Datum::Double(*v), TypeKind::Double),
            Variant::Decimal4(v) => decimal(i128::from(v.integer()), v.scale()),
            Variant::Decimal8(v) => decimal(i128::from(v.integer()), v.scale()),
            Variant::Decimal16(v) => decimal(v.integer(), v.scale()),
            Variant::Date(date) => {
                let days = date.signed_duration_since(chrono::NaiveDate::default());
                let days = i32::try_from(days.num_days()).unwrap_or(i32::MAX);
                (Datum::Date(days), TypeKind::Date)
            }
            Variant::TimestampMicros(at) => {
                let at = timestamp(at.timestamp_micros());
                (at, TypeKind::LocalZonedTimestamp(6))
            }
            Variant::TimestampNtzMicros(at) => {
                let at = timestamp(at.and_utc().timestamp_micros());
                (at, TypeKind::Timestamp(6))
            }
            Variant::Binary(bytes) => {
                let kind = parse_data_type("BYTES").map_err(to_datafusion)?.kind;
                (Datum::Bytes(bytes.to_vec()), kind)
            }
            Variant::String(v) => text(v),
            Variant::ShortString(v) => text(v.as_str()),
            // what has a text alone
            Variant::Object(_)
            | Variant::List(_)
            | Variant::Uuid(_)
            | Variant::Time(_)
            | Variant::TimestampNanos(_)
            | Variant::TimestampNtzNanos(_)
                if to.kind.is_string() =>
            {
                text(&plain(value, &self.zone))
            }
            _ => return self.no_value(Some(value), to),
        }))
    }
}

fn timestamp(micros: i64) -> Datum {
    let nanos = micros.rem_euclid(MICROS_PER_MILLI) * NANOS_PER_MICRO;
    Datum::Timestamp {
        millis: micros.div_euclid(MICROS_PER_MILLI),
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// Whether an integer type has room for a number; casts alone would wrap around.
fn fits(datum: &Datum, to: &TypeKind) -> bool {
    let bits = match to {
        TypeKind::TinyInt => 8,
        TypeKind::SmallInt => 16,
        TypeKind::Int => 32,
        TypeKind::BigInt => 64,
        _ => return true,
    };
    let bound = 1_i128 << (bits - 1);
    let within = |v: i128| (-bound..bound).contains(&v);
    let double = |v: f64| {
        let bound = f64::from(2_u8).powi(bits - 1);
        (-bound..bound).contains(&v.trunc())
    };
    match datum {
        Datum::BigInt(v) => within(i128::from(*v)),
        Datum::Decimal { unscaled, scale } => {
            within(unscaled / 10_i128.pow(u32::from(*scale).min(38)))
        }
        Datum::Float(v) => double(f64::from(*v)),
        Datum::Double(v) => double(*v),
        _ => true,
    }
}
