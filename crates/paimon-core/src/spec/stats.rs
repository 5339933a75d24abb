//! Column statistics of a data file or manifest.
//!
//! Source: `org.apache.paimon.stats.SimpleStats`.

use bytes::Bytes;

/// Minimum, maximum and null counts per column, as stored: two serialised [`super::BinaryRow`]s
/// (4-byte big-endian arity, then the row) and one optional count per column.
///
/// A null minimum or maximum means unknown or all null; a missing count means unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimpleStats {
    /// Serialised row of minima.
    pub min_values: Bytes,
    /// Serialised row of maxima.
    pub max_values: Bytes,
    /// Null count per column; `None` as a whole when absent.
    pub null_counts: Option<Vec<Option<i64>>>,
}
