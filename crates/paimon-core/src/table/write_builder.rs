//! Writing to a table: batches in, commit messages out.

use arrow_array::{Int8Array, RecordBatch};

use super::Table;
use crate::commit::check_committable;
use crate::error::Result;
use crate::spec::CommitMessage;
use crate::write::{TableWriter, WriteContext, WriteSettings};

/// How to write to a table.
#[derive(Clone, Debug)]
pub struct WriteBuilder {
    table: Table,
    settings: WriteSettings,
}

impl WriteBuilder {
    /// Clock, names, memory and cores; the default is the system's, with `write-buffer-size` bytes of memory.
    #[must_use]
    pub fn with_context(mut self, context: WriteContext) -> Self {
        self.settings.context = Some(context);
        self
    }

    /// The commit will remove all files of the partitions written to (overwrite): sequence numbers and dynamic buckets
    /// begin anew and the bucket number may differ from theirs.
    #[must_use]
    pub fn with_ignore_previous_files(mut self, ignore: bool) -> Self {
        self.settings.ignore_previous_files = ignore;
        self
    }

    /// Nulls stay nulls where a column has a default: for rows that were in the table before.
    #[must_use]
    pub fn with_nulls_kept(mut self, keep: bool) -> Self {
        self.settings.keep_nulls = keep;
        self
    }

    /// Rows of a table with row tracking keep their ids: they have `_ROW_ID` and `_SEQUENCE_NUMBER` behind the table's
    /// columns. A null number stands for the snapshot to come.
    #[must_use]
    pub fn with_row_ids_kept(mut self, keep: bool) -> Self {
        self.settings.keep_row_ids = keep;
        self
    }

    /// The user that will commit: writers of postponed rows (bucket -2) put it into file names.
    #[must_use]
    pub fn with_commit_user(mut self, user: impl Into<String>) -> Self {
        self.settings.commit_user = Some(user.into());
        self
    }

    /// Starts the write.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option or column when the table cannot be written to. Nothing has
    /// been written then.
    pub fn build(self) -> Result<TableWrite> {
        // what cannot be committed is not written
        check_committable(&self.table)?;
        let writer = TableWriter::new(&self.table, self.settings)?;
        Ok(TableWrite { writer })
    }
}

/// A write under way. What it writes becomes visible when its messages are committed.
///
/// Files of a write that is dropped without [`TableWrite::abort`] or a commit stay behind unseen until orphan files are
/// removed.
pub struct TableWrite {
    writer: TableWriter,
}

impl TableWrite {
    /// Writes rows of kind +I: the table's columns, by position.
    ///
    /// # Errors
    /// `InvalidInput` for rows that the table does not take, `Io` when the store fails; errors may come from earlier
    /// rows that were written in the background. After an error only [`Self::abort`] is of use.
    ///
    /// # Cancel safety
    /// A cancelled write must be aborted.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch, None).await
    }

    /// Writes rows with a kind each: 0 +I, 1 -U, 2 +U, 3 -D.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_with_kinds(&mut self, batch: &RecordBatch, kinds: &Int8Array) -> Result<()> {
        self.writer.write(batch, Some(kinds)).await
    }

    /// Completes all files and returns the changes since the last call, one message per changed bucket. The write can
    /// go on for the next commit.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn prepare_commit(&mut self) -> Result<Vec<CommitMessage>> {
        self.writer.prepare_commit().await
    }

    /// Gives the write up: removes every file that [`Self::prepare_commit`] has not returned.
    pub async fn abort(mut self) {
        self.writer.abort().await;
    }
}

impl Table {
    /// Starts a write with default settings.
    ///
    /// # Errors
    /// As [`WriteBuilder::build`].
    pub fn new_write(&self) -> Result<TableWrite> {
        self.write_builder().build()
    }

    /// Settings of a write.
    pub fn write_builder(&self) -> WriteBuilder {
        WriteBuilder {
            table: self.clone(),
            settings: WriteSettings::default(),
        }
    }
}
