//! Filters over table columns: built by callers, evaluated on statistics, partitions, file indexes and batches.
//!
//! A [`Predicate`] is in terms of one schema's columns, matched by field id where schemas differ.
//! SQL semantics: a comparison with null is not true. Floats compare as in Spark: -0.0 equals 0.0, NaN equals NaN and
//! is larger than everything else.

mod batch;
mod builder;
mod compare;
mod eval;
mod like;
mod project;
#[cfg(test)]
pub(crate) mod random;
mod stats;
#[cfg(test)]
mod tests;

pub use batch::evaluate_batch;
pub use compare::sql_compare;
pub use eval::matches;
pub use project::project;
pub use stats::{ColumnStats, may_match};

use crate::spec::{DataType, Datum};

/// Comparison of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredicateOp {
    /// `= literal`
    Eq,
    /// `<> literal`
    NotEq,
    /// `< literal`
    Lt,
    /// `<= literal`
    LtEq,
    /// `> literal`
    Gt,
    /// `>= literal`
    GtEq,
    /// `IS NULL`, no literal
    IsNull,
    /// `IS NOT NULL`, no literal
    IsNotNull,
    /// `IN (literals)`; a null in the list was removed by the builder
    In,
    /// `NOT IN (literals)`; a list with a null is `AlwaysFalse`
    NotIn,
    /// string begins with the literal
    StartsWith,
    /// string ends with the literal
    EndsWith,
    /// string contains the literal
    Contains,
    /// SQL LIKE with `%` and `_`, escape `\`
    Like,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Field id of the column.
    pub field_id: i32,
    /// Name of the column in the schema the predicate is expressed in.
    pub column: String,
    /// Type of the column in that schema; literals have the same type.
    pub data_type: DataType,
    /// Comparison.
    pub op: PredicateOp,
    /// Literals, as many as the operation takes.
    pub literals: Vec<Datum>,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// Keeps every row.
    AlwaysTrue,
    /// Keeps no row.
    AlwaysFalse,
    /// One comparison.
    Leaf(Leaf),
    /// All must hold.
    And(Vec<Predicate>),
    /// One must hold.
    Or(Vec<Predicate>),
}
