//! Scan planning, splits and reads.

mod bucket_filter;
mod file_stats;
mod generate;
mod plan;
mod selection;
mod split;

pub(crate) use plan::bucket_path;
pub use plan::{Plan, PlanCounts, PlanRequest, plan};
pub use selection::FileSelection;
pub use split::{
    DataSplit, Partition, Section, SortedRun, SplitFile, SplitKind, is_side_file, pack_ordered,
};
