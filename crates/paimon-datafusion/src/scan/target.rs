//! The table that UPDATE, DELETE or MERGE changes, as the statement reads it: at one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::commit::{CommitContext, Retries};
use paimon_core::manifest::ManifestScan;
use paimon_core::options::{MergeEngine, RetentionOptions};
use paimon_core::predicate::Predicate;
use paimon_core::read::{Partition, SplitFile, SplitKind};
use paimon_core::spec::{DataFileMeta, POSTPONE_BUCKET, Snapshot};
use paimon_core::table::Table;
use paimon_core::{Error, ErrorKind};
use parking_lot::Mutex;

use super::place::{Place, finds_rows_by_place};
use super::positions::{NumberedFile, PositionScanExec, Wanted};
use crate::changes::ChangesProvider;
use crate::error::to_datafusion;
use crate::filter::convert;

/// A data file of the target.
#[derive(Debug, Clone)]
pub struct TargetFile {
    /// Its partition.
    pub partition: Arc<Partition>,
    /// Its bucket.
    pub bucket: i32,
    /// Bucket count of the partition.
    pub total_buckets: i32,
    /// The file.
    pub file: SplitFile,
}

/// Files that scans of a target named, by number.
#[derive(Debug, Default)]
pub(crate) struct TargetFiles(Mutex<Vec<TargetFile>>);

impl TargetFiles {
    /// The file of a number.
    pub(crate) fn get(&self, number: i32) -> Option<TargetFile> {
        let at = usize::try_from(number).ok()?;
        self.0.lock().get(at).cloned()
    }

    fn add(&self, file: TargetFile) -> Result<i32> {
        let mut files = self.0.lock();
        let number = i32::try_from(files.len())
            .map_err(|_| DataFusionError::Internal("too many files for one statement".into()))?;
        files.push(file);
        Ok(number)
    }
}

/// A table pinned to its newest snapshot. Where rows are found by their places it has more columns: where each row is, and with row tracking its id.
#[derive(Debug)]
pub struct TargetProvider {
    pinned: Table,
    base: Option<Snapshot>,
    files: Arc<TargetFiles>,
    schema: SchemaRef,
}

impl TargetProvider {
    /// Pins a table to its newest snapshot.
    ///
    /// # Errors
    /// `CommitConflict` when the table's columns were changed since it was opened.
    pub(crate) async fn pin(table: &Table) -> paimon_core::Result<Self> {
        let base = table.snapshots().latest().await?;
        // after the snapshot was read: it holds nothing of a later schema
        if let Some(newest) = table.schemas().latest().await?
            && newest.id != table.schema().id
        {
            return Err(Error::new(
                ErrorKind::CommitConflict,
                "the columns of the table were changed meanwhile: run the statement again",
            )
            .with("table", table.name()));
        }
        let keyed = table.schema().has_primary_key();
        let read = match keyed && table.options().deletion_vectors {
            // rows that wait for a compaction to become visible are rows all the same
            true => {
                let option = ("deletion-vectors.merge-on-read".into(), "true".into());
                table.with_options(&HashMap::from([option])).await?
            }
            false => table.clone(),
        };
        if let Some(other) = read.other_branch() {
            return Err(Error::unsupported(format!(
                "rows of a table that branch {:?} completes cannot be changed one by one: reset the option that names \
                 the branch, change the rows and set it again",
                other.branch_name()
            ))
            .with("table", read.name()));
        }
        Ok(Self::of_files(read.pinned(base), Vec::new()))
    }

    /// [`Self::pin`]; of a first-row table that merges what is written to it once no row waits for that. A writer commits
    /// its rows and then their compaction, so that in between they wait for a moment.
    ///
    /// # Errors
    /// As [`Self::pin`]. Rows that go on waiting are no error here.
    pub(crate) async fn pin_settled(table: &Table) -> paimon_core::Result<Self> {
        let mut retries = Retries::of(table, &CommitContext::default())?;
        let first_row = table.options().merge_engine == MergeEngine::FirstRow;
        let merges = first_row && !RetentionOptions::new(table.options())?.write_only;
        loop {
            let target = Self::pin(table).await?;
            if !merges || target.refuse_waiting_rows().await.is_ok() || !retries.wait().await {
                return Ok(target);
            }
        }
    }

