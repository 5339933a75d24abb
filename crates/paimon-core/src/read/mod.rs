//! Scan planning, splits and reads.

mod bucket_filter;
mod changes;
mod column_groups;
mod difference;
mod evolution;
mod file_scan;
mod file_stats;
mod fold;
mod generate;
mod interleave;
mod keyed;
mod ordered;
mod plan;
mod row_ids;
mod section_merge;
mod split;
mod split_read;
mod stream_plan;

pub use crate::selection::FileSelection;
pub use changes::{ChangeScan, ChangeSplit, plan_changes};
pub use difference::plan_difference;
pub use evolution::EvolutionPlan;
pub use file_scan::{DEFAULT_BATCH_SIZE, FileScan, has_index, indexed_rows, live_rows};
pub(crate) use file_stats::FileStats;
pub use file_stats::column_stats;
pub(crate) use keyed::{KeyedFile, section_of};
pub(crate) use ordered::{
    BelowRun, ChangelogMoment, ChangelogRules, KeyLookup, Merged, OrderedBatch, OrderedMerge,
    RowFilter,
};
pub(crate) use plan::live_partition_rows;
pub use plan::{Plan, PlanCounts, PlanLevels, PlanRequest, plan};
pub(crate) use plan::{bucket_path, data_file_path, partition_folder};
pub(crate) use row_ids::with_row_ids;
pub use section_merge::{FileOutcome, MergeRules, Resolution, SectionOutcome, merge_section};
pub use split::{
    DataSplit, Partition, Section, SortedRun, SplitFile, SplitKind, is_side_file, pack_ordered,
};
pub use split_read::{SplitRead, key_filter};
pub(crate) use split_read::{filter_batch, no_column};
pub use stream_plan::{FollowUp, StreamSplit, plan_follow_up};
