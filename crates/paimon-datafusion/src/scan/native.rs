//! DataFusion's own Parquet source over Paimon data files.

mod pushdown;
mod remote;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use object_store::ObjectMeta;
use paimon_core::io::{FileIo, FolderPaths};
use paimon_core::read::{DataSplit, Plan, SplitFile};
use paimon_core::spec::{DataField, TableSchema, TypeKind};

use self::pushdown::filters_late;
use self::remote::source_for;
use super::layout::{FileLayout, partition_values};
use super::memory::holds_row_groups;
use super::source::TableFileSource;
use super::{ScanRequest, balance};
use crate::error::to_datafusion;

/// Files a partition from which on they are dealt out evenly once, and not cut at byte ranges by the optimizer, which
/// copies them all.
const MANY_FILES: usize = 256;

/// Decides which files the source can read and builds its plans.
pub(super) struct NativeScan {
    /// Schemas whose columns map one to one onto the wanted ones.
    fitting_schemas: HashSet<i64>,
    /// Lost or damaged files are to be left out, which the source cannot do.
    skips_broken_files: bool,
    /// The session has the memory for the row groups of the largest file.
    has_memory: bool,
    url: ObjectStoreUrl,
    /// Of files without a merge.
    raw_source: Arc<TableFileSource>,
    /// Of the rows that survive a merge. A source of its own, since the nodes that share one share its metrics.
    merge_source: Arc<TableFileSource>,
    layout: FileLayout,
}

impl NativeScan {
    pub(super) async fn new(
        request: &ScanRequest,
        state: &dyn Session,
        plan: &Plan,
    ) -> Result<Self> {
        let table = &request.table;
        let needed = needed_fields(request);
        let mut ids: Vec<i64> = plan
            .splits
            .iter()
            .flat_map(|s| s.files().into_iter().map(|f| f.meta.schema_id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut fitting_schemas = HashSet::new();
        let types_fit = needed.iter().all(|f| reads_natively(&f.data_type.kind));
        for id in ids {
            let schema = table.schemas().schema(id).await.map_err(to_datafusion)?;
            if types_fit && maps_one_to_one(&needed, &schema) {
                fitting_schemas.insert(id);
            }
        }
        let url = registered_store(table.io(), state.runtime_env())?;
        let options = state.table_options().parquet.clone();
        let layout = FileLayout::of(table);
        let late = filters_late(request, state, plan);
        let new_source = || {
            let source = ParquetSource::new(layout.schema(table))
                .with_table_parquet_options(options.clone())
                .with_pushdown_filters(late);
            let source = source_for(source, table.io(), state.runtime_env());
            Arc::new(TableFileSource::new(table.clone(), Arc::new(source)))
        };
        let files = plan.splits.iter().flat_map(|s| s.files());
        let wanted = (request.columns.len(), table.schema().fields.len());
        let pool = &state.runtime_env().memory_pool;
        Ok(Self {
            has_memory: holds_row_groups(pool, files, wanted, request.partitions),
            fitting_schemas,
            skips_broken_files: table.options().ignore_lost_files
                || table.options().ignore_corrupt_files,
            url,
            raw_source: new_source(),
            merge_source: new_source(),
            layout,
        })
    }

    /// Whether the source can read all of these files.
    pub(super) fn fits<'a>(&self, mut files: impl Iterator<Item = &'a SplitFile>) -> bool {
        !self.skips_broken_files
            && files.all(|f| {
                f.path.ends_with(".parquet")
                    && f.meta.write_cols.is_none()
                    && f.meta.file_size >= 0
                    && self.fitting_schemas.contains(&f.meta.schema_id)
            })
    }

    /// Metrics of [`Self::raw_scan`].
    pub(super) fn raw_metrics(&self) -> &ExecutionPlanMetricsSet {
        self.raw_source.metrics()
    }

    /// Metrics of the scans over [`Self::template`].
    pub(super) fn merge_metrics(&self) -> &ExecutionPlanMetricsSet {
        self.merge_source.metrics()
    }

    /// The configuration, without files, of scans of the rows that survive a merge.
    pub(super) fn template(&self, request: &ScanRequest) -> Result<FileScanConfig> {
        let builder = FileScanConfigBuilder::new(self.url.clone(), self.merge_source.clone())
            .with_projection_indices(Some(self.layout.indices(&request.columns)))?;
        Ok(builder.build())
    }

    /// Whether row groups of unmerged files can be held as the source does.
    pub(super) fn has_memory(&self) -> bool {
        self.has_memory
    }

    /// A plain scan of the files of raw splits, without deletion vectors.
    pub(super) fn raw_scan(
        &self,
        request: &ScanRequest,
        splits: &[DataSplit],
        statistics: Option<Statistics>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = file_groups(request, splits)?;
        let fixed = groups
            .iter()
            .all(|g| g.len() >= MANY_FILES)
            .then(|| Partitioning::UnknownPartitioning(groups.len()));
        let mut builder = FileScanConfigBuilder::new(self.url.clone(), self.raw_source.clone())
            .with_projection_indices(Some(self.layout.indices(&request.columns)))?
            .with_limit(request.limit)
            .with_output_partitioning(fixed)
            .with_file_groups(groups);
        if let Some(statistics) = statistics {
            builder = builder.with_statistics(self.layout.statistics(statistics));
        }
        Ok(DataSourceExec::from_data_source(builder.build()))
    }
}

/// The files of raw splits, a group per partition of the scan. What DataFusion keeps of a file is large: only the lists
/// that are scanned are made of it.
fn file_groups(request: &ScanRequest, splits: &[DataSplit]) -> Result<Vec<FileGroup>> {
    let files = splits
        .iter()
        .enumerate()
        .flat_map(|(s, split)| split.files().into_iter().map(move |file| (s, file)));
    let groups = balance(files.collect(), request.partitions, |(_, file)| {
        u64::try_from(file.meta.file_size).unwrap_or(0)
    });
    let values = splits
        .iter()
        .map(|split| partition_values(&request.table, &split.partition))
        .collect::<Result<Vec<_>>>()?;
    let mut paths = FolderPaths::new(request.table.io());
    groups
        .into_iter()
        .map(|group| {
            let mut files = Vec::with_capacity(group.len());
            for (split, file) in group {
                files.push(partitioned_file(&mut paths, file, &values[split])?);
            }
            Ok(FileGroup::new(files))
        })
        .collect()
}

/// Columns of files that are returned or filtered on.
fn needed_fields(request: &ScanRequest) -> Vec<DataField> {
    let schema = request.table.schema();
    let mut names: HashMap<&str, ()> = HashMap::new();
    request.predicate.for_each_leaf(&mut |leaf| {
        names.insert(leaf.column.as_str(), ());
    });
    schema
        .fields
        .iter()
        .enumerate()
        .filter(|(i, f)| request.columns.contains(i) || names.contains_key(f.name.as_str()))
        .filter(|(_, f)| !schema.partition_keys.contains(&f.name))
        .map(|(_, f)| f.clone())
        .collect()
}

/// Types that the source decodes to exactly our Arrow type.
fn reads_natively(kind: &TypeKind) -> bool {
    match kind {
        TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) => *p <= 6,
        TypeKind::Blob => false,
        other => !other.is_nested(),
    }
}

