//! Looking after a table: checking its invariants, expiring snapshots, removing orphan files, tags, rollback.
//!
//! Whatever deletes reads everything it needs first, refuses to go on when metadata that stays cannot be read, and
//! removes the file that makes a snapshot before the files that only this snapshot needs: a kill leaves garbage, never a
//! snapshot with holes.

mod expire;
pub mod fsck;
mod orphans;
mod reachable;
mod rollback;
mod tags;

pub use expire::{ExpireSnapshots, ExpiredSnapshots};
pub use orphans::{OrphanFiles, RemoveOrphanFiles};
pub use rollback::{RollbackTarget, rollback_to};
pub use tags::{NewTag, create_tag, delete_tag};
