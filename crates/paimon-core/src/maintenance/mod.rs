//! Looking after a table: checking its invariants, expiring snapshots and partitions, removing orphan files, tags,
//! branches, consumers, rollback, statistics.
//!
//! Whatever deletes reads everything it needs first, refuses to go on when metadata that stays cannot be read, and
//! removes the file that makes a snapshot before the files that only this snapshot needs: a kill leaves garbage, never a
//! snapshot with holes.

mod adopt;
mod after_commit;
mod analyze;
mod auto_compact;
mod auto_tags;
mod branches;
mod consumers;
mod copy;
mod discard;
mod done_partitions;
mod earliest;
mod expire;
mod file_indexes;
pub mod fsck;
mod manifests;
mod missing_files;
mod orphans;
mod partitions;
mod reachable;
mod rescale;
mod rollback;
mod tags;

pub use adopt::{AdoptFiles, ForeignFile, finish_adoption};
pub use after_commit::after_commit;
pub use analyze::{AnalyzeTable, AnalyzedColumns};
pub(crate) use auto_compact::{AutoCompact, compact_and_commit};
pub(crate) use auto_tags::Periods;
pub use auto_tags::{create_due_tags, trigger_tags};
pub use branches::{create_branch, delete_branch, fast_forward, merge_branch, rename_branch};
pub(crate) use consumers::{check_consumer_id, read_consumer, write_consumer};
pub use consumers::{clear_consumers, expire_consumers, reset_consumer};
pub use copy::CopyFiles;
pub use done_partitions::mark_partitions_done;
pub use earliest::repair_earliest_snapshot;
pub use expire::{ChangelogLimits, ExpireChangelogs, ExpireSnapshots, ExpiredSnapshots};
pub use file_indexes::{RewriteFileIndexes, RewrittenIndexes};
pub use manifests::{compact_manifests, remove_missing_manifests};
pub use missing_files::RemoveMissingFiles;
pub use orphans::{OrphanFiles, RemoveOrphanFiles};
pub use partitions::{ExpirePartitions, ExpiredPartition};
pub use rescale::RescaleBuckets;
pub use rollback::{RollbackTarget, RolledBack, rollback_as_latest, rollback_schema, rollback_to};
pub use tags::{
    NewTag, TagsOlderThan, create_tag, delete_tag, expire_tags, rename_tag, replace_tag,
};
