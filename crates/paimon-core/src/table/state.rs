//! Handles of tables as values, by which another process opens the same state of the same table.

use std::sync::Arc;

use indexmap::IndexMap;

use super::other_branch::OtherBranch;
use super::{ScanTarget, Table, read_schema};
use crate::error::Result;
use crate::options::{CoreOptions, redacted};
use crate::schema::SchemaManager;
use crate::snapshot::{SnapshotManager, branch_root};
use crate::spec::TableSchema;

/// Where a catalog has a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOrigin {
    /// Name of the catalog.
    pub catalog: String,
    /// Name of the database.
    pub database: String,
    /// Name of the table, without branch and system part.
    pub table: String,
}

/// What a handle of a table is, beyond the table itself.
#[derive(Debug, Clone)]
pub struct TableState {
    /// `main` or the branch.
    pub branch: String,
    /// Schema whose columns reads return.
    pub schema_id: i64,
    /// Stored and dynamic options, secrets left out.
    pub options: IndexMap<String, String>,
    /// What reads see.
    pub target: ScanTarget,
    /// The branch that completes the partitions, and whether its partitions win.
    pub other: Option<(Box<TableState>, bool)>,
}

impl Table {
    /// The same table that knows where its catalog has it.
    #[must_use]
    pub fn with_origin(&self, origin: TableOrigin) -> Self {
        let other = self.inner.other.as_ref();
        let other = other.map(|o| OtherBranch {
            table: o.table.with_origin(origin.clone()),
            first: o.first,
        });
        let mut table = self.copy(self.inner.target.clone(), other);
        // new, and so nobody else's
        if let Some(own) = Arc::get_mut(&mut table.inner) {
            own.origin = Some(Arc::new(origin));
        }
        table
    }

    /// Where its catalog has the table; `None` for a table that was opened by its folder.
    pub fn origin(&self) -> Option<&TableOrigin> {
        self.inner.origin.as_deref()
    }

    /// The handle as a value.
    pub fn state(&self) -> TableState {
        let options = self.inner.schema.options.iter();
        TableState {
            branch: self.inner.branch.clone(),
            schema_id: self.inner.schema.id,
            options: options
                .filter(|(key, value)| redacted(key, value) == **value)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            target: self.inner.target.clone(),
            other: self
                .inner
                .other
                .as_ref()
                .map(|o| (Box::new(o.table.state()), o.first)),
        }
    }

    /// A handle of this table from its value. Options that the value lacks are those of the schema's file.
    ///
    /// # Errors
    /// `NotFound` when the table or branch has no such schema, `Unsupported` / `InvalidInput` for options that cannot be
    /// honoured.
    pub async fn restored(&self, state: &TableState) -> Result<Self> {
        let i = &self.inner;
        let root = branch_root(&i.location, &state.branch)?;
        let schemas = SchemaManager::new(i.io.clone(), &root);
        let stored = schemas.schema(state.schema_id).await?;
        let mut schema = TableSchema::clone(&stored);
        for (key, value) in &state.options {
            schema.options.insert(key.clone(), value.clone());
        }
        let options = CoreOptions::new(&schema).map_err(|e| e.with("table", &i.name))?;
        let other = match &state.other {
            None => None,
            Some((other, first)) => Some(OtherBranch {
                table: Box::pin(self.restored(other)).await?,
                first: *first,
            }),
        };
        Ok(Self {
            inner: Arc::new(super::Inner {
                io: i.io.clone(),
                location: i.location.clone(),
                name: i.name.clone(),
                branch: state.branch.clone(),
                arrow_schema: read_schema(&schema, other.as_ref()),
                schema: Arc::new(schema),
                options,
                schemas,
                snapshots: SnapshotManager::new(i.io.clone(), &root),
                target: state.target.clone(),
                other,
                environment: i.environment.clone(),
                origin: i.origin.clone(),
            }),
        })
    }
}
