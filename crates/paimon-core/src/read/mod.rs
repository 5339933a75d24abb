//! Scan planning, splits and reads.

mod changes;
mod column_groups;
mod file;
mod memory;
mod merge;
mod plan;
mod split;
mod split_read;

pub use crate::selection::FileSelection;
pub use changes::difference::plan_difference;
pub use changes::follow_up::{FollowUp, StreamSplit, plan_follow_up};
pub use changes::{ChangeScan, ChangeSplit, plan_changes};
pub(crate) use file::blobs::is_pack;
pub use file::evolution::EvolutionPlan;
pub use file::row_ids::row_ids;
pub(crate) use file::row_ids::with_row_ids;
pub(crate) use file::scan::deleted_rows;
pub use file::scan::{DEFAULT_BATCH_SIZE, FileScan, has_index, indexed_rows, live_rows};
pub(crate) use file::scan::{INDEX_SIZE_MAX, INDEX_SUFFIX, check_index_size};
pub(crate) use file::stats::FileStats;
pub use file::stats::column_stats;
pub use memory::ReadMemory;
pub(crate) use merge::keyed::{KeyedFile, section_of};
pub(crate) use merge::ordered::{
    BelowRun, ChangelogMoment, ChangelogRules, KeyLookup, Merged, OrderedBatch, OrderedMerge,
};
pub use merge::section::{FileOutcome, MergeRules, Resolution, SectionOutcome, merge_section};
pub(crate) use plan::live_partition_rows;
pub use plan::{Plan, PlanCounts, PlanLevels, PlanRequest, plan};
pub(crate) use plan::{bucket_path, data_file_path, partition_folder};
pub(crate) use split::anchor_of;
pub use split::{
    DataSplit, Partition, Section, SortedRun, SplitFile, SplitKind, is_side_file, pack_ordered,
    written_order,
};
pub use split_read::{FILES_AT_ONCE, SplitRead, key_filter};
pub(crate) use split_read::{filter_batch, no_column};
