//! The part of a predicate that some columns can answer.

use super::{Leaf, Predicate};

/// The strongest predicate over only the kept leaves that every row satisfying `predicate` satisfies.
///
/// A leaf that is not kept counts as true, so an OR with such a branch is true as a whole.
pub fn project(predicate: &Predicate, keep: &dyn Fn(&Leaf) -> bool) -> Predicate {
    match predicate {
        Predicate::Leaf(leaf) if !keep(leaf) => Predicate::AlwaysTrue,
        Predicate::And(parts) => Predicate::and(parts.iter().map(|part| project(part, keep))),
        Predicate::Or(parts) => Predicate::or(parts.iter().map(|part| project(part, keep))),
        other => other.clone(),
    }
}
