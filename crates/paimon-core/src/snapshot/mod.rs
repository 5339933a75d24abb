//! Snapshots, tags, branches, changelogs and consumers of a table: finding and reading their files.
//!
//! Source: `SnapshotManager`, `TagManager`, `BranchManager`, `ConsumerManager`, `HintFileUtils`.

mod manager;
mod refs;

pub(crate) use manager::JSON_SIZE_MAX;
pub use manager::SnapshotManager;
pub(crate) use refs::no_branch;
pub use refs::{
    BranchInfo, TagInfo, branch_root, list_branches, list_consumers, list_tags, read_tag,
};
