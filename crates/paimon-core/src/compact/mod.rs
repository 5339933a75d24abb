//! Compaction: fewer, larger and deeper files with the same rows.
//!
//! Primary-key buckets are LSM trees: sorted runs are picked by size and age and merged into a deeper level. Files of
//! append tables are joined, or sorted on request; those of data-evolution tables row range by row range. Nothing changes for readers but the cost. Source: `MergeTreeCompactManager`,
//! `AppendCompactCoordinator`, `BucketedAppendCompactManager`.

mod append;
mod append_pick;
mod cluster;
mod evolution;
mod expire;
mod live_file;
mod merge_tree;
mod options;
mod postpone;
mod run;
mod state;
mod supported;
mod task;
mod tracking;
mod vectors;

pub use cluster::{Clustering, OrderStrategy};
pub use run::{CompactRequest, compact_table};
pub(crate) use state::idle_partitions;