    /// Makes sure that all rows can be read: those of postponed buckets cannot, and with merge engine first-row those that
    /// wait for a compaction.
    ///
    /// # Errors
    /// `Unsupported` while rows wait.
    pub(crate) async fn refuse_waiting_rows(&self) -> paimon_core::Result<()> {
        let options = self.pinned.options();
        let postponed = options.bucket == POSTPONE_BUCKET;
        let first_row = options.merge_engine == MergeEngine::FirstRow;
        let Some(snapshot) = self.base.as_ref().filter(|_| postponed || first_row) else {
            return Ok(());
        };
        let all = self.pinned.manifest_scan();
        let scan = match first_row {
            true => ManifestScan {
                file_filter: Some(Arc::new(|file: &DataFileMeta| file.level == 0)),
                ..all
            },
            false => ManifestScan {
                bucket_filter: Some(Arc::new(|bucket: i32, _: i32| bucket == POSTPONE_BUCKET)),
                ..all
            },
        };
        let (waiting, _) = scan.live_files(snapshot).await?;
        let (what, option) = match waiting.first().map(|file| file.bucket) {
            None => return Ok(()),
            Some(POSTPONE_BUCKET) => ("rows that wait in postponed buckets", "bucket"),
            Some(_) => ("rows that wait for a compaction", "merge-engine"),
        };
        Err(Error::unsupported(format!(
            "{what} cannot be read, so they cannot be changed: CALL sys.compact for the table first"
        ))
        .with("option", option)
        .with("table", self.pinned.name()))
    }

    /// A table that is pinned to a snapshot, and the files of it that scans named already.
    pub fn of_files(pinned: Table, files: Vec<TargetFile>) -> Self {
        let own = pinned.arrow_schema();
        let schema = match finds_rows_by_place(&pinned) {
            false => own,
            true => {
                let own = own.fields().iter().map(|f| f.as_ref().clone());
                let places = Place::of_changes(&pinned).into_iter();
                let places = places.map(|p| p.field(&pinned));
                Arc::new(Schema::new(own.chain(places).collect::<Vec<_>>()))
            }
        };
        Self {
            base: pinned.target().snapshot().cloned(),
            pinned,
            files: Arc::new(TargetFiles(Mutex::new(files))),
            schema,
        }
    }

    /// The files that scans named, in the order of their numbers.
    pub fn named_files(&self) -> Vec<TargetFile> {
        self.files.0.lock().clone()
    }

    /// The snapshot read.
    pub(crate) fn base(&self) -> Option<&Snapshot> {
        self.base.as_ref()
    }

    /// The table at that snapshot, rows that wait for a compaction included.
    pub fn pinned(&self) -> &Table {
        &self.pinned
    }

    /// The files named so far.
    pub(crate) fn files(&self) -> &Arc<TargetFiles> {
        &self.files
    }

    async fn scan_positions(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = &self.pinned;
        let fields = &table.schema().fields;
        let predicate = Predicate::and(filters.iter().map(|f| convert(f, fields).predicate));
        let plan = table
            .read_builder()
            .with_filter(predicate.clone())
            .plan()
            .await
            .map_err(to_datafusion)?;
        let mut files = Vec::new();
        for split in plan.splits {
            let SplitKind::Raw(own) = split.kind else {
                // files of old releases do not tell whether they hold deletes
                return Err(to_datafusion(
                    Error::unsupported(
                        "rows of this table are merged when they are read, so none is in one place: CALL sys.compact for the \
                         table first",
                    )
                    .with("table", table.name()),
                ));
            };
            for file in own {
                let number = self.files.add(TargetFile {
                    partition: split.partition.clone(),
                    bucket: split.bucket,
                    total_buckets: split.total_buckets,
                    file: file.clone(),
                })?;
                files.push(NumberedFile {
                    number,
                    partition: split.partition.clone(),
                    bucket: split.bucket,
                    file,
                });
            }
        }
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let places = Place::of_changes(table);
        let wanted = columns.iter().map(|column| {
            let place = column
                .checked_sub(fields.len())
                .and_then(|at| places.get(at));
            place.map_or(Wanted::Column(*column), |place| Wanted::Place(*place))
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let partitions = state.config().target_partitions().max(1);
        let shape = (partitions, state.config().batch_size());
        let exec = PositionScanExec::new(table, files, &wanted, predicate, shape)?;
        Ok(Arc::new(exec))
    }
}

#[async_trait]
impl TableProvider for TargetProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let own = self.pinned.schema().fields.len();
        let places = projection.is_none_or(|columns| columns.iter().any(|at| *at >= own));
        if places && self.pinned.options().data_evolution {
            // ids of rows follow the table's own columns there, too
            let tracked = ChangesProvider::tracked(self.pinned.clone()).map_err(to_datafusion)?;
            let all = (0..self.schema.fields().len()).collect();
            let columns = projection.unwrap_or(&all);
            return tracked.scan(state, Some(columns), filters, limit).await;
        }
        if !finds_rows_by_place(&self.pinned) || !places {
            super::scan_table(
                &self.pinned,
                self.pinned.read_builder(),
                state,
                projection,
                filters,
                limit,
            )
            .await
        } else {
            self.scan_positions(state, projection, filters).await
        }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(super::supports_filters(&self.pinned, filters))
    }
}
