//! The writes of a statement that changes rows.

use datafusion::common::Result;
use paimon_core::spec::CommitMessage;
use paimon_core::table::{Table, TableWrite, WriteBuilder};

use crate::error::to_datafusion;
use crate::sink::cleanup::WriteGuard;

/// Where changed rows go.
pub(super) struct Writes {
    /// New rows.
    new: WriteGuard,
    /// Rows that keep their ids, in tables with row tracking.
    kept: Option<WriteGuard>,
}

impl Writes {
    /// # Errors
    /// As [`WriteBuilder::build`].
    pub(super) fn start(table: &Table, builder: &WriteBuilder) -> paimon_core::Result<Self> {
        let options = table.options();
        let kept = match options.row_tracking && !options.data_evolution {
            true => Some(builder.clone().with_row_ids_kept(true).build()?),
            false => None,
        };
        Ok(Self {
            new: WriteGuard::new(builder.clone().build()?),
            kept: kept.map(WriteGuard::new),
        })
    }

    /// The write that new rows go to.
    pub(super) fn new_rows(&mut self) -> Result<&mut TableWrite> {
        self.new.get()
    }

    /// The write that rows from the table go to.
    pub(super) fn old_rows(&mut self) -> Result<&mut TableWrite> {
        match &mut self.kept {
            Some(kept) => kept.get(),
            None => self.new.get(),
        }
    }

    /// Completes all files. Adds their messages to those given, which are there after an error, too.
    pub(super) async fn prepare_commit(&mut self, messages: &mut Vec<CommitMessage>) -> Result<()> {
        for write in [Some(&mut self.new), self.kept.as_mut()]
            .into_iter()
            .flatten()
        {
            let written = write.get()?.prepare_commit().await;
            messages.extend(written.map_err(to_datafusion)?);
        }
        Ok(())
    }

    /// Takes the files back.
    pub(super) async fn abort(&mut self) {
        self.new.abort().await;
        if let Some(kept) = &mut self.kept {
            kept.abort().await;
        }
    }

    /// The messages were taken: the files belong to the commit.
    pub(super) fn finish(self) {
        self.new.finish();
        if let Some(kept) = self.kept {
            kept.finish();
        }
    }
}
