//! Merging manifests by hand. Source: `CompactManifestProcedure`.

use crate::commit::{CommitContext, FileStoreCommit};
use crate::error::Result;
use crate::table::Table;

/// Rewrites all manifests of the newest snapshot that are small or name removed files, as
/// [`FileStoreCommit::compact_manifests`]. Returns the snapshot made, `None` when there is nothing to gain.
///
/// # Errors
/// `Unsupported` naming the option when the table cannot be committed to, `CommitConflict` when every race was lost,
/// `Damaged` naming a manifest, `Io` when the store fails.
///
/// # Cancel safety
/// A cancelled call may have taken effect: call it again.
pub async fn compact_manifests(table: &Table, context: CommitContext) -> Result<Option<i64>> {
    let own = context.ids.uuid().to_string();
    let user = match table.options().get("commit.user-prefix") {
        Some(prefix) => format!("{prefix}_{own}"),
        None => own,
    };
    // the identifier of batch commits, whose users commit once
    FileStoreCommit::new(table, &user, context)?
        .compact_manifests(i64::MAX)
        .await
}
