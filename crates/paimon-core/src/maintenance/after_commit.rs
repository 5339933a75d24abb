//! What a commit looks after once its snapshot is there. Source: `TableCommitImpl.maintain`.

use super::{ExpireChangelogs, ExpireSnapshots, expire_consumers, expire_tags};
use crate::error::Result;
use crate::options::RetentionOptions;
use crate::table::Table;
use crate::write::Clock;

/// Expires tags, consumers, snapshots and changelogs by the table's options; nothing in a `write-only` table.
///
/// # Errors
/// As the expiries. The commit stands whatever happens here.
///
/// # Cancel safety
/// A cancelled call leaves garbage at worst.
pub async fn after_commit(table: &Table, clock: &dyn Clock) -> Result<()> {
    let options = RetentionOptions::new(table.options())?;
    if options.write_only {
        return Ok(());
    }
    let now_ms = clock.epoch_ms();
    if options.tags_expire {
        expire_tags(table, None, clock.local_ms()).await?;
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