/// Whether each wanted column is in the file under its current name and type (or a narrower integer), or missing.
fn maps_one_to_one(needed: &[DataField], file: &TableSchema) -> bool {
    needed.iter().all(|field| match file.field_by_id(field.id) {
        Some(own) => {
            own.name == field.name && same_or_wider(&own.data_type.kind, &field.data_type.kind)
        }
        None => field.data_type.nullable && file.field(&field.name).is_none(),
    })
}

fn same_or_wider(from: &TypeKind, to: &TypeKind) -> bool {
    let width = |k: &TypeKind| match k {
        TypeKind::TinyInt => Some(1),
        TypeKind::SmallInt => Some(2),
        TypeKind::Int => Some(4),
        TypeKind::BigInt => Some(8),
        _ => None,
    };
    from == to || matches!((width(from), width(to)), (Some(a), Some(b)) if a <= b)
}

/// A data file as DataFusion knows it, with the values of the partition columns.
pub(super) fn partitioned_file(
    paths: &mut FolderPaths<'_>,
    file: &SplitFile,
    partition: &[ScalarValue],
) -> Result<PartitionedFile> {
    let location = paths.path(&file.path).map_err(to_datafusion)?;
    let own = PartitionedFile::new_from_meta(ObjectMeta {
        location,
        // data files never change
        last_modified: Default::default(),
        size: u64::try_from(file.meta.file_size).unwrap_or(0),
        e_tag: None,
        version: None,
    });
    Ok(own.with_partition_values(partition.to_vec()))
}

/// Makes a runtime know a store, and gives its name there.
pub(super) fn registered_store(io: &FileIo, runtime: &RuntimeEnv) -> Result<ObjectStoreUrl> {
    let url = store_url(io)?;
    runtime.register_object_store(url.as_ref(), io.object_store().clone());
    Ok(url)
}

/// Name of a store for DataFusion. Two catalogs may open one bucket with different credentials: each has its own name.
fn store_url(io: &FileIo) -> Result<ObjectStoreUrl> {
    let (scheme, authority) = io.prefix().split_once("://").unwrap_or((io.prefix(), ""));
    if scheme == "file" {
        return ObjectStoreUrl::parse(io.prefix());
    }
    // users of a location are no part of the name
    let host = authority.replace('@', ".");
    ObjectStoreUrl::parse(format!("{scheme}-{:x}://{host}", io.identity().number()))
}
