//! The keeper of a streaming read's progress. Source: `ConsumerManager`, `DataTableStreamScan.notifyCheckpointComplete`.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::Table;
use super::scan::StreamProgress;
use crate::error::Result;
use crate::maintenance::{read_consumer, write_consumer};
use crate::spec::Consumer;

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
    kept: Mutex<Option<Consumer>>,
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
        Ok(self.progress().await?.map(|p| p.next_snapshot))
    }

    /// Its progress, without the watermark; `None` when it has none. `last_snapshot` is `None` where no stream kept it, but
    /// somebody set the consumer, or Java did; it is empty where a stream has read nothing yet.
    ///
    /// # Errors
    /// `Damaged` for a broken consumer file.
    pub async fn progress(&self) -> Result<Option<StreamProgress>> {
        let i = &self.inner;
        let found = read_consumer(&i.table, &i.id).await?;
        Ok(found.map(|c| StreamProgress {
            next_snapshot: c.next_snapshot,
            watermark: None,
            last_snapshot: c.last_snapshot.map(Into::into),
        }))
    }

    /// Keeps the progress: everything before it was dealt with for good. Snapshots before it may expire from now on.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn acknowledge(&self, progress: &StreamProgress) -> Result<()> {
        self.keep(progress.next_snapshot, progress.last_snapshot.clone())
            .await
    }

    pub(super) async fn keep(&self, next_snapshot: i64, last: Option<Arc<str>>) -> Result<()> {
        self.write(Consumer {
            next_snapshot,
            last_snapshot: Some(last.as_deref().unwrap_or_default().to_string()),
        })
        .await
    }

    async fn write(&self, consumer: Consumer) -> Result<()> {
        let i = &self.inner;
        write_consumer(&i.table, &i.id, &consumer).await?;
        *i.kept.lock() = Some(consumer);
        Ok(())
    }

    /// Writes the progress again, so that an idle reader is not taken for a dead one (`consumer.expiration-time`).
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn touch(&self) -> Result<()> {
        let kept = self.inner.kept.lock().clone();
        match kept {
            Some(kept) => self.write(kept).await,
            None => Ok(()),
        }
    }
}
