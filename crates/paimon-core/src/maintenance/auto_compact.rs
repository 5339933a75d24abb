//! The compaction that follows a commit, unless a table is `write-only`: of the buckets written to, as far as it is due.
//!
//! Java compacts inside the writer, with the files that it knows of. Here the newest snapshot is compacted once the rows
//! are safe, so that writers that race for a bucket never lose a commit to a compaction: who comes too late plans anew.
//! Source: `MergeTreeWriter`, `BucketedAppendCompactManager`, `GlobalFullCompactionSinkWrite`.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::rescale::spec_of;
use crate::commit::{CommitContext, FileStoreCommit};
use crate::compact::{CompactRequest, compact_table, idle_partitions};
use crate::error::{ErrorKind, Result};
use crate::options::{ChangelogProducer, RetentionOptions, parse_i64};
use crate::spec::{CommitMessage, ManifestCommittable};
use crate::table::Table;
use crate::write::assign::POSTPONE_BUCKET;
use crate::write::{WriteContext, discard_files};

/// So often a compaction is planned anew when others were faster. The next commit tries again.
const ATTEMPTS: usize = 10;

/// A compaction of what a commit wrote.
#[derive(Debug, Clone)]
pub(crate) struct AutoCompact {
    buckets: HashSet<(Bytes, i32)>,
    full: bool,
    changelog: bool,
}

impl AutoCompact {
    /// What is to be done after messages were committed; `None` where nothing is. An overwrite tells no changes.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed option.
    pub fn after(
        table: &Table,
        identifier: i64,
        messages: &[CommitMessage],
        overwrite: bool,
    ) -> Result<Option<Self>> {
        let has_runs = table.schema().has_primary_key() || table.options().bucket > 0;
        if !has_runs || RetentionOptions::new(table.options())?.write_only {
            return Ok(None);
        }
        let waits = |m: &&CommitMessage| {
            !m.data.new_files.is_empty() || m.compact.compact_after.iter().any(|f| f.level == 0)
        };
        let written = messages.iter().filter(waits);
        let buckets: HashSet<_> = written
            .filter(|m| m.bucket != POSTPONE_BUCKET)
            .map(|m| (m.partition.clone(), m.bucket))
            .collect();
        let full = full_is_due(table, identifier)?;
        Ok((!buckets.is_empty()).then_some(Self {
            buckets,
            full,
            changelog: !overwrite,
        }))
    }

    /// Compacts and commits until nothing is due.
    ///
    /// # Errors
    /// Those of the compaction and of its commit. The rows are committed whatever happens here.
    ///
    /// # Cancel safety
    /// A cancelled call leaves files behind that no snapshot names.
    pub async fn run(self, table: &Table, context: &CommitContext) -> Result<()> {
        let request = CompactRequest {
            full: self.full,
            partitions: Vec::new(),
            buckets: Some(self.buckets),
            numbers: None,
            idle_since_local_ms: None,
            clustering: None,
            changelog: self.changelog,
            context: WriteContext {
                clock: context.clock.clone(),
                ids: context.ids.clone(),
                ..WriteContext::with_memory(0)
            },
        };
        compact_and_commit(table, &request, context).await.map(drop)
    }
}

/// A request whose partitions do not change while it is followed: files that it makes itself would end the idle time of
/// theirs. `None` where no partition is idle.
async fn settled(table: &Table, request: &CompactRequest) -> Result<Option<CompactRequest>> {
    let mut request = request.clone();
    if request.idle_since_local_ms.is_some() {
        let idle = idle_partitions(table, &request).await?;
        if idle.is_empty() {
            return Ok(None);
        }
        let specs = idle.iter().map(|partition| spec_of(table, partition));
        request.partitions = specs.collect::<Result<_>>()?;
        request.idle_since_local_ms = None;
    }
    Ok(Some(request))
}

/// Compacts and commits; plans anew when others were faster. Returns the snapshots made.
///
/// # Errors
/// Those of the compaction and of its commit, `CommitConflict` after too many attempts. Files written are removed, unless
/// the commit may have taken effect.
///
/// # Cancel safety
/// A cancelled call leaves files behind that no snapshot names.
pub(crate) async fn compact_and_commit(
    table: &Table,
    request: &CompactRequest,
    context: &CommitContext,
) -> Result<Vec<i64>> {
    let Some(request) = &settled(table, request).await? else {
        return Ok(Vec::new());
    };
    let user = context.ids.uuid().to_string();
    let commit = FileStoreCommit::new(table, &user, context.clone())?;
    let mut made = Vec::new();
    let mut attempt = 0;
    loop {
        let seen = table.snapshots().latest_id().await?;
        let messages = match compact_table(table, request).await {
            Ok(messages) => messages,
            Err(error) => {
                attempt += 1;
                // expiry may have removed what was being read
                if attempt == ATTEMPTS || !table.snapshots().is_outdated(seen, &error).await {
                    return Err(error);
                }
                continue;
            }
        };
        if messages.is_empty() {
            return Ok(made);
        }
        let committable = ManifestCommittable {
            // a number of its own for each snapshot of this user
            identifier: i64::try_from(made.len()).unwrap_or(i64::MAX),
            watermark: None,
            properties: BTreeMap::new(),
            messages,
        };
        match commit.commit(&committable).await {
            Ok(more) => {
                made.extend(more);
                let postponed = |m: &CommitMessage| m.bucket == POSTPONE_BUCKET;
                if !committable.messages.iter().any(postponed) {
                    return Ok(made);
                }
            }
            Err(error) => {
                if error.kind() != ErrorKind::CommitConflict {
                    return Err(error);
                }
                for message in &committable.messages {
                    discard_files(table, context.ids.as_ref(), message).await?;
                }
                attempt += 1;
                if attempt == ATTEMPTS {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether this commit is one that a full compaction follows.
fn full_is_due(table: &Table, identifier: i64) -> Result<bool> {
    const KEY: &str = "full-compaction.delta-commits";
    let options = table.options();
    let every = options.get(KEY).map(parse_i64).transpose();
    let every = every.map_err(|e| e.with("option", KEY))?;
    let every = match (every, options.changelog_producer) {
        (Some(every), _) => every.max(1),
        (None, ChangelogProducer::FullCompaction) => 1,
        (None, _) => return Ok(false),
    };
    // the identifier of batch commits says nothing about how many there were
    Ok(identifier == i64::MAX || identifier % every == 0)
}
