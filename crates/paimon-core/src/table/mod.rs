//! The façade: a table at a location, with its schema, options and the snapshot it reads.

mod changes;
mod commit;
mod compact;
mod incremental;
mod other_branch;
mod read_builder;
mod replace;
mod state;
mod stream;
pub mod system;
mod travel;
mod write_builder;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::SchemaRef;

pub use crate::commit::{
    CatalogEnvironment, CatalogLock, CommitAnswer, HeldLock, PartitionModification, PartitionSpec,
    PartitionStatistics, SnapshotPublication, VersionManagement,
};
pub use changes::ChangesBuilder;
pub use commit::{BATCH_COMMIT_IDENTIFIER, TableCommit};
pub use compact::TableCompact;
pub use read_builder::{ReadBuilder, ReadSpec, TableRead};
pub use state::{TableOrigin, TableState};
pub use stream::{
    ChangeBatch, ChangeStream, Pause, StreamConsumer, StreamPlan, StreamProgress, StreamRead,
    StreamScan, StreamStart, StreamStep, SystemPause,
};
pub use system::SystemTable;
pub use travel::{ScanTarget, parse_timestamp_ms};
pub use write_builder::{TableWrite, WriteBuilder};

use self::other_branch::OtherBranch;
use crate::arrow_bridge::arrow_schema;
use crate::error::{Error, ErrorKind, Result};
use crate::io::FileIo;
use crate::manifest::ManifestScan;
use crate::options::{CoreOptions, check_types};
use crate::predicate::Predicate;
use crate::schema::{SchemaManager, options_in_names_of};
use crate::snapshot::{SnapshotManager, branch_root, list_branches};
use crate::spec::{Snapshot, TableSchema};

/// A table, or one branch of it, as of the newest snapshot or of one that dynamic options chose.
///
/// Cheap to clone. A table without time travel looks up the newest snapshot whenever a read is planned.
#[derive(Clone, Debug)]
pub struct Table {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    io: FileIo,
    location: String,
    name: String,
    branch: String,
    schema: Arc<TableSchema>,
    arrow_schema: SchemaRef,
    options: CoreOptions,
    schemas: SchemaManager,
    snapshots: SnapshotManager,
    target: ScanTarget,
    other: Option<OtherBranch>,
    environment: CatalogEnvironment,
    origin: Option<Arc<TableOrigin>>,
}

impl Table {
    /// Opens the table whose folder is `location`, on its `main` branch. `name` is used in messages and plans.
    ///
    /// # Errors
    /// `NotFound` when the folder holds no schema, `Damaged` when the newest schema cannot be read,
    /// `Unsupported` / `InvalidInput` for options that cannot be honoured.
    pub async fn open(io: FileIo, location: &str, name: &str) -> Result<Self> {
        Self::open_branch(io, location, name, "main").await
    }

    /// The same table with what its catalog lends to it.
    #[must_use]
    pub fn with_environment(&self, environment: CatalogEnvironment) -> Self {
        let i = &self.inner;
        let mut table = self.copy(i.target.clone(), i.other.clone());
        // new, and so nobody else's
        if let Some(own) = Arc::get_mut(&mut table.inner) {
            own.environment = environment;
        }
        table
    }

    /// The same table past all caches: for checks of what the store holds, and for whoever decides what to delete.
    ///
    /// # Errors
    /// None for a table that was opened.
    pub(crate) fn uncached(&self) -> Result<Self> {
        let i = &self.inner;
        let root = branch_root(&i.location, &i.branch)?;
        let mut table = self.copy(i.target.clone(), i.other.clone());
        // new, and so nobody else's
        if let Some(own) = Arc::get_mut(&mut table.inner) {
            own.io = own.io.uncached();
            own.schemas = SchemaManager::new(own.io.clone(), &root);
            own.snapshots = SnapshotManager::new(own.io.clone(), &root);
        }
        Ok(table)
    }

    async fn open_branch(io: FileIo, location: &str, name: &str, branch: &str) -> Result<Self> {
        let Some(table) = Self::open_alone(io, location, name, branch).await? else {
            return Err(Error::new(
                ErrorKind::NotFound,
                "the folder holds no Paimon table: no file `schema/schema-<id>`",
            )
            .with("table", name)
            .with("path", branch_root(location, branch)?));
        };
        let other = OtherBranch::of(&table).await?;
        let target = table.target().clone();
        Ok(match other {
            None => table,
            some => table.copy(target, some),
        })
    }

