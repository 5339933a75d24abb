//! Random small tables and predicates over them, for tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, RecordBatch,
    StringViewArray, TimestampMicrosecondArray,
};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::{Predicate, PredicateOp};
use crate::arrow_bridge::arrow_schema;
use crate::spec::{DataField, DataType, Datum, TypeKind};

/// Columns by field id, then rows.
pub(crate) struct RandomTable {
    pub(crate) fields: Vec<DataField>,
    pub(crate) columns: Vec<Vec<Option<Datum>>>,
    pub(crate) batch: RecordBatch,
}

impl RandomTable {
    pub(crate) fn new(rng: &mut StdRng) -> Self {
        let kinds = [
            TypeKind::Int,
            TypeKind::Double,
            TypeKind::VarChar(10),
            TypeKind::Timestamp(6),
            TypeKind::Decimal {
                precision: 10,
                scale: 2,
            },
            TypeKind::Boolean,
        ];
        let fields: Vec<DataField> = kinds
            .into_iter()
            .enumerate()
            .map(|(i, kind)| {
                DataField::new(
                    i32::try_from(i).unwrap(),
                    format!("c{i}"),
                    DataType::nullable(kind),
                )
            })
            .collect();
        let rows = rng.random_range(1..30);
        let columns: Vec<Vec<Option<Datum>>> = fields
            .iter()
            .map(|field| {
                let nulls = *[0.0, 0.2, 1.0].choose(rng).unwrap();
                (0..rows)
                    .map(|_| (!rng.random_bool(nulls)).then(|| value(rng, &field.data_type, false)))
                    .collect()
            })
            .collect();
        let arrays = columns.iter().zip(&fields).map(|(c, f)| array(c, f));
        let batch = RecordBatch::try_new(arrow_schema(&fields), arrays.collect()).unwrap();
        Self {
            fields,
            columns,
            batch,
        }
    }

    pub(crate) fn predicate(&self, rng: &mut StdRng, depth: u32) -> Predicate {
        if depth > 0 && rng.random_bool(0.5) {
            let parts: Vec<Predicate> = (0..rng.random_range(2..4))
                .map(|_| self.predicate(rng, depth - 1))
                .collect();
            return if rng.random() {
                Predicate::and(parts)
            } else {
                Predicate::or(parts)
            };
        }
        let field = self.fields.choose(rng).unwrap();
        use PredicateOp as Op;
        let mut ops = vec![
            Op::Eq,
            Op::NotEq,
            Op::Lt,
            Op::LtEq,
            Op::Gt,
            Op::GtEq,
            Op::IsNull,
            Op::IsNotNull,
            Op::In,
            Op::NotIn,
        ];
        if field.data_type.kind.is_string() {
            ops.extend([Op::StartsWith, Op::EndsWith, Op::Contains, Op::Like]);
        }
        let op = *ops.choose(rng).unwrap();
        let count = match op {
            Op::IsNull | Op::IsNotNull => 0,
            Op::In | Op::NotIn => rng.random_range(0..5),
            _ => 1,
        };
        let literals = (0..count)
            .map(|_| {
                if op == Op::Like {
                    return Some(Datum::String(text(rng, &["a", "b", "%", "_", "é"])));
                }
                (!rng.random_bool(0.05)).then(|| value(rng, &field.data_type, true))
            })
            .collect();
        Predicate::leaf(field, op, literals).unwrap()
    }
}

fn text(rng: &mut StdRng, alphabet: &[&str]) -> String {
    let parts = (0..rng.random_range(0..4)).map(|_| *alphabet.choose(rng).unwrap());
    parts.collect::<Vec<_>>().concat()
}

/// Literals may be finer than what a column holds.
fn value(rng: &mut StdRng, data_type: &DataType, literal: bool) -> Datum {
    match &data_type.kind {
        TypeKind::Int => Datum::Int(rng.random_range(-5..5)),
        TypeKind::Double => Datum::Double(
            *[
                0.0,
                -0.0,
                1.5,
                -1.5,
                f64::NAN,
                -f64::NAN,
                f64::INFINITY,
                2.0,
            ]
            .choose(rng)
            .unwrap(),
        ),
        TypeKind::VarChar(_) => Datum::String(text(rng, &["a", "b", "é"])),
        TypeKind::Timestamp(_) => Datum::Timestamp {
            millis: rng.random_range(-2..2),
            nanos: if literal {
                rng.random_range(0..4) * 500
            } else {
                rng.random_range(0..2) * 1000
            },
        },
        TypeKind::Decimal { .. } => Datum::Decimal {
            unscaled: rng.random_range(-5..5),
            scale: 2,
        },
        _ => Datum::Boolean(rng.random()),
    }
}

fn array(column: &[Option<Datum>], field: &DataField) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $pattern:pat => $value:expr) => {
            column
                .iter()
                .map(|d| match d {
                    $pattern => Some($value),
                    None => None,
                    Some(other) => panic!("{other:?}"),
                })
                .collect::<$array>()
        };
    }
    match &field.data_type.kind {
        TypeKind::Int => Arc::new(collect!(Int32Array, Some(Datum::Int(v)) => *v)),
        TypeKind::Double => Arc::new(collect!(Float64Array, Some(Datum::Double(v)) => *v)),
        TypeKind::VarChar(_) => {
            Arc::new(collect!(StringViewArray, Some(Datum::String(v)) => v.clone()))
        }
        TypeKind::Timestamp(_) => Arc::new(collect!(
            TimestampMicrosecondArray,
            Some(Datum::Timestamp { millis, nanos }) => millis * 1000 + i64::from(*nanos) / 1000
        )),
        TypeKind::Decimal { .. } => Arc::new(
            collect!(Decimal128Array, Some(Datum::Decimal { unscaled, .. }) => *unscaled)
                .with_precision_and_scale(10, 2)
                .unwrap(),
        ),
        _ => Arc::new(collect!(BooleanArray, Some(Datum::Boolean(v)) => *v)),
    }
}
