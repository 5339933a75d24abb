//! The pure core of the LSM tree: sections, sorted runs, the key merge and the merge engines.

mod dense;
pub mod function;
mod interval;
mod kernel;
mod keys;
mod levels;
mod universal;

pub use dense::MergeKey;
pub use interval::{KeyInterval, sections};
pub use kernel::{Collisions, find_collisions, mark_superseded};
pub use keys::{KeyBlock, KeyEncoder};
pub use levels::{LevelSortedRun, Levels, TreeFile};
pub use universal::{
    CompactUnit, EarlyFullCompaction, ForceUpLevel0Compaction, OffPeak, PickTime, RunSize,
    UniversalCompaction, pick_full,
};
