//! Values and filters.

use paimon_core::predicate::{Leaf, Predicate, PredicateOp};
use paimon_core::spec::Datum;
use paimon_core::{Error, Result};
use prost::{Message, Oneof};

use crate::envelope::{narrow, required};

/// A value; null without one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DatumMessage {
    #[prost(
        oneof = "DatumKind",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13"
    )]
    kind: Option<DatumKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum DatumKind {
    #[prost(bool, tag = "1")]
    Boolean(bool),
    #[prost(sint32, tag = "2")]
    TinyInt(i32),
    #[prost(sint32, tag = "3")]
    SmallInt(i32),
    #[prost(sint32, tag = "4")]
    Int(i32),
    #[prost(sint64, tag = "5")]
    BigInt(i64),
    #[prost(float, tag = "6")]
    Float(f32),
    #[prost(double, tag = "7")]
    Double(f64),
    #[prost(message, tag = "8")]
    Decimal(DecimalMessage),
    #[prost(string, tag = "9")]
    String(String),
    #[prost(bytes = "vec", tag = "10")]
    Bytes(Vec<u8>),
    #[prost(sint32, tag = "11")]
    Date(i32),
    #[prost(sint32, tag = "12")]
    Time(i32),
    #[prost(message, tag = "13")]
    Timestamp(TimestampMessage),
}

#[derive(Clone, PartialEq, Message)]
struct DecimalMessage {
    /// Sixteen bytes, the highest first.
    #[prost(bytes = "vec", tag = "1")]
    unscaled: Vec<u8>,
    #[prost(uint32, tag = "2")]
    scale: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TimestampMessage {
    #[prost(sint64, tag = "1")]
    millis: i64,
    #[prost(sint32, tag = "2")]
    nanos: i32,
}

impl From<&Option<Datum>> for DatumMessage {
    fn from(value: &Option<Datum>) -> Self {
        let kind = value.as_ref().map(|value| match value {
            Datum::Boolean(v) => DatumKind::Boolean(*v),
            Datum::TinyInt(v) => DatumKind::TinyInt(i32::from(*v)),
            Datum::SmallInt(v) => DatumKind::SmallInt(i32::from(*v)),
            Datum::Int(v) => DatumKind::Int(*v),
            Datum::BigInt(v) => DatumKind::BigInt(*v),
            Datum::Float(v) => DatumKind::Float(*v),
            Datum::Double(v) => DatumKind::Double(*v),
            Datum::Decimal { unscaled, scale } => DatumKind::Decimal(DecimalMessage {
                unscaled: unscaled.to_be_bytes().to_vec(),
                scale: u32::from(*scale),
            }),
            Datum::String(v) => DatumKind::String(v.clone()),
            Datum::Bytes(v) => DatumKind::Bytes(v.clone()),
            Datum::Date(v) => DatumKind::Date(*v),
            Datum::Time(v) => DatumKind::Time(*v),
            Datum::Timestamp { millis, nanos } => DatumKind::Timestamp(TimestampMessage {
                millis: *millis,
                nanos: *nanos,
            }),
        });
        Self { kind }
    }
}

impl DatumMessage {
    pub(crate) fn value(self) -> Result<Option<Datum>> {
        let Some(kind) = self.kind else {
            return Ok(None);
        };
        Ok(Some(match kind {
            DatumKind::Boolean(v) => Datum::Boolean(v),
            DatumKind::TinyInt(v) => Datum::TinyInt(narrow(v, "a TINYINT")?),
            DatumKind::SmallInt(v) => Datum::SmallInt(narrow(v, "a SMALLINT")?),
            DatumKind::Int(v) => Datum::Int(v),
            DatumKind::BigInt(v) => Datum::BigInt(v),
            DatumKind::Float(v) => Datum::Float(v),
            DatumKind::Double(v) => Datum::Double(v),
            DatumKind::Decimal(v) => Datum::Decimal {
                unscaled: i128::from_be_bytes(v.unscaled.as_slice().try_into().map_err(|_| {
                    let bytes = v.unscaled.len();
                    Error::damaged(format!(
                        "a DECIMAL of a plan has {bytes} bytes, expected 16"
                    ))
                })?),
                scale: narrow(v.scale, "the scale of a DECIMAL")?,
            },
            DatumKind::String(v) => Datum::String(v),
            DatumKind::Bytes(v) => Datum::Bytes(v),
            DatumKind::Date(v) => Datum::Date(v),
            DatumKind::Time(v) => Datum::Time(v),
            DatumKind::Timestamp(v) => Datum::Timestamp {
                millis: v.millis,
                nanos: v.nanos,
            },
        }))
    }
}

/// A filter; every row passes without one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PredicateMessage {
    #[prost(oneof = "PredicateKind", tags = "1, 2, 3, 4")]
    kind: Option<PredicateKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum PredicateKind {
    #[prost(bool, tag = "1")]
    AlwaysFalse(bool),
    #[prost(message, tag = "2")]
    Leaf(LeafMessage),
    #[prost(message, tag = "3")]
    And(PredicatesMessage),
    #[prost(message, tag = "4")]
    Or(PredicatesMessage),
}

#[derive(Clone, PartialEq, Message)]
struct PredicatesMessage {
    #[prost(message, repeated, tag = "1")]
    parts: Vec<PredicateMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct LeafMessage {
    #[prost(sint32, tag = "1")]
    field_id: i32,
    #[prost(string, tag = "2")]
    column: String,
    /// As in schema files.
    #[prost(string, tag = "3")]
    data_type: String,
    #[prost(string, tag = "4")]
    op: String,
    #[prost(message, repeated, tag = "5")]
    literals: Vec<DatumMessage>,
}

/// Comparisons by the names that they travel under.
const OPS: &[(&str, PredicateOp)] = &[
    ("eq", PredicateOp::Eq),
    ("not-eq", PredicateOp::NotEq),
    ("lt", PredicateOp::Lt),
    ("lt-eq", PredicateOp::LtEq),
    ("gt", PredicateOp::Gt),
    ("gt-eq", PredicateOp::GtEq),
    ("is-null", PredicateOp::IsNull),
    ("is-not-null", PredicateOp::IsNotNull),
    ("in", PredicateOp::In),
    ("not-in", PredicateOp::NotIn),
    ("starts-with", PredicateOp::StartsWith),
    ("ends-with", PredicateOp::EndsWith),
    ("contains", PredicateOp::Contains),
    ("like", PredicateOp::Like),
];

impl PredicateMessage {
    /// # Errors
    /// When a type has no text, which is a bug.
    pub(crate) fn new(predicate: &Predicate) -> Result<Self> {
        let parts = |all: &[Predicate]| -> Result<PredicatesMessage> {
            let parts = all.iter().map(Self::new).collect::<Result<_>>()?;
            Ok(PredicatesMessage { parts })
        };
        let kind = match predicate {
            Predicate::AlwaysTrue => None,
            Predicate::AlwaysFalse => Some(PredicateKind::AlwaysFalse(true)),
            Predicate::Leaf(leaf) => Some(PredicateKind::Leaf(LeafMessage::new(leaf)?)),
            Predicate::And(all) => Some(PredicateKind::And(parts(all)?)),
            Predicate::Or(all) => Some(PredicateKind::Or(parts(all)?)),
        };
        Ok(Self { kind })
    }

