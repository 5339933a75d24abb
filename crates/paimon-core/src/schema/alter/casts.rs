//! Which types a column may change to. Source: `DataTypeCasts`, `CastExecutors`.

use arrow_array::new_empty_array;

use crate::arrow_bridge::{arrow_type, cast_array};
use crate::spec::{DataType, MAX_LENGTH, TypeKind};

/// Whether a type may become another one; `explicit` allows casts that may lose something.
pub(in crate::schema) fn is_castable(from: &DataType, to: &DataType, explicit: bool) -> bool {
    if from.kind == to.kind {
        return true;
    }
    let allowed = is_implicit(&from.kind, &to.kind) || (explicit && is_explicit(&from.kind, to));
    // what is there must be readable as the new type
    allowed && cast_array(&new_empty_array(&arrow_type(from)), from, to).is_ok()
}

/// Order among numbers: each goes to the later ones without losing its range.
fn rank(kind: &TypeKind) -> Option<u8> {
    Some(match kind {
        TypeKind::TinyInt => 0,
        TypeKind::SmallInt => 1,
        TypeKind::Int => 2,
        TypeKind::BigInt => 3,
        TypeKind::Float => 4,
        TypeKind::Double => 5,
        TypeKind::Decimal { .. } => 6,
        _ => return None,
    })
}

fn is_implicit(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    if let (Some(a), Some(b)) = (rank(from), rank(to)) {
        return a < b
            || matches!(
                (from, to),
                (Decimal { .. }, Float | Double | Decimal { .. })
            );
    }
    matches!(
        (from, to),
        (Char(_), Char(_) | VarChar(_))
            | (VarChar(_), VarChar(_))
            | (Binary(_), Binary(_) | VarBinary(_))
            | (VarBinary(_), VarBinary(_))
            | (
                Timestamp(_),
                Date | Time(_) | Timestamp(_) | LocalZonedTimestamp(_)
            )
            | (
                LocalZonedTimestamp(_),
                Timestamp(_) | LocalZonedTimestamp(_)
            )
    )
}

fn is_explicit(from: &TypeKind, to: &DataType) -> bool {
    use TypeKind::*;
    let text = to.kind.is_string();
    let whole = to.nullable && to.kind == VarChar(MAX_LENGTH);
    let moment = to.kind.is_timestamp();
    match from {
        Boolean => text || rank(&to.kind).is_some(),
        TinyInt | SmallInt => text || is_narrower(from, &to.kind) || to.kind == Boolean,
        Int | BigInt => text || is_narrower(from, &to.kind) || to.kind == Boolean || moment,
        Float | Double | Decimal { .. } => text || is_narrower(from, &to.kind),
        Char(_) | VarChar(_) => {
            text || moment
                || rank(&to.kind).is_some()
                || matches!(to.kind, Boolean | Binary(_) | VarBinary(_) | Date | Time(_))
        }
        Binary(_) | VarBinary(_) => text || matches!(to.kind, Binary(_)),
        Date | Time(_) => moment || whole,
        Timestamp(_) => whole || matches!(to.kind, Int | BigInt),
        LocalZonedTimestamp(_) => whole || matches!(to.kind, Date | Time(_) | Int | BigInt),
        Array(_) | Map(..) | Row(_) => text,
        Variant | Blob | Vector(..) | Multiset(_) => false,
    }
}

/// Whether a number loses range or digits.
fn is_narrower(from: &TypeKind, to: &TypeKind) -> bool {
    match (rank(from), rank(to)) {
        (Some(a), Some(b)) => {
            b < a
                && !matches!(
                    (from, to),
                    (TypeKind::Decimal { .. }, TypeKind::Decimal { .. })
                )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::parse_data_type;

    fn check(from: &str, to: &str) -> (bool, bool) {
        let (from, to) = (parse_data_type(from).unwrap(), parse_data_type(to).unwrap());
        (
            is_castable(&from, &to, false),
            is_castable(&from, &to, true),
        )
    }

    #[test]
    fn casts_are_those_of_java() {
        let (implicit, explicit, never) = ((true, true), (false, true), (false, false));
        for (from, to, expected) in [
            ("INT", "BIGINT", implicit),
            ("BIGINT", "INT", explicit),
            ("INT", "DECIMAL(10, 2)", implicit),
            ("DECIMAL(10, 2)", "DOUBLE", implicit),
            ("DECIMAL(10, 2)", "DECIMAL(5, 1)", implicit),
            ("DECIMAL(10, 2)", "INT", explicit),
            ("DOUBLE", "FLOAT", explicit),
            ("FLOAT", "DOUBLE", implicit),
            ("BOOLEAN", "INT", explicit),
            ("INT", "BOOLEAN", explicit),
            ("DOUBLE", "BOOLEAN", never),
            ("INT", "TIMESTAMP(3)", explicit),
            ("SMALLINT", "TIMESTAMP(3)", never),
            ("INT", "DATE", never),
            ("VARCHAR(5)", "STRING", implicit),
            ("STRING", "CHAR(5)", explicit),
            ("STRING", "INT", explicit),
            ("STRING", "ARRAY<INT>", never),
            ("ARRAY<INT>", "STRING", explicit),
            ("ARRAY<INT>", "ARRAY<BIGINT>", never),
            ("DATE", "STRING", explicit),
            ("DATE", "VARCHAR(20)", never),
            ("DATE", "STRING NOT NULL", never),
            ("DATE", "TIMESTAMP(6)", explicit),
            ("TIMESTAMP(6)", "DATE", implicit),
            ("TIMESTAMP(6)", "TIMESTAMP(3)", implicit),
            ("TIMESTAMP(6)", "BIGINT", explicit),
            ("TIMESTAMP(6)", "SMALLINT", never),
            ("BINARY(3)", "BYTES", implicit),
            ("BYTES", "BINARY(3)", explicit),
            ("BYTES", "INT", never),
            ("TIME(3)", "TIME(0)", never),
            ("VARIANT", "STRING", never),
        ] {
            assert_eq!(check(from, to), expected, "{from} to {to}");
        }
    }
}
