//! The keeper of a streaming read's progress. Source: `ConsumerManager`, `DataTableStreamScan.notifyCheckpointComplete`.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::Table;
use super::scan::StreamProgress;
use crate::error::Result;
use crate::maintenance::{read_consumer, reset_consumer};

/// The consumer of a streaming read (`consumer-id`): the file that holds its progress and keeps the snapshots that it has
/// not read.
///
/// Cheap to clone; clones are of one consumer.
#[derive(Debug, Clone)]
pub struct StreamConsumer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    table: Table,
    id: String,
    /// What was written last by this process.
    kept: Mutex<Option<i64>>,
}

impl StreamConsumer {
    pub(super) fn new(table: &Table, id: &str) -> Result<Self> {
        crate::maintenance::check_consumer_id(id)?;
        Ok(Self {
            inner: Arc::new(Inner {
                table: table.clone(),
                id: id.to_string(),
                kept: Mutex::new(None),
            }),
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The first snapshot that it has not read; `None` when it has no progress.
    ///
    /// # Errors
    /// `Damaged` for a broken consumer file.
    pub async fn next_snapshot(&self) -> Result<Option<i64>> {
        let i = &self.inner;
        let found = read_consumer(&i.table, &i.id).await?;
        Ok(found.map(|c| c.next_snapshot))
    }

    /// Keeps the progress: everything before it was dealt with for good. Snapshots before it may expire from now on.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn acknowledge(&self, progress: &StreamProgress) -> Result<()> {
        self.keep(progress.next_snapshot).await
    }

    pub(super) async fn keep(&self, next_snapshot: i64) -> Result<()> {
        let i = &self.inner;
        reset_consumer(&i.table, &i.id, Some(next_snapshot)).await?;
        *i.kept.lock() = Some(next_snapshot);
        Ok(())
    }

    /// Writes the progress again, so that an idle reader is not taken for a dead one (`consumer.expiration-time`).
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn touch(&self) -> Result<()> {
        let kept = *self.inner.kept.lock();
        match kept {
            Some(next) => self.keep(next).await,
            None => Ok(()),
        }
    }
}
