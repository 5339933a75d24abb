//! Writes that are given up take their files back, also when the statement is dropped half-way.

use std::sync::{Arc, LazyLock};

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use paimon_catalog::{Catalog, Identifier};
use paimon_core::table::TableWrite;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Removals of dropped writes that are under way in this process.
static CLEANUPS: LazyLock<Mutex<JoinSet<()>>> = LazyLock::new(Mutex::default);

/// Waits until the files of all writes that were dropped half-way are removed. Call it before the runtime ends.
///
/// # Cancel safety
/// A cancelled call stops the removals that are under way: their files are left to orphan cleaning.
pub async fn finish_cleanups() {
    let mut running = std::mem::take(&mut *CLEANUPS.lock());
    while let Some(done) = running.join_next().await {
        if let Err(error) = done {
            tracing::warn!(%error, "could not remove the files of a dropped write");
        }
    }
}

/// A write that is aborted when it is dropped before [`WriteGuard::finish`].
pub(crate) struct WriteGuard {
    write: Option<TableWrite>,
}

impl WriteGuard {
    pub(crate) fn new(write: TableWrite) -> Self {
        Self { write: Some(write) }
    }

    /// The write.
    ///
    /// # Errors
    /// After it ended, which is a bug.
    pub(crate) fn get(&mut self) -> Result<&mut TableWrite> {
        self.write
            .as_mut()
            .ok_or_else(|| DataFusionError::Internal("the write has ended".into()))
    }

    /// Takes the files back.
    pub(crate) async fn abort(&mut self) {
        if let Some(write) = self.write.take() {
            write.abort().await;
        }
    }

    /// The messages were taken: the files belong to the commit.
    pub(crate) fn finish(mut self) {
        self.write = None;
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        let Some(write) = self.write.take() else {
            return;
        };
        spawn(write.abort());
    }
}

/// A table made by a statement, dropped again unless the statement ends with [`TableGuard::finish`], or others wrote to it,
/// altered it or put another one in its place.
pub(super) struct TableGuard {
    table: Option<MadeTable>,
}

struct MadeTable {
    catalog: Arc<dyn Catalog>,
    identifier: Identifier,
    /// When its schema was made; `None` for tables without snapshots.
    made_ms: Option<i64>,
}

impl TableGuard {
    /// For a table that was made just now.
    pub(super) async fn made(catalog: Arc<dyn Catalog>, identifier: Identifier) -> Self {
        let table = catalog.get_table(&identifier).await;
        let made_ms = table.ok().map(|t| t.schema().time_millis);
        Self {
            table: Some(MadeTable {
                catalog,
                identifier,
                made_ms,
            }),
        }
    }

    pub(super) fn finish(&mut self) {
        self.table = None;
    }

    /// Drops the table.
    pub(super) async fn undo(&mut self) {
        if let Some(table) = self.table.take() {
            table.drop_again().await;
        }
    }
}

impl Drop for TableGuard {
    fn drop(&mut self) {
        if let Some(table) = self.table.take() {
            spawn(table.drop_again());
        }
    }
}

impl MadeTable {
    async fn drop_again(self) {
        let identifier = &self.identifier;
        let dropped = async {
            match self.is_as_made().await? {
                true => self.catalog.drop_table(identifier, true).await,
                false => {
                    tracing::warn!(table = %identifier, "others use the table by now: it stays");
                    Ok(())
                }
            }
        };
        if let Err(error) = dropped.await {
            tracing::warn!(table = %identifier, %error, "could not drop the table again");
        }
    }

    async fn is_as_made(&self) -> paimon_core::Result<bool> {
        let Some(made_ms) = self.made_ms else {
            return Ok(true);
        };
        let table = self.catalog.get_table(&self.identifier).await?;
        let schema = table.schema();
        Ok(schema.id == 0
            && schema.time_millis == made_ms
            && table.snapshots().latest_id().await?.is_none())
    }
}

fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    match Handle::try_current() {
        Ok(handle) => {
            let mut running = CLEANUPS.lock();
            while running.try_join_next().is_some() {}
            running.spawn_on(work, &handle);
        }
        Err(_) => tracing::warn!("a write was dropped outside of a runtime: its files stay"),
    }
}