    pub(crate) fn value(self) -> Result<Predicate> {
        let parts = |all: PredicatesMessage| -> Result<Vec<Predicate>> {
            all.parts.into_iter().map(Self::value).collect()
        };
        Ok(match self.kind {
            None => Predicate::AlwaysTrue,
            Some(PredicateKind::AlwaysFalse(_)) => Predicate::AlwaysFalse,
            Some(PredicateKind::Leaf(leaf)) => Predicate::Leaf(leaf.value()?),
            Some(PredicateKind::And(all)) => Predicate::And(parts(all)?),
            Some(PredicateKind::Or(all)) => Predicate::Or(parts(all)?),
        })
    }
}

impl LeafMessage {
    fn new(leaf: &Leaf) -> Result<Self> {
        let op = OPS.iter().find(|(_, op)| *op == leaf.op);
        Ok(Self {
            field_id: leaf.field_id,
            column: leaf.column.clone(),
            data_type: json(&leaf.data_type)?,
            op: required(op, "comparison")?.0.to_string(),
            literals: leaf.literals.iter().map(literal).collect(),
        })
    }

    fn value(self) -> Result<Leaf> {
        let op = OPS.iter().find(|(name, _)| *name == self.op);
        let Some((_, op)) = op else {
            let message = format!("a plan compares by {:?}, which is not known", self.op);
            return Err(Error::unsupported(message));
        };
        let literals = self.literals.into_iter().map(|l| {
            let value = l.value()?;
            required(value, "literal")
        });
        Ok(Leaf {
            field_id: self.field_id,
            column: self.column,
            data_type: of_json(&self.data_type, "type")?,
            op: *op,
            literals: literals.collect::<Result<_>>()?,
        })
    }
}

fn literal(value: &Datum) -> DatumMessage {
    DatumMessage::from(&Some(value.clone()))
}

/// A value as the JSON that metadata files have of it.
///
/// # Errors
/// `Internal` when it has none.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("a value has no JSON").with_source(e))
}

/// A value from its JSON.
///
/// # Errors
/// `Damaged` naming the value.
pub(crate) fn of_json<'a, T: serde::Deserialize<'a>>(text: &'a str, what: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::damaged(format!("the {what} of a plan is malformed")).with_source(e))
}
