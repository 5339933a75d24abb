//! Compacting a table.

use super::Table;
use crate::commit::{CommitContext, check_committable};
use crate::compact::{Clustering, CompactRequest, OrderStrategy, compact_table};
use crate::error::Result;
use crate::maintenance::compact_and_commit;
use crate::spec::{CommitMessage, Datum};
use crate::write::WriteContext;

/// A compaction of a table, of all its buckets or of some partitions.
#[derive(Clone, Debug)]
pub struct TableCompact {
    table: Table,
    request: CompactRequest,
}

impl TableCompact {
    /// Whether everything is merged (the default) or only what is due by number and size of the files.
    #[must_use]
    pub fn full(mut self, full: bool) -> Self {
        self.request.full = full;
        self
    }

    /// Only partitions with the given values of some or all partition columns, any of these.
    #[must_use]
    pub fn partitions(mut self, partitions: Vec<Vec<(String, Option<Datum>)>>) -> Self {
        self.request.partitions = partitions;
        self
    }

    /// Only buckets of these numbers, in whatever partition.
    #[must_use]
    pub fn buckets(mut self, numbers: impl IntoIterator<Item = i32>) -> Self {
        self.request.numbers = Some(numbers.into_iter().collect());
        self
    }

    /// Only partitions whose newest file was written at this time (local wall clock, milliseconds read as UTC) or before.
    #[must_use]
    pub fn idle_since(mut self, local_ms: i64) -> Self {
        self.request.idle_since_local_ms = Some(local_ms);
        self
    }

    /// Rewrites all rows sorted by columns, the most important first, so that filters on them read fewer files: append
    /// tables without buckets only. It is committed as an OVERWRITE of the files read; rows that others add meanwhile stay
    /// as they are.
    #[must_use]
    pub fn order(mut self, strategy: OrderStrategy, columns: Vec<String>) -> Self {
        self.request.clustering = Some(Clustering { strategy, columns });
        self
    }

    /// Clock, names and the number of buckets compacted at a time; the default is the system's.
    #[must_use]
    pub fn with_context(mut self, context: WriteContext) -> Self {
        self.request.context = context;
        self
    }

    /// Writes the compacted files and returns one message per changed bucket, for [`Table::new_commit`]. Until then
    /// nothing changes for readers.
    ///
    /// # Errors
    /// `Unsupported` naming the option of a table that cannot be compacted, `Damaged` naming a file, `Io` when the store
    /// fails. Files written are removed then.
    ///
    /// # Cancel safety
    /// A cancelled compaction leaves files behind that no snapshot names.
    pub async fn run(&self) -> Result<Vec<CommitMessage>> {
        // what cannot be committed is not written
        check_committable(&self.table)?;
        compact_table(&self.table, &self.request).await
    }

    /// Compacts and commits, as a user of its own. When others were faster it plans anew, so that their rows and
    /// compactions stay. Postponed rows go to their buckets first. Returns the ids of the snapshots made, none when nothing
    /// was to be done.
    ///
    /// # Errors
    /// As [`Self::run`] and of the commit. Files written are removed unless the commit may have taken effect.
    ///
    /// # Cancel safety
    /// A cancelled compaction leaves files behind that no snapshot names.
    pub async fn commit(&self) -> Result<Vec<i64>> {
        check_committable(&self.table)?;
        let context = CommitContext {
            clock: self.request.context.clock.clone(),
            ids: self.request.context.ids.clone(),
            ..CommitContext::default()
        };
        compact_and_commit(&self.table, &self.request, &context).await
    }
}

impl Table {
    /// A full compaction of this table and branch.
    pub fn new_compact(&self) -> TableCompact {
        TableCompact {
            table: self.clone(),
            request: CompactRequest {
                full: true,
                partitions: Vec::new(),
                buckets: None,
                numbers: None,
                idle_since_local_ms: None,
                clustering: None,
                changelog: true,
                // rows go straight into files: nothing is held in the writers' memory
                context: WriteContext::with_memory(0),
            },
        }
    }
}
