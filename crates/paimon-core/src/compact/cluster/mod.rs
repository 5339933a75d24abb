//! Sorting compaction: all rows of the partitions asked for are rewritten in the order of some columns, or of a curve
//! through them, so that the minima and maxima of files say more and a filter reads fewer of them.
//!
//! ```text
//! files --rows--> sort keys --> external sort --> new files, one OVERWRITE
//! ```
//!
//! Source: `SortCompactAction`, `TableSorter`.

mod curve;
mod incremental;
mod keys;
mod rewrite;
mod sort;
mod strategy;
mod values;

pub(super) use incremental::{cluster_incrementally, is_incremental};
pub(super) use rewrite::cluster_table;
pub use strategy::{Clustering, OrderStrategy};