    /// One branch without another one that completes it; `None` when the folder holds no schema.
    async fn open_alone(
        io: FileIo,
        location: &str,
        name: &str,
        branch: &str,
    ) -> Result<Option<Self>> {
        let location = location.trim_end_matches('/').to_string();
        let root = branch_root(&location, branch)?;
        let schemas = SchemaManager::new(io.clone(), &root);
        let Some(schema) = schemas.latest().await? else {
            return Ok(None);
        };
        let snapshots = SnapshotManager::new(io.clone(), &root);
        let table = Self {
            inner: Arc::new(Inner {
                options: CoreOptions::new(&schema).map_err(|e| e.with("table", name))?,
                arrow_schema: arrow_schema(&schema.fields),
                io,
                location,
                name: name.to_string(),
                branch: branch.to_string(),
                schema,
                schemas,
                snapshots,
                target: ScanTarget::Latest,
                other: None,
                environment: CatalogEnvironment::default(),
                origin: None,
            }),
        };
        if travel::asks_for_travel(table.options().map()) {
            return Box::pin(table.with_options(&HashMap::new()))
                .await
                .map(Some);
        }
        Ok(Some(table))
    }

    /// Whether the columns and options that this handle was opened with are still those of the table, and the table the
    /// same one: for whoever keeps handles. Takes one listing per branch; what the catalog holds is not asked. A handle
    /// that reads a chosen snapshot never is: the choice may lead to another one by now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn is_current(&self) -> Result<bool> {
        if !matches!(self.inner.target, ScanTarget::Latest) {
            return Ok(false);
        }
        let other = match &self.inner.other {
            // one that is named and was not there may have come since
            None => !OtherBranch::is_named(self),
            Some(other) => other.table.schemas().is_current().await?,
        };
        Ok(other && self.inner.schemas.is_current().await?)
    }

    /// The same table on another branch. Time travel of this table is not carried over.
    ///
    /// # Errors
    /// `NotFound` when there is no such branch.
    pub async fn branch(&self, branch: &str) -> Result<Self> {
        let i = &self.inner;
        let known = branch == "main"
            || list_branches(&i.io, &i.location)
                .await?
                .iter()
                .any(|b| b.name == branch);
        if !known {
            return Err(crate::snapshot::no_branch(&i.name, branch));
        }
        let opened = Self::open_branch(i.io.clone(), &i.location, &i.name, branch).await?;
        let opened = opened.with_environment(i.environment.clone());
        Ok(match &i.origin {
            Some(origin) => opened.with_origin(TableOrigin::clone(origin)),
            None => opened,
        })
    }

    /// The same table with dynamic options on top of its own, time travel included: the schema becomes that of the
    /// snapshot they choose.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value or a snapshot out of range, `NotFound` for an unknown tag,
    /// `Unsupported` for options this engine cannot honour.
    pub async fn with_options(&self, dynamic: &HashMap<String, String>) -> Result<Self> {
        let i = &self.inner;
        if let Some(branch) = dynamic.get("branch").filter(|b| **b != i.branch) {
            let mut rest = dynamic.clone();
            rest.remove("branch");
            let other = self.branch(branch).await?;
            return Box::pin(other.with_options(&rest)).await;
        }
        travel::refuse_unknown_scan_options(dynamic)?;
        check_types(dynamic).map_err(|e| e.with("table", &i.name))?;
        refuse_fixed_options(&i.schema, dynamic).map_err(|e| e.with("table", &i.name))?;
        let mut schema = TableSchema::clone(&i.schema);
        for (key, value) in dynamic {
            schema.options.insert(key.clone(), value.clone());
        }
        let target = travel::resolve(self, &schema.options)
            .await
            .map_err(|e| e.with_default("table", &i.name))?;
        if let Some(snapshot) = target.snapshot()
            && snapshot.schema_id != schema.id
        {
            let old = i.schemas.schema(snapshot.schema_id).await?;
            schema = TableSchema {
                options: options_in_names_of(&schema, &old),
                ..TableSchema::clone(&old)
            };
        }
        let other = match &i.other {
            None => None,
            Some(other) => Some(other.with_options(self, dynamic).await?),
        };
        self.aimed(schema, target, other)
    }

    /// The same table and schema, without another branch, read at this snapshot (`None`: without a row) whatever others
    /// commit. It takes no rows.
    #[must_use]
    pub fn pinned(&self, snapshot: Option<Snapshot>) -> Self {
        self.copy(snapshot.map_or(ScanTarget::Empty, ScanTarget::at), None)
    }

    /// The same table and schema with another target and another branch.
    fn copy(&self, target: ScanTarget, other: Option<OtherBranch>) -> Self {
        let i = &self.inner;
        self.with(i.schema.clone(), i.options.clone(), target, other)
    }

    /// The same table with other options, another target and another branch. It takes no rows.
    fn aimed(
        &self,
        schema: TableSchema,
        target: ScanTarget,
        other: Option<OtherBranch>,
    ) -> Result<Self> {
        let options = CoreOptions::new(&schema).map_err(|e| e.with("table", &self.inner.name))?;
        Ok(self.with(Arc::new(schema), options, target, other))
    }

    fn with(
        &self,
        schema: Arc<TableSchema>,
        options: CoreOptions,
        target: ScanTarget,
        other: Option<OtherBranch>,
    ) -> Self {
        let i = &self.inner;
        Self {
            inner: Arc::new(Inner {
                io: i.io.clone(),
                location: i.location.clone(),
                name: i.name.clone(),
                branch: i.branch.clone(),
                arrow_schema: read_schema(&schema, other.as_ref()),
                schema,
                options,
                schemas: i.schemas.clone(),
                snapshots: i.snapshots.clone(),
                target,
                other,
                environment: i.environment.clone(),
                origin: i.origin.clone(),
            }),
        }
    }

    /// Name given when opened.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Folder of the table (of `main`, whatever the branch).
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// `main` or the branch this handle reads.
    pub fn branch_name(&self) -> &str {
        &self.inner.branch
    }

    /// Folder of this branch's metadata.
    pub fn metadata_root(&self) -> Result<String> {
        branch_root(&self.inner.location, &self.inner.branch)
    }

    /// The store.
    pub fn io(&self) -> &FileIo {
        &self.inner.io
    }

    /// Schema that reads return, options with the dynamic ones on top.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.inner.schema
    }

    /// The schema as it is stored, without options that were given when the table was opened; that of [`Self::schema`] where
    /// no file holds it.
    pub async fn stored_schema(&self) -> Arc<TableSchema> {
        let stored = self.schemas().schema(self.schema().id).await;
        stored.unwrap_or_else(|_| self.schema().clone())
    }

    /// [`Self::arrow_schema`], borrowed.
    pub fn arrow_schema_ref(&self) -> &SchemaRef {
        &self.inner.arrow_schema
    }

    /// Arrow schema of the columns.
    pub fn arrow_schema(&self) -> SchemaRef {
        self.inner.arrow_schema.clone()
    }

    /// Typed options.
    pub fn options(&self) -> &CoreOptions {
        &self.inner.options
    }

    /// Schema files.
    pub fn schemas(&self) -> &SchemaManager {
        &self.inner.schemas
    }

    /// Snapshot files.
    pub fn snapshots(&self) -> &SnapshotManager {
        &self.inner.snapshots
    }

    /// What the catalog lends to the table.
    pub fn environment(&self) -> &CatalogEnvironment {
        &self.inner.environment
    }

    /// What reads of this handle see.
    pub fn target(&self) -> &ScanTarget {
        &self.inner.target
    }

    /// The snapshot a read planned now would see; `None` for a table without commits.
    pub async fn current_snapshot(&self) -> Result<Option<Snapshot>> {
        match &self.inner.target {
            ScanTarget::Latest => self.inner.snapshots.latest().await,
            other => Ok(other.snapshot().cloned()),
        }
    }

    /// A scan of all manifests of a snapshot of this table.
    pub fn manifest_scan(&self) -> ManifestScan {
        ManifestScan {
            io: self.inner.io.clone(),
            table: self.inner.location.clone(),
            partition_fields: Arc::new(self.inner.schema.partition_fields()),
            partition_filter: Predicate::AlwaysTrue,
            without_partitions: Arc::default(),
            bucket_filter: None,
            file_filter: None,
            parallelism: std::thread::available_parallelism().map_or(4, usize::from),
        }
    }

    /// Starts a read.
    pub fn read_builder(&self) -> ReadBuilder {
        ReadBuilder::new(self.clone())
    }

    /// One of the system tables, computed now.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, `Unsupported` for one that this engine does not offer yet.
    pub async fn system_table(&self, name: &str) -> Result<SystemTable> {
        system::load(self, name).await
    }
}

fn read_schema(schema: &TableSchema, other: Option<&OtherBranch>) -> SchemaRef {
    match other {
        None => arrow_schema(&schema.fields),
        Some(other) => arrow_schema(&other.relax(&schema.fields)),
    }
}

/// Options that belong to the stored table and cannot be set for one read. Source: `CoreOptions` (`@Immutable`).
const FIXED_OPTIONS: &[&str] = &[
    "type",
    "bucket",
    "bucket-key",
    "bucket-function.type",
    "merge-engine",
    "primary-key",
    "partition",
    "rowkind.field",
    "row-tracking.enabled",
    "data-evolution.enabled",
    "data-file.path-directory",
    "partition.default-name",
    "partition.legacy-name",
    "sequence.snapshot-ordering",
];

fn refuse_fixed_options(schema: &TableSchema, dynamic: &HashMap<String, String>) -> Result<()> {
    for key in FIXED_OPTIONS {
        if let Some(value) = dynamic.get(*key)
            && schema.options.get(*key) != Some(value)
        {
            return Err(Error::invalid(format!(
                "option `{key}` is fixed by the table and cannot be changed for a read"
            ))
            .with("option", key));
        }
    }
    Ok(())
}
