//! What a commit looks after once its snapshot is there. Source: `TableCommitImpl.maintain`.

use super::partitions::{ExpirePartitions, is_due};
use super::{ExpireChangelogs, ExpireSnapshots, create_due_tags, expire_consumers, expire_tags};
use crate::commit::CommitContext;
use crate::error::Result;
use crate::options::RetentionOptions;
use crate::table::Table;

/// Makes the tags that are due and expires tags, partitions, consumers, snapshots and changelogs by the table's options after a commit that made the
/// snapshots `made` under `identifier`; nothing in a `write-only` table.
///
/// # Errors
/// As the expiries. The commit stands whatever happens here.
///
/// # Cancel safety
/// A cancelled call leaves garbage at worst.
pub async fn after_commit(
    table: &Table,
    context: &CommitContext,
    identifier: i64,
    made: &[i64],
) -> Result<()> {
    let options = RetentionOptions::new(table.options())?;
    if options.write_only {
        return Ok(());
    }
    let clock = context.clock.as_ref();
    let now_ms = clock.epoch_ms();
    create_due_tags(table, context).await?;
    if options.tags_expire {
        expire_tags(table, None, clock.local_ms()).await?;
    }
    if is_due(table, &options, identifier, made, now_ms).await? {
        ExpirePartitions::default().run(table, context).await?;
    }
    if let Some(kept) = options.consumer_expiration {
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        expire_consumers(table, now_ms.saturating_sub(kept)).await?;
    }
    ExpireSnapshots::default().run(table, now_ms).await?;
    if options.changelog_is_decoupled() {
        ExpireChangelogs.run(table, now_ms).await?;
    }
    Ok(())
}
