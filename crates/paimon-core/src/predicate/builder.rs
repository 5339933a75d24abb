//! Constructors that keep predicates small.

use super::{Leaf, Predicate, PredicateOp};
use crate::error::{Error, Result};
use crate::spec::{DataField, Datum};

impl Predicate {
    /// All of `parts`; nested conjunctions are flattened, constants folded. Always true without parts.
    pub fn and(parts: impl IntoIterator<Item = Predicate>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Predicate::AlwaysTrue => {}
                Predicate::AlwaysFalse => return Predicate::AlwaysFalse,
                Predicate::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        single_or(kept, Predicate::AlwaysTrue, Predicate::And)
    }

    /// Any of `parts`; nested disjunctions are flattened, constants folded. Always false without parts.
    pub fn or(parts: impl IntoIterator<Item = Predicate>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Predicate::AlwaysFalse => {}
                Predicate::AlwaysTrue => return Predicate::AlwaysTrue,
                Predicate::Or(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        single_or(kept, Predicate::AlwaysFalse, Predicate::Or)
    }

    /// One comparison of a column with literals of its type, `None` for null. Null literals, lists of none or one,
    /// and LIKE patterns that are a plain prefix, suffix or infix are simplified.
    ///
    /// # Errors
    /// `InvalidInput` when the number of literals does not suit the operation.
    pub fn leaf(column: &DataField, op: PredicateOp, literals: Vec<Option<Datum>>) -> Result<Self> {
        let takes = match op {
            PredicateOp::IsNull | PredicateOp::IsNotNull => 0,
            PredicateOp::In | PredicateOp::NotIn => literals.len(),
            _ => 1,
        };
        if literals.len() != takes {
            return Err(Error::invalid(format!(
                "{op:?} takes {takes} literals, found {}",
                literals.len()
            ))
            .with("column", &column.name));
        }
        let has_null = literals.iter().any(Option::is_none);
        if has_null && op != PredicateOp::In {
            return Ok(Predicate::AlwaysFalse);
        }
        let literals: Vec<Datum> = literals.into_iter().flatten().collect();
        let Some((op, literals)) = simplify(op, literals) else {
            return Ok(match op {
                PredicateOp::NotIn => Predicate::AlwaysTrue,
                _ => Predicate::AlwaysFalse,
            });
        };
        Ok(Predicate::Leaf(Leaf {
            field_id: column.id,
            column: column.name.clone(),
            data_type: column.data_type.clone(),
            op,
            literals,
        }))
    }

    /// Calls `visit` with every leaf.
    pub fn for_each_leaf<'a>(&'a self, visit: &mut dyn FnMut(&'a Leaf)) {
        match self {
            Predicate::AlwaysTrue | Predicate::AlwaysFalse => {}
            Predicate::Leaf(leaf) => visit(leaf),
            Predicate::And(parts) | Predicate::Or(parts) => {
                for part in parts {
                    part.for_each_leaf(visit);
                }
            }
        }
    }
}

fn single_or(
    mut parts: Vec<Predicate>,
    empty: Predicate,
    many: fn(Vec<Predicate>) -> Predicate,
) -> Predicate {
    match parts.len() {
        0 => empty,
        1 => parts.swap_remove(0),
        _ => many(parts),
    }
}

/// An equal but simpler operation; `None` for an empty list.
fn simplify(op: PredicateOp, literals: Vec<Datum>) -> Option<(PredicateOp, Vec<Datum>)> {
    match (op, literals.as_slice()) {
        (PredicateOp::In | PredicateOp::NotIn, []) => None,
        (PredicateOp::In, [_]) => Some((PredicateOp::Eq, literals)),
        (PredicateOp::NotIn, [_]) => Some((PredicateOp::NotEq, literals)),
        (PredicateOp::Like, [Datum::String(pattern)]) => {
            let (op, text) = simplify_like(pattern);
            Some((op, vec![Datum::String(text.to_string())]))
        }
        _ => Some((op, literals)),
    }
}

fn simplify_like(pattern: &str) -> (PredicateOp, &str) {
    let like = (PredicateOp::Like, pattern);
    if pattern.contains(['_', '\\']) {
        return like;
    }
    let (head, inner) = match pattern.strip_prefix('%') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (tail, inner) = match inner.strip_suffix('%') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    if inner.contains('%') {
        return like;
    }
    match (head, tail) {
        (false, false) => (PredicateOp::Eq, inner),
        (false, true) => (PredicateOp::StartsWith, inner),
        (true, false) => (PredicateOp::EndsWith, inner),
        (true, true) => (PredicateOp::Contains, inner),
    }
}
