//! Looking after a table: checking its invariants, expiring snapshots, removing orphan files, tags, branches,
//! consumers, rollback.
//!
//! Whatever deletes reads everything it needs first, refuses to go on when metadata that stays cannot be read, and
//! removes the file that makes a snapshot before the files that only this snapshot needs: a kill leaves garbage, never a
//! snapshot with holes.

mod after_commit;
mod auto_compact;
mod branches;
mod consumers;
mod discard;
mod expire;
pub mod fsck;
mod orphans;
mod reachable;
mod rollback;
mod tags;

pub use after_commit::after_commit;
pub(crate) use auto_compact::AutoCompact;
pub use branches::{create_branch, delete_branch, fast_forward, rename_branch};
pub use consumers::{clear_consumers, expire_consumers, reset_consumer};
pub use expire::{ExpireChangelogs, ExpireSnapshots, ExpiredSnapshots};
pub use orphans::{OrphanFiles, RemoveOrphanFiles};
pub use rollback::{RollbackTarget, rollback_to};
pub use tags::{NewTag, create_tag, delete_tag, expire_tags, rename_tag, replace_tag};
