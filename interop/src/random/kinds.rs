//! Which types fit where.

use paimon_core::spec::{DataField, DataType, MAX_LENGTH, TypeKind};

/// Types of single values that an index takes in every release.
pub fn plain(kind: &TypeKind) -> bool {
    !matches!(
        kind,
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Multiset(_) | TypeKind::Row(_)
    ) && !matches!(
        kind,
        TypeKind::Boolean | TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Decimal { .. }
    ) && !matches!(kind, TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if *p > 6)
}

/// Those that have an order without exceptions.
pub fn comparable(kind: &TypeKind) -> bool {
    plain(kind) && !matches!(kind, TypeKind::Float | TypeKind::Double)
}

/// Numbers that can be added up.
pub fn numeric(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::TinyInt
            | TypeKind::SmallInt
            | TypeKind::Int
            | TypeKind::BigInt
            | TypeKind::Decimal { .. }
            | TypeKind::Double
            | TypeKind::Float
    )
}

/// Java's BSI cannot hold the least BIGINT.
pub fn counted(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::TinyInt
            | TypeKind::SmallInt
            | TypeKind::Int
            | TypeKind::Date
            | TypeKind::Timestamp(0..=6)
    )
}

/// Those that may order the rows of a key.
pub fn ordered(kind: &TypeKind) -> bool {
    comparable(kind) && !matches!(kind, TypeKind::Time(_))
}

/// Avro counts microseconds at most, of a day milliseconds; Java writes no multisets but of texts.
pub fn fit_for_avro(kind: &TypeKind) -> TypeKind {
    let inner = |t: &DataType| {
        Box::new(DataType {
            kind: fit_for_avro(&t.kind),
            nullable: t.nullable,
        })
    };
    match kind {
        TypeKind::Time(p) => TypeKind::Time((*p).min(3)),
        TypeKind::Timestamp(p) => TypeKind::Timestamp((*p).min(6)),
        TypeKind::LocalZonedTimestamp(p) => TypeKind::LocalZonedTimestamp((*p).min(6)),
        TypeKind::Array(t) => TypeKind::Array(inner(t)),
        TypeKind::Multiset(_) => {
            TypeKind::Multiset(Box::new(DataType::not_null(TypeKind::VarChar(MAX_LENGTH))))
        }
        TypeKind::Map(k, v) => TypeKind::Map(k.clone(), inner(v)),
        TypeKind::Row(fields) => TypeKind::Row(
            fields
                .iter()
                .map(|f| DataField {
                    data_type: *inner(&f.data_type),
                    ..f.clone()
                })
                .collect(),
        ),
        other => other.clone(),
    }
}
