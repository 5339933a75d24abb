//! Tables that read partitions of a second branch: `scan.fallback-branch` and `scan.primary-branch`.
//!
//! Source: `FallbackReadFileStoreTable`, `FileStoreTableFactory`. A partition that the first branch has is read from
//! there as a whole, another one from the second branch. Rows are written to the branch that was opened.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{ReadBuilder, ScanTarget, Table};
use crate::error::{Error, Result};
use crate::options::parse_i64;
use crate::read::live_partition_rows;
use crate::spec::{DataField, TableSchema, TypeKind};

const FALLBACK: &str = "scan.fallback-branch";
const PRIMARY: &str = "scan.primary-branch";
const SNAPSHOT_ID: &str = "scan.snapshot-id";

/// The branch that completes the partitions of a table, or is completed by them.
#[derive(Debug, Clone)]
pub(super) struct OtherBranch {
    pub(super) table: Table,
    /// Whether partitions of the other branch win.
    pub(super) first: bool,
}

impl OtherBranch {
    /// Whether the options of a table name such a branch, there or not.
    pub(super) fn is_named(table: &Table) -> bool {
        [FALLBACK, PRIMARY].iter().any(|key| {
            let name = table.options().get(key);
            name.is_some_and(|b| !b.trim().is_empty())
        })
    }

    /// The branch that the stored options of a table name; `None` where they name none or it does not exist.
    ///
    /// # Errors
    /// `InvalidInput` when both options are given; those of opening the branch.
    pub(super) async fn of(table: &Table) -> Result<Option<Self>> {
        let named = |key: &str| table.options().get(key).filter(|b| !b.trim().is_empty());
        let (name, first) = match (named(FALLBACK), named(PRIMARY)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::invalid(format!(
                    "`{FALLBACK}` and `{PRIMARY}` exclude each other"
                ))
                .with("table", table.name()));
            }
            (Some(name), None) => (name, false),
            (None, Some(name)) => (name, true),
        };
        let i = &table.inner;
        match Table::open_alone(i.io.clone(), &i.location, &i.name, name).await? {
            Some(table) => Ok(Some(Self { table, first })),
            None => {
                tracing::warn!(
                    table = i.name,
                    branch = name,
                    "the branch that completes a table does not exist"
                );
                Ok(None)
            }
        }
    }

    /// Columns of reads: null where either branch takes nulls.
    pub(super) fn relax(&self, fields: &[DataField]) -> Vec<DataField> {
        let others = &self.table.schema().fields;
        let takes_nulls =
            |f: &DataField| others.iter().any(|o| o.id == f.id && o.data_type.nullable);
        let mut fields = fields.to_vec();
        for field in &mut fields {
            field.data_type.nullable |= takes_nulls(field);
        }
        fields
    }

    /// The same branch with the dynamic options of `own`. Snapshot ids differ between branches: one of `own` stands for
    /// the time it was committed.
    pub(super) async fn with_options(
        &self,
        own: &Table,
        dynamic: &HashMap<String, String>,
    ) -> Result<Self> {
        let mut dynamic = dynamic.clone();
        if let Some(id) = dynamic.get_mut(SNAPSHOT_ID)
            && let Some(snapshot) = own.snapshots().try_get(parse_i64(id)?).await?
        {
            let time = snapshot.time_millis;
            let earlier = self.table.snapshots().at_or_before(time).await?;
            *id = earlier.map_or(1, |s| s.id).to_string();
        }
        Ok(Self {
            table: Box::pin(self.table.with_options(&dynamic)).await?,
            first: self.first,
        })
    }
}

impl Table {
    /// The other branch whose partitions reads of this table return too, by `scan.fallback-branch` or
    /// `scan.primary-branch`.
    pub fn other_branch(&self) -> Option<&Table> {
        self.inner.other.as_ref().map(|o| &o.table)
    }

    /// The same table without the partitions of another branch.
    #[must_use]
    pub fn alone(&self) -> Self {
        match &self.inner.other {
            None => self.clone(),
            Some(_) => self.copy(self.inner.target.clone(), None),
        }
    }
}

impl ReadBuilder {
    /// The reads that make up this one: two where another branch completes the partitions of the table, else this one.
    /// Each has a table, a plan and a reader of its own.
    ///
    /// # Errors
    /// `InvalidInput` when the branches have different columns, `Damaged` for broken metadata.
    pub async fn sources(&self) -> Result<Vec<Self>> {
        let Some(other) = &self.table.inner.other else {
            return Ok(vec![self.clone()]);
        };
        let own = self.table.alone();
        check_columns(&own, &other.table)?;
        let (first, second) = match other.first {
            true => (other.table.clone(), own),
            false => (own, other.table.clone()),
        };
        let first = match first.target() {
            ScanTarget::Latest => first.pinned(first.current_snapshot().await?),
            _ => first,
        };
        let complete = live_partition_rows(&first, &self.request).await?;
        Ok(vec![
            self.of_table(first, Arc::default()),
            self.of_table(second, Arc::new(complete)),
        ])
    }

    fn of_table(&self, table: Table, without: Arc<HashSet<Bytes>>) -> Self {
        let mut read = self.clone();
        read.table = table;
        read.request.without_partitions = without;
        read
    }
}

/// Both branches must have the same columns, whether or not they take nulls.
fn check_columns(own: &Table, other: &Table) -> Result<()> {
    let (a, b) = (own.schema(), other.schema());
    if columns(a) == columns(b) && a.partition_keys == b.partition_keys {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "branches {:?} and {:?} must have the same columns and partition columns, as one completes the other",
        own.branch_name(),
        other.branch_name()
    ))
    .with("table", own.name()))
}

fn columns(schema: &TableSchema) -> Vec<(&str, i32, TypeKind)> {
    let column = |f: &DataField| f.data_type.kind.clone();
    schema
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.id, column(f)))
        .collect()
}
