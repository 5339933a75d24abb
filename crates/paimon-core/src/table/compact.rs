//! Compacting a table.

use super::Table;
use crate::commit::check_committable;
use crate::compact::{CompactRequest, compact_table};
use crate::error::Result;
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
                changelog: true,
                // rows go straight into files: nothing is held in the writers' memory
                context: WriteContext::with_memory(0),
            },
        }
    }
}
