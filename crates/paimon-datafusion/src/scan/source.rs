//! DataFusion's Parquet source that knows whose files it reads.

mod blind_bounds;

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;
use paimon_core::table::Table;

use self::blind_bounds::for_blind_bounds;
use super::native::registered_store;

/// A source over the data files of a table. It does what the source inside does.
///
/// The table gives access to the store: in another process the files are read through that process's own table.
#[derive(Clone)]
pub struct TableFileSource {
    table: Table,
    inner: Arc<dyn FileSource>,
}

impl TableFileSource {
    /// The source of a table's files.
    pub fn new(table: Table, inner: Arc<dyn FileSource>) -> Self {
        Self { table, inner }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The source inside.
    pub fn inner(&self) -> &Arc<dyn FileSource> {
        &self.inner
    }

    /// A scan of files by its own source as one of a table's files, through the store of the table, which the runtime
    /// knows from now on.
    ///
    /// # Errors
    /// When the table's store has no name.
    pub fn adopt(
        table: Table,
        mut scan: FileScanConfig,
        runtime: &RuntimeEnv,
    ) -> Result<FileScanConfig> {
        scan.object_store_url = registered_store(table.io(), runtime)?;
        scan.file_source = Arc::new(Self::new(table, scan.file_source));
        Ok(scan)
    }

    fn wrap(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self::new(self.table.clone(), inner))
    }
}

impl FileSource for TableFileSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner
            .create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        self.inner
            .create_morselizer(object_store, base_config, partition)
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.wrap(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let waits: Vec<bool> = filters
            .iter()
            .map(waits_for_subquery)
            .collect::<Result<_>>()?;
        let schema = self.table_schema().table_schema();
        let own = filters.into_iter().zip(&waits);
        let own = own.filter(|(_, waits)| !**waits);
        let own = own.map(|(filter, _)| for_blind_bounds(filter, schema));
        let pushed = self.inner.try_pushdown_filters(own.collect(), config)?;
        let mut answers = pushed.filters.into_iter();
        let answer = |waits: &bool| match waits {
            true => PushedDown::No,
            false => answers.next().unwrap_or(PushedDown::No),
        };
        Ok(FilterPushdownPropagation {
            filters: waits.iter().map(answer).collect(),
            updated_node: pushed.updated_node.map(|inner| self.wrap(inner)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_sort(order, properties)?;
        Ok(pushed.map(|inner| self.wrap(inner)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_projection(projection)?;
        Ok(pushed.map(|inner| self.wrap(inner)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

/// Whether a filter needs the result of a subquery. Such a result belongs to the plan around the scan: a scan that holds a
/// filter of this kind could not travel to another process.
fn waits_for_subquery(filter: &Arc<dyn PhysicalExpr>) -> Result<bool> {
    filter.exists(|part| Ok(part.is::<ScalarSubqueryExpr>()))
}
