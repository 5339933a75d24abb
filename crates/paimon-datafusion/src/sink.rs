//! INSERT: rows into a table write, then one commit.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use futures::StreamExt;
use paimon_core::Error;
use paimon_core::commit::Overwrite;
use paimon_core::spec::{CommitMessage, DataField, TypeKind};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, ScanTarget, Table, TableCommit, TableWrite};

use crate::error::to_datafusion;
use crate::session::SessionSettings;

/// Writes its input to a table and commits it. Nothing happens before it is executed.
pub(crate) struct PaimonSink {
    table: Table,
    settings: Arc<SessionSettings>,
    overwrite: bool,
    metrics: ExecutionPlanMetricsSet,
}

impl PaimonSink {
    /// Appends, or replaces the partitions that the rows are in (all rows of a table without partitions).
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming the option when the table cannot be written to.
    pub(crate) fn new(
        table: Table,
        settings: Arc<SessionSettings>,
        overwrite: bool,
    ) -> paimon_core::Result<Self> {
        if !matches!(table.target(), ScanTarget::Latest) {
            return Err(Error::invalid(
                "only the newest state of a table can be written to: take the time travel away",
            )
            .with("table", table.name()));
        }
        refuse_invisible(&table)?;
        // settings are checked before the query runs
        table
            .write_builder()
            .with_ignore_previous_files(overwrite)
            .build()?;
        Ok(Self {
            table,
            settings,
            overwrite,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    async fn commit(
        &self,
        commit: TableCommit,
        identifier: i64,
        messages: Vec<CommitMessage>,
    ) -> paimon_core::Result<Vec<i64>> {
        if self.overwrite {
            return commit
                .overwrite(Overwrite::Dynamic, identifier, messages)
                .await;
        }
        commit.commit(identifier, messages).await
    }

    fn count_files(&self, messages: &[CommitMessage]) {
        let new = messages.iter().flat_map(|m| &m.data.new_files);
        let bytes: i64 = new.clone().map(|f| f.file_size).sum();
        let counter = |name: &'static str| MetricBuilder::new(&self.metrics).global_counter(name);
        counter("files_written").add(new.count());
        counter("bytes_written").add(usize::try_from(bytes).unwrap_or(0));
    }
}

/// Refuses tables whose new rows no read would show, or whose promised changelog nobody would write.
fn refuse_invisible(table: &Table) -> paimon_core::Result<()> {
    use paimon_core::options::ChangelogProducer::{FullCompaction, Lookup};
    let options = table.options();
    if !table.schema().has_primary_key() {
        return Ok(());
    }
    let refused = |message: &str, option: &'static str| {
        Err(Error::unsupported(message)
            .with("option", option)
            .with("table", table.name()))
    };
    if options.batch_scan_skips_level0() {
        return refused(
            "rows written to first-row tables and to primary-key tables with deletion vectors show after a compaction \
             only, which is not supported yet",
            if options.deletion_vectors {
                "deletion-vectors.enabled"
            } else {
                "merge-engine"
            },
        );
    }
    if matches!(options.changelog_producer, FullCompaction | Lookup) {
        return refused(
            "changelogs of this producer come from compaction, which is not supported yet",
            "changelog-producer",
        );
    }
    Ok(())
}

impl fmt::Debug for PaimonSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaimonSink")
            .field("table", &self.table.name())
            .field("overwrite", &self.overwrite)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for PaimonSink {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.overwrite {
            "overwrite"
        } else {
            "append"
        };
        write!(f, "PaimonSink: table={}, {verb}", self.table.name())
    }
}

#[async_trait]
impl DataSink for PaimonSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        self.table.arrow_schema_ref()
    }

    async fn write_all(
        &self,
        mut data: SendableRecordBatchStream,
        _context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let (commit, identifier) = match self.settings.next_commit_identity() {
            Some(own) => (self.table.new_commit().with_user(&own.user), own.identifier),
            None => (self.table.new_commit(), BATCH_COMMIT_IDENTIFIER),
        };
        if commit.is_done(identifier).await.map_err(to_datafusion)? {
            return count(data).await;
        }
        let builder = self.table.write_builder();
        let write = builder.with_ignore_previous_files(self.overwrite).build();
        let mut write = write.map_err(to_datafusion)?;
        let mut rows = 0u64;
        let written = async {
            while let Some(batch) = data.next().await {
                rows += append(&mut write, &self.table, batch?).await?;
            }
            write.prepare_commit().await.map_err(to_datafusion)
        }
        .await;
        let messages = match written {
            Ok(messages) => messages,
            Err(error) => {
                write.abort().await;
                return Err(error);
            }
        };
        self.count_files(&messages);
        let done = self.commit(commit, identifier, messages).await;
        done.map_err(to_datafusion)?;
        Ok(rows)
    }
}

/// Rows of an input that was written earlier.
async fn count(mut data: SendableRecordBatchStream) -> Result<u64> {
    let mut rows = 0;
    while let Some(batch) = data.next().await {
        rows += u64::try_from(batch?.num_rows()).unwrap_or(u64::MAX);
    }
    Ok(rows)
}

async fn append(write: &mut TableWrite, table: &Table, batch: RecordBatch) -> Result<u64> {
    check_lengths(&batch, &table.schema().fields).map_err(to_datafusion)?;
    write.write(&batch).await.map_err(to_datafusion)?;
    Ok(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX))
}

/// Texts and binaries must fit their columns.
fn check_lengths(batch: &RecordBatch, fields: &[DataField]) -> paimon_core::Result<()> {
    for (field, column) in fields.iter().zip(batch.columns()) {
        let too_long = match &field.data_type.kind {
            TypeKind::Char(n) | TypeKind::VarChar(n) => {
                let limit = usize::try_from(*n).unwrap_or(usize::MAX);
                let texts = column.as_string_view_opt();
                // a text has at most as many characters as bytes
                let over = |t: &str| t.len() > limit && t.chars().count() > limit;
                texts.is_some_and(|t| t.iter().flatten().any(over))
            }
            TypeKind::Binary(n) | TypeKind::VarBinary(n) => {
                let limit = usize::try_from(*n).unwrap_or(usize::MAX);
                let values = column.as_binary_view_opt();
                values.is_some_and(|v| v.iter().flatten().any(|b| b.len() > limit))
            }
            _ => false,
        };
        if too_long {
            return Err(Error::invalid(format!(
                "a value is too long for column {} of type {}",
                field.name, field.data_type
            ))
            .with("column", &field.name));
        }
    }
    Ok(())
}
